import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, type Scope, start } from '#test/harness/command.js';

/** How a program has ended. */
export interface End {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/**
 * A program whose output goes to files: what Node makes for a child is a socket, to which the
 * program would speak by the very calls that fail.
 */
export class Program {
  readonly command: Command;
  readonly #directory: string;

  constructor(
    scope: Scope,
    words: readonly string[],
    { env, extra = [] }: { env: NodeJS.ProcessEnv; extra?: readonly 'pipe'[] },
  ) {
    this.#directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
    scope.after(() => rmSync(this.#directory, { recursive: true, force: true }));
    const [out, err] = [openSync(this.#path('out'), 'a'), openSync(this.#path('err'), 'a')];
    this.command = start(scope, words, { env, stdio: ['pipe', out, err, ...extra] });
    closeSync(out);
    closeSync(err);
  }

  #path(name: 'out' | 'err'): string {
    return join(this.#directory, name);
  }

  get pid(): number {
    return this.command.pid;
  }

  get out(): string {
    return readFileSync(this.#path('out'), 'utf8');
  }

  get err(): string {
    return readFileSync(this.#path('err'), 'utf8');
  }

  get isOver(): boolean {
    const { exitCode, signalCode } = this.command.child;
    return exitCode !== null || signalCode !== null;
  }

  /** Waits until `found` is true or the program is over. False after `boundMs`. */
  async until(found: () => boolean, boundMs: number): Promise<boolean> {
    const endMs = performance.now() + boundMs;
    while (!this.isOver && !found() && performance.now() < endMs) await delay(10);
    return found();
  }

  /** Waits for its end; null if that does not come within `boundMs`: it is killed then. */
  async end(boundMs: number): Promise<End | null> {
    await this.until(() => false, boundMs);
    const late = !this.isOver;
    if (late) this.command.child.kill('SIGKILL');
    await this.command.end();
    if (late) return null;
    const { exitCode: status, signalCode: signal } = this.command.child;
    return { status, signal, out: this.out, err: this.err };
  }
}
