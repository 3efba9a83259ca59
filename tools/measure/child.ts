import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { atEnd } from './at-end.ts';

/** A process of our own, pinned to a core, talked to in lines. None outlives the bench. */

const STOP_MS = 2000;
const ERROR_CHARACTERS_MAX = 2000;

/** Has the kernel end a program with the bench, where setpriv(1) is new enough: prctl(2). */
const ENDS_WITH_PARENT = ['setpriv', '--pdeathsig', 'KILL'];
const WITH_PARENT =
  spawnSync(ENDS_WITH_PARENT[0] ?? '', [...ENDS_WITH_PARENT.slice(1), 'true']).status === 0
    ? ENDS_WITH_PARENT
    : [];

export class Child {
  readonly pid: number;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: string[] = [];
  readonly #ended: Promise<void>;
  #waiting: (() => void) | null = null;
  #errors = '';
  #end: string | null = null;

  constructor(command: readonly string[], core: number) {
    const [program = '', ...words] = [...WITH_PARENT, 'taskset', '-c', String(core), ...command];
    this.#process = spawn(program, words);
    this.pid = this.#process.pid ?? -1;
    const release = atEnd(() => this.#kill());
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(0, ERROR_CHARACTERS_MAX);
    });
    // It may be gone when it is told something; its end says why.
    this.#process.stdin.on('error', () => undefined);
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      this.#lines.push(line);
      this.#waiting?.();
    });
    this.#ended = new Promise((resolve) => {
      const finish = (how: string): void => {
        this.#end ??= how;
        release();
        this.#waiting?.();
        resolve();
      };
      this.#process.on('error', (error) => finish(error.message));
      this.#process.on('close', (code, signal) => finish(`ended with ${signal ?? code}`));
    });
  }

  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  /** The next line. Throws, with what the process said on standard error, if there comes none. */
  async line(timeoutMs: number): Promise<string> {
    if (this.#lines.length === 0 && this.#end === null) await this.#change(timeoutMs);
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    throw new Error(this.lastWords(this.#end ?? `silent for ${timeoutMs} ms`));
  }

  /** What it said on standard error, or else `otherwise`, in one line. */
  lastWords(otherwise: string): string {
    const lines = this.#errors.split('\n').filter((line) => line.trim() !== '');
    // A stack trace of Node begins with where it happened, and says what in a line below.
    return lines.find((line) => line.includes('Error')) ?? lines[0] ?? otherwise;
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#waiting = () => {
        clearTimeout(timer);
        this.#waiting = null;
        resolve();
      };
    });
  }

  async stop(): Promise<void> {
    if (this.#end !== null) return;
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#kill(), STOP_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  /** By its id: nobody else's process is ever meant. */
  #kill(): void {
    this.#process.kill('SIGKILL');
  }
}
