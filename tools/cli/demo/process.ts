import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { childEnvironment } from '../../terminal/parent.ts';
import { MAIN } from '../../terminal/program.ts';

/**
 * How long nothing may happen before something is wrong: far longer than a program takes to begin
 * on a machine that has a tenth of a core for it. What moves on is never ended.
 */
export const STALL_MS = 60_000;

const STDOUT_POLL_MS = 10;

/** Hears each line that a process prints. */
interface LineSink {
  out?(line: string): void;
  err?(line: string): void;
}

/** One process of the demo: a `sockloop` command. Disposing of it kills it. */
export class DemoProcess implements Disposable {
  readonly child: ChildProcess;
  /** What it printed on standard output and on standard error. */
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly exit: Promise<unknown>;
  readonly #label: string;
  /** Ends a process that says nothing for too long. */
  readonly #stall = setTimeout(() => this.child.kill('SIGKILL'), STALL_MS);

  constructor(label: string, words: readonly string[], sink: LineSink = {}) {
    this.#label = label;
    this.child = spawn(process.execPath, [MAIN, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: childEnvironment('SIGKILL'),
    });
    this.exit = once(this.child, 'close').finally(() => clearTimeout(this.#stall));
    eachLine(this.child.stdout, (line) => {
      this.#stall.refresh();
      this.lines.push(line);
      sink.out?.(line);
    });
    eachLine(this.child.stderr, (line) => {
      this.#stall.refresh();
      this.errors.push(line);
      sink.err?.(line);
    });
  }

  /** Waits for the line that says where a server listens, and returns its port. */
  async port(): Promise<string> {
    while (this.lines.length === 0) {
      const { exitCode, signalCode } = this.child;
      if (exitCode !== null || signalCode !== null) {
        throw new Error(`the ${this.#label} ended too soon: ${signalCode ?? `status ${exitCode}`}`);
      }
      const pause = new Promise((resolve) => setTimeout(resolve, STDOUT_POLL_MS));
      await Promise.race([this.exit, pause]);
    }
    const port = /:(\d+) /.exec(this.lines[0] ?? '')?.[1];
    if (port === undefined) throw new Error(`the ${this.#label} did not say where it listens`);
    return port;
  }

  /** Ends a server as Ctrl-C does. */
  async stop(): Promise<void> {
    this.#stall.refresh();
    this.child.kill('SIGTERM');
    await this.exit;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#stall);
    this.child.kill('SIGKILL');
  }
}

function eachLine(stream: Readable | null, heard: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', heard);
}
