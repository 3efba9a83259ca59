import { AsyncResource } from 'node:async_hooks';
import type { Connection } from './connection.ts';

type Done = (error?: Error | null) => void;

/** How a chunk of a `writev` comes. */
interface WritevChunk {
  readonly chunk: Uint8Array;
}

/** Longer chunks go to the connection in pieces, each when the one before is sent. */
const PIECE_BYTES = 1024 * 1024;

/**
 * The sending side of a node:stream over a connection: one `_write`, `_writev` or `_final` at a
 * time, done when the kernel has taken its bytes. `queueBytesHigh` of the connection has to be 0:
 * every queue that has become empty is reported then.
 */
export class StreamWrites {
  readonly #connection: Connection<unknown>;
  /** What waits for the queue to become empty. */
  #done: Done | null = null;
  /** What is to be written then. */
  #chunks: readonly WritevChunk[] = [];
  #index = 0;
  #offset = 0;

  constructor(connection: Connection<unknown>) {
    this.#connection = connection;
  }

  /** Whether a write or the end is not done. */
  get isBusy(): boolean {
    return this.#done !== null;
  }

  /** `_write` of a Writable. */
  write(chunk: Uint8Array, done: Done): void {
    if (chunk.length > PIECE_BYTES) this.writev([{ chunk }], done);
    else if (this.#connection.write(chunk)) done();
    else this.#done = inContext(done);
  }

  /** `_writev` of a Writable. */
  writev(chunks: readonly WritevChunk[], done: Done): void {
    this.#chunks = chunks;
    this.#index = 0;
    this.#offset = 0;
    this.#done = done;
    this.#writeOn();
    if (this.#done !== null) this.#done = inContext(done);
  }

  /** `_final` of a Writable. */
  end(done: Done): void {
    this.#connection.end();
    if (this.#connection.queuedBytes === 0) done();
    else this.#done = inContext(done);
  }

  /** The queue is empty. */
  drained(): void {
    if (this.#done !== null) this.#writeOn();
  }

  /** Nothing will be sent any more. */
  failed(error: Error | null): void {
    this.#finish(error);
  }

  #writeOn(): void {
    const connection = this.#connection;
    for (let next = this.#chunks[this.#index]; next; next = this.#chunks[this.#index]) {
      const { chunk } = next;
      const length = Math.min(chunk.length - this.#offset, PIECE_BYTES);
      const taken = connection.write(chunk, this.#offset, length);
      this.#offset += length;
      if (this.#offset === chunk.length) {
        this.#index += 1;
        this.#offset = 0;
      }
      // Of many chunks no more is queued than of a long one.
      if (!taken && connection.queuedBytes >= PIECE_BYTES / 2) return;
      if (!taken && this.#index === this.#chunks.length) return;
    }
    this.#finish(null);
  }

  #finish(error: Error | null): void {
    const done = this.#done;
    this.#done = null;
    this.#chunks = [];
    this.#index = 0;
    done?.(error);
  }
}

/** What waits is called in the asynchronous context of its write, as by node:net. */
function inContext(done: Done): Done {
  return AsyncResource.bind(done, 'SOCKLOOP_WRITE');
}
