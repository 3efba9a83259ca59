import { NEWLINE } from '#src/base/bytes.js';
import { STDERR, STDOUT, writeAll } from '../../terminal/standard-streams.ts';
import type { ClientState } from './client-shared.ts';

const START_BYTES = 4096;

/** The output of a thread failed: its reader has gone, or the disk is full. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
  override readonly cause: Error;

  constructor(cause: Error) {
    super(cause.message);
    this.cause = cause;
  }
}

/**
 * Prints the replies of one thread, each line behind the number of the thread, and its system
 * calls. A reply is buffered and printed in one piece, while no other thread prints.
 */
export class ThreadPrinter {
  readonly #thread: number;
  readonly #state: ClientState;
  readonly #prefix: Uint8Array;
  #bytes = new Uint8Array(START_BYTES);
  #length = 0;
  #atLineStart = true;

  constructor(thread: number, state: ClientState) {
    this.#thread = thread;
    this.#state = state;
    this.#prefix = Buffer.from(`thread ${thread}: `);
  }

  /** Buffers a piece of a reply. */
  take(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#atLineStart) this.#append(this.#prefix);
      const newline = piece.indexOf(NEWLINE, at);
      const end = newline < 0 ? piece.length : newline + 1;
      this.#append(piece.subarray(at, end));
      this.#atLineStart = newline >= 0;
      at = end;
    }
  }

  /** Prints the buffer, with a newline at its end, and clears it. Throws an OutputError. */
  print(): void {
    if (!this.#atLineStart) this.#append(Uint8Array.of(NEWLINE));
    const length = this.#length;
    this.#length = 0;
    this.#atLineStart = true;
    if (length > 0) this.#write(STDOUT, this.#bytes.subarray(0, length));
  }

  /** Prints a system call on standard error. */
  traced(line: string): void {
    this.#write(STDERR, Buffer.from(`[thread ${this.#thread}] ${line}\n`));
  }

  #append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }

  #write(fd: number, bytes: Uint8Array): void {
    if (!this.#state.beginPrinting(this.#thread)) return;
    try {
      writeAll(fd, bytes);
    } catch (error) {
      throw error instanceof Error ? new OutputError(error) : error;
    } finally {
      this.#state.endPrinting(this.#thread);
    }
  }
}
