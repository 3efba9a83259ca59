import { SHARE_ENV, Worker } from 'node:worker_threads';
import { threadReason } from '../../echo/threads/error.ts';
import { END_GRACE_MS } from '../../load/limits.ts';
import type { CompareAnswer, CompareCommand, CompareTarget, CompareTask } from './messages.ts';

/**
 * The client of a comparison: groups of connections on one thread, which carry messages in slices,
 * one group at a time. Every byte that comes back is compared with what was sent.
 */
export class CompareClient {
  readonly #stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #answered: ((answer: CompareAnswer) => void) | null = null;
  #failed: (error: Error) => void = () => undefined;
  #failure: Error | null = null;
  #lastGroup = 0;

  constructor() {
    const workerData: CompareTask = { memory: this.#stop.buffer };
    this.#worker = newWorker(workerData);
    this.#worker.on('message', (answer: CompareAnswer) => this.#answered?.(answer));
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#fail(new Error('the thread of the client ended without a word'));
        resolve();
      });
    });
    this.#worker.on('error', (error) =>
      this.#fail(new Error(`the thread of the client failed: ${threadReason(error)}`)),
    );
  }

  /** Opens a group of connections, and says how many of them stand. */
  connect(to: CompareTarget): Promise<CompareAnswer> {
    this.#lastGroup += 1;
    return this.#ask({ kind: 'connect', group: this.#lastGroup, to });
  }

  /** Has a group carry messages for so long. */
  slice(group: number, durationMs: number): Promise<CompareAnswer> {
    return this.#ask({ kind: 'slice', group, durationMs });
  }

  /** Closes the connections of a group. */
  async close(group: number): Promise<void> {
    await this.#ask({ kind: 'close', group });
  }

  /** What is under way ends as soon as it can; nothing that comes later takes long. */
  stop(): void {
    Atomics.store(this.#stop, 0, 1);
  }

  /** Closes everything and ends the thread. */
  async end(): Promise<void> {
    this.stop();
    const command: CompareCommand = { kind: 'end' };
    this.#worker.postMessage(command);
    // Its waits are short. A thread that does not answer in time is terminated.
    const patience = setTimeout(() => void this.#worker.terminate(), END_GRACE_MS);
    await this.#ended;
    clearTimeout(patience);
  }

  #ask(command: CompareCommand): Promise<CompareAnswer> {
    if (this.#answered !== null) throw new Error('the client does one thing at a time');
    return new Promise<CompareAnswer>((resolve, reject) => {
      this.#answered = (answer) => {
        this.#answered = null;
        resolve(answer);
      };
      this.#failed = reject;
      if (this.#failure !== null) this.#fail(this.#failure);
      else this.#worker.postMessage(command);
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#answered = null;
    this.#failed(this.#failure);
  }
}

function newWorker(workerData: CompareTask): Worker {
  try {
    const url = new URL('./worker.js', import.meta.url);
    return new Worker(url, { workerData, env: SHARE_ENV });
  } catch (error) {
    throw new Error(`cannot start the thread of the client: ${threadReason(error)}`);
  }
}
