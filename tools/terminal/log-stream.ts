import { logOutput, type WriteSome } from './log-output.ts';
import { STDOUT } from './standard-streams.ts';

// Lines that report on a service, and must not hold it up: a pipe that nobody reads blocks write(2)
// for ever, and Node makes standard streams that are pipes blocking.

/** What may wait for a reader, in each stream. */
const LOG_BYTES_MAX = 1024 * 1024;

/** Lines are taken again once no more than this waits, behind a word about those that were not. */
const LOG_BYTES_RESUME = LOG_BYTES_MAX / 2;

/** While something waits, the stream is tried this often. */
const LOG_RETRY_MS = 20;

/** At the end of the process: a reader that takes nothing for this long is stuck. */
const LOG_STUCK_MS = 500;

/** At the end of the process, a reader that takes something gets this long at the most. */
const LOG_FLUSH_MS_MAX = 5000;

/** Errors that say that nobody reads any more. */
const GONE: readonly unknown[] = ['EPIPE', 'ECONNRESET', 'EIO', 'EBADF'];

/**
 * A standard stream for log lines: it never blocks its writer.
 *
 * What the stream does not take waits in a queue of {@link LOG_BYTES_MAX}; further lines are
 * dropped and counted, and the count is told in their place. When the process ends, what waits goes
 * to a reader that still reads. A reader that has gone, or a full disk, is no error.
 */
export class LogStream {
  /** The line that stands for `lines` that were dropped. */
  droppedWords: (lines: number) => string = (lines) =>
    `sockloop: ${lines} ${lines === 1 ? 'line' : 'lines'} dropped: nobody read ${this.#name}`;
  readonly #fd: number;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #dropped = 0;
  /** Of how many lines a word that is in the queue tells. */
  #told = 0;
  #gone = false;
  /** Whether the last attempt failed for another reason than a reader. */
  #refused = false;
  #write: WriteSome | null = null;
  #retry: NodeJS.Timeout | null = null;

  /** `write` is how the descriptor takes bytes; found out at the first line if left out. */
  constructor(fd: number, write: WriteSome | null = null) {
    this.#fd = fd;
    this.#write = write;
  }

  get #name(): string {
    return this.#fd === STDOUT ? 'standard output' : 'standard error';
  }

  /** Whether something waits for a reader. */
  get pending(): boolean {
    return this.#queue.length > 0 || this.#dropped > 0;
  }

  /** Writes a line, newline included, or queues or drops it. */
  write(line: Uint8Array): void {
    if (this.#gone) return;
    if (this.pending) this.flush();
    if (this.#dropped > 0 || this.#queuedBytes > LOG_BYTES_MAX - line.length) {
      this.#dropped += 1;
      this.#flushLater();
      return;
    }
    this.#append(line);
    this.flush();
  }

  /** Writes what the stream takes now. */
  flush(): void {
    this.#refused = false;
    try {
      this.#write ??= logOutput(this.#fd);
      while (this.#sendFirst());
      const enough = this.#dropped > 0 && this.#queuedBytes <= LOG_BYTES_RESUME;
      if (enough) {
        this.#tellDropped();
        while (this.#sendFirst());
      }
    } catch (error) {
      this.#failed(error);
    }
    if (this.pending) this.#flushLater();
    else this.#endRetry();
  }

  /** Gives the reader what waits, unless it is stuck. Blocks, for the end of the process. */
  finish(): void {
    let stuckMs = 0;
    let waitedMs = 0;
    while (this.pending && stuckMs < LOG_STUCK_MS && waitedMs < LOG_FLUSH_MS_MAX) {
      if (this.#dropped > 0) this.#tellDropped();
      const before = this.#queuedBytes;
      this.flush();
      if (this.#refused) break;
      if (this.#queuedBytes < before) stuckMs = 0;
      if (!this.pending) break;
      Atomics.wait(PAUSE, 0, 0, LOG_RETRY_MS);
      stuckMs += LOG_RETRY_MS;
      waitedMs += LOG_RETRY_MS;
    }
    this.#endRetry();
  }

  #append(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
  }

  #tellDropped(): void {
    this.#append(Buffer.from(`${this.droppedWords(this.#dropped)}\n`));
    this.#told = this.#dropped;
    this.#dropped = 0;
  }

  /** Returns whether there may be more to send. */
  #sendFirst(): boolean {
    const [first] = this.#queue;
    if (first === undefined) return false;
    const taken = this.#write?.(first) ?? 0;
    this.#queuedBytes -= taken;
    if (taken < first.length) {
      if (taken > 0) this.#queue[0] = first.subarray(taken);
      return taken > 0;
    }
    this.#queue.shift();
    if (this.#queue.length === 0) this.#told = 0;
    return true;
  }

  #failed(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (GONE.includes(code)) this.#gone = true;
    // A full disk may have room again. What waits is lost: a piece of a line is no line.
    else this.#dropped += this.#queue.length + Math.max(0, this.#told - 1);
    this.#told = 0;
    this.#refused = true;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    if (this.#gone) this.#dropped = 0;
  }

  #flushLater(): void {
    if (this.#retry !== null) return;
    const retry = setInterval(() => this.flush(), LOG_RETRY_MS);
    retry.unref();
    this.#retry = retry;
  }

  #endRetry(): void {
    if (this.#retry !== null) clearInterval(this.#retry);
    this.#retry = null;
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
