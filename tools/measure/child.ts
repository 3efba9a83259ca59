import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Deque } from '#src/base/deque.js';
import type { Cleanup } from './cleanup.ts';

const STOP_MS_MAX = 2000;

/** A server may complain of each connection. */
const ERROR_CHARACTERS_MAX = 4000;

/** What spawn(2) and Node say where the limit of processes and threads is reached. */
const NO_PROCESSES = /\bEAGAIN\b|uv_thread_create|pthread_create|Resource temporarily unavailable/;

interface ChildOptions {
  readonly cleanup: Cleanup;
  readonly env?: NodeJS.ProcessEnv;
  /** Gives it a process group of its own, which Ctrl-C at the terminal does not reach. */
  readonly detached?: boolean;
}

/** A child process that talks in lines. It is killed when this process ends. */
export class Child {
  readonly pid: number;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #release: () => void;
  readonly #lines = new Deque<string>();
  readonly #closed: Promise<void>;
  #waiting: (() => void) | null = null;
  #errors = '';
  #end: string | null = null;

  constructor(command: readonly string[], { cleanup, ...options }: ChildOptions) {
    const [program = '', ...words] = command;
    this.#process = spawn(program, words, { ...options, stdio: 'pipe' });
    this.pid = this.#process.pid ?? -1;
    this.#release = cleanup.add(() => this.#kill());
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(0, ERROR_CHARACTERS_MAX);
    });
    // A process that has ended cannot be written to; its end says why.
    this.#process.stdin.on('error', () => undefined);
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      this.#lines.push(line);
      this.#waiting?.();
    });
    this.#process.on('exit', (status, signal) => this.#ended(signal ?? `status ${status}`));
    this.#closed = new Promise((resolve) => {
      const close = (how: string): void => {
        this.#ended(how);
        this.#waiting?.();
        resolve();
      };
      this.#process.on('error', (error) => close(error.message));
      this.#process.on('close', (status, signal) => close(signal ?? `status ${status}`));
    });
  }

  /** How it ended, with its last words; null while it runs. */
  get end(): string | null {
    if (this.#end === null) return null;
    const said = this.#complaint();
    // V8 aborts without a word where it cannot start a thread of its own.
    const silentAbort = this.#end === 'SIGABRT' && said === undefined;
    if (silentAbort || NO_PROCESSES.test(this.#end + this.#errors)) {
      return 'it could not start its threads: raise the limit of processes (ulimit -u)';
    }
    return said === undefined ? this.#end : `${this.#end} (${said})`;
  }

  /** Resolves once it has ended and its output is read. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  /** The next line. Throws an Error that says why, if there comes none. */
  async line(timeoutMs: number): Promise<string> {
    if (this.#lines.size === 0) await this.#change(timeoutMs);
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    throw new Error(this.end ?? this.lastWords(`silent for ${timeoutMs} ms`));
  }

  /** The port of a server: it prints `listening PORT`, or `listening on ADDRESS:PORT`. */
  async port(timeoutMs: number): Promise<number> {
    const line = await this.line(timeoutMs);
    const port = /^listening (?:on \S+:)?(\d+)/.exec(line)?.[1];
    if (port !== undefined) return Number(port);
    throw new Error(`said "${line}" instead of where it listens`);
  }

  /** What it said on standard error, in one line, or `otherwise`. */
  lastWords(otherwise: string): string {
    return this.#complaint() ?? otherwise;
  }

  /** Ends it by SIGTERM, or by SIGKILL where that takes too long. */
  async stop(): Promise<void> {
    if (this.#end === null) this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#kill(), STOP_MS_MAX);
    await this.#closed;
    clearTimeout(timer);
  }

  #complaint(): string | undefined {
    const lines = this.#errors.split('\n').filter((line) => line.trim() !== '');
    // A stack trace of Node begins with a file, and names the error in a later line.
    return lines.find((line) => line.includes('Error')) ?? lines[0];
  }

  /** Waits for a line, or for the end of all output. */
  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting = null;
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting = done;
      void this.#closed.then(done);
    });
  }

  #ended(how: string): void {
    this.#end ??= how;
    this.#release();
  }

  #kill(): void {
    this.#process.kill('SIGKILL');
  }
}
