import { Deque } from '../../base/deque.ts';
import { RECEIVED_BYTES_HIGH, RECEIVED_CHUNKS_HIGH } from '../limits.ts';
import type { Connection } from '../stream/connection.ts';
import { DONE } from './pull-iterator.ts';

/** What a connection has received and its consumer has not taken: bounded, by pausing it. */
export class ReceivedChunks {
  readonly #connection: Connection<unknown>;
  readonly #bytesHigh: number;
  readonly #chunks = new Deque<Uint8Array>();
  #bytes = 0;
  #paused = false;
  /** Nothing more comes: the peer has ended, or the connection is over. */
  #ended = false;
  /** The program has given the connection up, and wants none of it. */
  #dropped = false;
  #error: Error | null = null;

  /** Pauses `connection` above `bytesHigh` bytes. */
  constructor(connection: Connection<unknown>, bytesHigh = RECEIVED_BYTES_HIGH) {
    this.#connection = connection;
    this.#bytesHigh = bytesHigh;
  }

  /** Whether the consumer has taken everything that has come. */
  get isEmpty(): boolean {
    return this.#chunks.size === 0;
  }

  /** True after {@link drop}. */
  get dropped(): boolean {
    return this.#dropped;
  }

  /** Adds a chunk, which is the consumer's for ever. */
  push(chunk: Uint8Array): void {
    if (this.#dropped) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Pauses the connection if its consumer is behind. */
  bound(): void {
    if (this.#paused) return;
    if (this.#bytes < this.#bytesHigh && this.#chunks.size < RECEIVED_CHUNKS_HIGH) return;
    this.#paused = true;
    this.#connection.pause();
  }

  /** The next chunk, or the end; null if there is none yet. Throws what broke the connection. */
  take(): IteratorResult<Uint8Array, undefined> | null {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) {
      if (this.#error !== null) throw this.#error;
      return this.#ended ? DONE : null;
    }
    this.#bytes -= chunk.length;
    const low = this.#bytes <= this.#bytesHigh / 2 && this.#chunks.size <= RECEIVED_CHUNKS_HIGH / 2;
    if (this.#paused && low) {
      this.#paused = false;
      if (this.#connection.isOpen) this.#connection.resume();
    }
    return { done: false, value: chunk };
  }

  /** Nothing more comes. `error` is thrown behind what has come; null for an orderly end. */
  end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
  }

  /** Drops everything, now and later. */
  drop(): void {
    this.#dropped = true;
    this.#chunks.clear();
    this.#bytes = 0;
    this.end(null);
  }
}
