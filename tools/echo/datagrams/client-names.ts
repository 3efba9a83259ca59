import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sys } from 'sockloop/sys';

/** Names of clients: a server of UNIX datagrams can answer a socket that has one. */
export class ClientNames implements Disposable {
  readonly #sys: Sys;
  /** For the files, where the kernel gives no names (unix(7), "Autobind feature"). */
  #folder: string | null = null;
  #count = 0;

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  /** A path that is free; '' has the kernel choose an abstract name. */
  next(): string {
    if (this.#sys.abi.behaviours.abstractUnixNames) return '';
    this.#folder ??= mkdtempSync(join(tmpdir(), 'sockloop-'));
    return join(this.#folder, `${this.#count++}`);
  }

  /** Removes the files. */
  [Symbol.dispose](): void {
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = null;
  }
}
