import { Deque } from '#src/base/deque.js';
import { logOutput, type WriteSome } from './log-output.ts';
import { STDOUT } from './standard-streams.ts';

// Log lines must not block the service: write(2) to a pipe that nobody reads blocks for ever, and
// Node makes standard streams that are pipes blocking.

/** Capacity of the queue of a stream. */
const LOG_BYTES_MAX = 1024 * 1024;

/** The queue accepts lines again at this length, behind a line that counts the dropped ones. */
const LOG_BYTES_RESUME = LOG_BYTES_MAX / 2;

/** Retry interval while the queue is not empty. */
const LOG_RETRY_MS = 20;

/** At exit, a reader that takes nothing for this long is given up. */
const LOG_STUCK_MS = 500;

/** At exit, the longest wait for a slow reader. */
const LOG_FLUSH_MS_MAX = 5000;

/** Errors of a stream whose reader has gone. */
const GONE: readonly unknown[] = ['EPIPE', 'ECONNRESET', 'EIO', 'EBADF'];

/**
 * A standard stream for log lines. Never blocks its writer.
 *
 * Lines that the stream does not take wait in a queue of {@link LOG_BYTES_MAX}; further lines are
 * dropped, and one line reports their number. The queue is flushed at exit if the reader still
 * reads. A reader that has gone, or a full disk, is no error.
 */
export class LogStream {
  /** The line that reports the number of dropped lines. */
  droppedWords: (lines: number) => string = (lines) =>
    `sockloop: ${lines} ${lines === 1 ? 'line' : 'lines'} dropped: nobody read ${this.#name}`;
  readonly #fd: number;
  readonly #queue = new Deque<Uint8Array>();
  #queuedBytes = 0;
  #dropped = 0;
  /** The number of dropped lines that a queued line reports. */
  #told = 0;
  #gone = false;
  /** True if the last write failed with an error other than those of a gone reader. */
  #refused = false;
  #write: WriteSome | null = null;
  #retry: NodeJS.Timeout | null = null;

  /** `write` replaces the write to `fd`, which is chosen at the first line if left out. */
  constructor(fd: number, write: WriteSome | null = null) {
    this.#fd = fd;
    this.#write = write;
  }

  get #name(): string {
    return this.#fd === STDOUT ? 'standard output' : 'standard error';
  }

  /** True if lines wait for a reader. */
  get pending(): boolean {
    return this.#queue.size > 0 || this.#dropped > 0;
  }

  /** Writes, queues or drops a line, newline included. */
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

  /** Writes as much of the queue as the stream takes now. */
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

  /** Flushes the queue unless the reader is stuck. Blocks: for the end of the process. */
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
    const first = this.#queue.peek();
    if (first === undefined) return false;
    const taken = this.#write?.(first) ?? 0;
    this.#queuedBytes -= taken;
    if (taken === 0 && first.length > 0) return false;
    this.#queue.shift();
    if (taken < first.length) {
      this.#queue.unshift(first.subarray(taken));
      return true;
    }
    if (this.#queue.size === 0) this.#told = 0;
    return true;
  }

  #failed(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (GONE.includes(code)) this.#gone = true;
    // A full disk may have room again. The queue is lost: it may begin inside a line.
    else this.#dropped += this.#queue.size + Math.max(0, this.#told - 1);
    this.#told = 0;
    this.#refused = true;
    this.#queue.clear();
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
