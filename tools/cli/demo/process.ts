import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { childEnvironment } from '../../terminal/parent.ts';
import { MAIN } from '../../terminal/program.ts';

/**
 * A process without output for this long has failed. Far longer than a program takes to start with
 * a tenth of a core; each line starts the time anew.
 */
export const STALL_MS = 60_000;

const STDOUT_POLL_MS = 10;

/** Called with each line of a process. */
interface LineSink {
  out?(line: string): void;
  err?(line: string): void;
}

/** A `sockloop` command of the demo. Disposing of it kills the process. */
export class DemoProcess implements Disposable {
  readonly child: ChildProcess;
  /** The lines of standard output and standard error. */
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly exit: Promise<unknown>;
  readonly #label: string;
  /** Kills a process without output. */
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

  /** Waits for the first line of a server and returns its port. */
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

  /** Stops a server with SIGTERM and waits for its end. */
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

function eachLine(stream: Readable | null, sink: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', sink);
}
