import { copyOf } from '../../base/bytes.ts';
import { ReceivedChunks } from '../../net/async/received-chunks.ts';
import type { Connection } from '../../net/stream/connection.ts';

/** Who hears of what becomes of the stream. */
interface Owner {
  /** The reader wants no more. */
  cancelled(): void;
  /** The reader has got everything up to the peer's end. */
  ended(): void;
}

/**
 * The stream that a socket is read from: a byte stream over what its connection receives.
 *
 * What nobody has asked for yet is held here and not in the stream, which would drop it if the
 * connection breaks, and could not be asked for it when TLS begins.
 */
export class ReadableSide {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #owner: Owner;
  readonly #bytesHigh: number;
  #controller: ReadableByteStreamController | null = null;
  #received: ReceivedChunks | null = null;
  /** A read is waiting, and there is nothing for it. */
  #isWanted = false;
  /** Nothing more will be received. */
  #hasEnded = false;
  /** The stream is closed, cancelled or errored. */
  #isOver = false;

  /** Holds about `bytesHigh` bytes. */
  constructor(bytesHigh: number, owner: Owner) {
    this.#bytesHigh = bytesHigh;
    this.#owner = owner;
    this.stream = new ReadableStream({
      type: 'bytes',
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        this.#isWanted = true;
        this.#serve();
      },
      cancel: () => {
        this.#end();
        this.#owner.cancelled();
      },
    });
  }

  /** The connection is established. */
  opened(connection: Connection<unknown>): void {
    if (!this.#isOver) this.#received = new ReceivedChunks(connection, this.#bytesHigh);
  }

  /** Takes bytes that are valid until this returns; they are dropped if nobody wants them. */
  deliver(chunk: Uint8Array): void {
    const received = this.#received;
    if (received === null || received.dropped) return;
    const given = this.#isWanted ? this.#give(chunk) : 0;
    if (given === chunk.length) return;
    received.push(copyOf(chunk.subarray(given)));
    received.bound();
    this.#serve();
  }

  /** Nothing more comes. `error` is what broke the connection; null is the peer's end. */
  ended(error: Error | null): void {
    if (this.#isOver) return;
    if (this.#received === null) {
      if (error !== null) this.fail(error);
      return;
    }
    this.#received.end(error);
    this.#hasEnded = true;
    this.#lookForEnd();
    this.#serve();
  }

  /** Drops what is held and ends the stream for its reader, as `cancel` does. */
  close(): void {
    if (this.#isOver) return;
    this.#end();
    this.#closeStream();
  }

  /** Drops what is held and ends the stream by `error`. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.#controller?.error(error);
  }

  /** What was received and not read; the stream ends. */
  takeAll(): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    for (let next = this.#take(); next?.done === false; next = this.#take()) {
      chunks.push(next.value);
    }
    this.close();
    return chunks;
  }

  #end(): void {
    this.#isOver = true;
    this.#isWanted = false;
    this.#received?.drop();
  }

  /** Null if there is nothing yet. */
  #take(): IteratorResult<Uint8Array, undefined> | null {
    return this.#isOver || this.#received === null ? null : this.#received.take();
  }

  /** Gives the waiting read what is held. */
  #serve(): void {
    while (this.#isWanted) {
      let next: IteratorResult<Uint8Array, undefined> | null;
      try {
        next = this.#take();
      } catch (error) {
        this.fail(error);
        return;
      }
      if (next === null) return;
      if (next.done === true) {
        this.close();
        this.#owner.ended();
        return;
      }
      this.#isWanted = false;
      this.#controller?.enqueue(next.value);
      this.#lookForEnd();
    }
  }

  /** The stream tells of its end without being asked once nothing is held. */
  #lookForEnd(): void {
    if (!this.#hasEnded || this.#received?.isEmpty !== true) return;
    if (this.#controller?.desiredSize === 0) this.#isWanted = true;
  }

  /** Gives the waiting read bytes of `chunk`, and returns how many. */
  #give(chunk: Uint8Array): number {
    const controller = this.#controller;
    if (controller === null) return 0;
    this.#isWanted = false;
    const request = controller.byobRequest;
    const view = request?.view ?? null;
    if (request === null || view === null) {
      // The stream takes the memory over.
      controller.enqueue(copyOf(chunk));
      return chunk.length;
    }
    const length = Math.min(view.byteLength, chunk.length);
    new Uint8Array(view.buffer, view.byteOffset, length).set(chunk.subarray(0, length));
    request.respond(length);
    return length;
  }

  #closeStream(): void {
    const controller = this.#controller;
    try {
      controller?.close();
      // A read into a view of its own ends only so.
      controller?.byobRequest?.respond(0);
    } catch (error) {
      // A view of wider elements has got a part of one: the stream has this error by now.
      if (!(error instanceof TypeError)) throw error;
    }
  }
}
