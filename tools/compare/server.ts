import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { nativeSys } from 'sockloop/sys';
import { childEnvironment } from '../terminal/parent.ts';
import { MAIN } from '../terminal/program.ts';
import type { Children } from './children.ts';
import type { ComparedName } from './plan.ts';

/** Until it listens, on a machine that has a tenth of a core for it; and until it has ended. */
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 2000;

/** A server that has just died is known to have done so by then. */
const DEATH_MS = 200;

/** What is kept of what it says on standard error: a server may complain of each connection. */
const ERROR_CHARACTERS_MAX = 2000;

/** An echo server in a process of its own. */
export class CompareServer {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #release: () => void;
  #firstLine = '';
  #errors = '';
  #end: string | null = null;

  /** `more` are further flags of `sockloop serve`. */
  constructor(name: ComparedName, more: readonly string[], children: Children) {
    const words = [MAIN, 'serve', '--loop', name, '--port', '0', ...more];
    this.#child = spawn(process.execPath, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      // In a group of its own: Ctrl-C is for us, and the servers end when we say so.
      detached: true,
      env: childEnvironment('SIGKILL'),
    });
    this.#release = children.add(() => this.#child.kill('SIGKILL'));
    const { stdout, stderr } = this.#child;
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(0, ERROR_CHARACTERS_MAX);
    });
    if (stdout !== null) {
      createInterface({ input: stdout }).on('line', (line) => {
        if (this.#firstLine === '') this.#firstLine = line;
      });
    }
    this.#child.on('error', (error) => this.#ended(error.message));
    this.#child.on('exit', (status, signal) => this.#ended(signal ?? `status ${status}`));
    this.#closed = once(this.#child, 'close').catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** How it ended and its last words, null as long as it runs. */
  get end(): string | null {
    if (this.#end === null) return null;
    const said = this.#errors.split('\n').find((line) => line.trim() !== '');
    return said === undefined ? this.#end : `${this.#end} (${said})`;
  }

  /** Waits until it listens, and returns its port. Rejects with what it said where it does not. */
  async port(): Promise<number> {
    const beganMs = nativeSys().monotonicMs();
    while (this.#firstLine === '' && this.end === null) {
      if (nativeSys().monotonicMs() - beganMs > START_MS_MAX)
        throw new Error(`it did not listen within ${START_MS_MAX} ms`);
      await delay(10);
    }
    const port = /:(\d+) /.exec(this.#firstLine)?.[1];
    if (port !== undefined) return Number(port);
    throw new Error(this.end ?? `it said "${this.#firstLine}" instead of where it listens`);
  }

  /** How it ended, if it has: waits a moment for it, where connections have just been lost. */
  async deathWords(): Promise<string | null> {
    if (this.#end === null) await Promise.race([this.#closed, delay(DEATH_MS)]);
    return this.end;
  }

  /** Ends it as Ctrl-C does, or at once where that takes too long. */
  async stop(): Promise<void> {
    if (this.#end === null) this.#child.kill('SIGTERM');
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    await this.#closed;
    clearTimeout(patience);
  }

  #ended(how: string): void {
    this.#end ??= how;
    this.#release();
  }
}
