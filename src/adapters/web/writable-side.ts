import { bytesOf } from '../../base/bytes.ts';
import type { Connection } from '../../net/stream/connection.ts';
import { StreamWrites } from '../../net/stream/stream-writes.ts';
import { SocketWritable, type WritableChunk } from './socket-writable.ts';

/** Who hears of what the program does with the stream. */
interface Owner {
  /** The program has closed the stream, and the kernel has taken everything. */
  finished(): void;
  /** The stream was aborted, or got something that cannot be sent. */
  aborted(reason: unknown): void;
}

/** The types of Node 20 lack the signal. */
interface AbortableController extends WritableStreamDefaultController {
  readonly signal: AbortSignal;
}

interface Pending {
  resolve(): void;
  reject(reason: unknown): void;
}

/**
 * The stream that a socket is written by. A write is done when the kernel has taken its bytes, so
 * what waits is the stream's own, and `ready` and `desiredSize` of a writer tell of it.
 */
export class WritableSide {
  readonly stream: SocketWritable;
  readonly #owner: Owner;
  #controller: WritableStreamDefaultController | null = null;
  #connection: Connection<unknown> | null = null;
  #writes: StreamWrites | null = null;
  /** What waits for the connection. */
  #early: (() => void) | null = null;
  /** The promise of the write or close that is under way. */
  #pending: Pending | null = null;
  #isDone = false;
  /** What is to be done once the write under way is. */
  #next: (() => void) | null = null;
  #hearsAborts = false;
  /** Nothing more will be sent. */
  #isOver = false;

  /** Asks for more while fewer than `bytesHigh` bytes wait. */
  constructor(bytesHigh: number, owner: Owner) {
    this.#owner = owner;
    this.stream = new SocketWritable(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        write: (chunk) => this.#write(chunk),
        close: () => this.#close(),
        abort: (reason) => this.#aborted(reason),
      },
      { highWaterMark: bytesHigh, size: sizeOf },
    );
  }

  /** Whether a write or the close is under way. */
  get isBusy(): boolean {
    return this.#pending !== null;
  }

  /** The connection is established. */
  opened(connection: Connection<unknown>): void {
    this.#connection = connection;
    this.#writes = new StreamWrites(connection);
    const early = this.#early;
    this.#early = null;
    early?.();
  }

  /** The kernel has taken everything. */
  drained(): void {
    this.#writes?.drained();
  }

  /** Closes the stream, behind what was written. Returns false if a pipe has it. */
  finish(): boolean {
    return this.#isOver || this.stream.closeFromWithin();
  }

  /** Ends the stream of a pipe by `error`, and this side behind the write under way. */
  cut(error: Error): void {
    if (this.#isOver) return;
    this.leave(error, () => this.#end());
  }

  /** Ends the stream by `error`, and calls `then` once the write under way is done. */
  leave(error: Error, then: () => void): void {
    this.#controller?.error(error);
    if (this.isBusy) this.#next = then;
    else then();
  }

  /** Ends the stream by `error`: nothing more is sent. */
  fail(error: unknown): void {
    this.#isOver = true;
    this.#early = null;
    this.#controller?.error(error);
    this.#settle()?.reject(error);
  }

  #write(chunk: WritableChunk): Promise<void> | undefined {
    let bytes: Uint8Array;
    try {
      bytes = bytesOf(chunk instanceof ArrayBuffer ? new Uint8Array(chunk) : chunk);
    } catch (error) {
      // The stream is errored by this, without an abort.
      this.#aborted(error);
      throw error;
    }
    this.#isDone = false;
    if (this.#writes === null) this.#early = () => this.#writes?.write(bytes, this.#done);
    else this.#writes.write(bytes, this.#done);
    return this.#result();
  }

  #close(): Promise<void> | undefined {
    this.#isDone = false;
    if (this.#writes === null) this.#early = () => this.#writes?.end(this.#finished);
    else this.#writes.end(this.#finished);
    return this.#result();
  }

  /** What the stream waits for, if the write or close that has begun is not done. */
  #result(): Promise<void> | undefined {
    if (this.#isDone) return;
    this.#hearAborts();
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  readonly #done = (error?: Error | null): void => {
    this.#isDone = true;
    if (error) {
      this.#settle()?.reject(error);
      return;
    }
    const next = this.#next;
    this.#next = null;
    this.#settle()?.resolve();
    next?.();
  };

  readonly #finished = (error?: Error | null): void => {
    this.#isOver = true;
    this.#done(error);
    if (!error) this.#owner.finished();
  };

  #end(): void {
    this.#isOver = true;
    if (this.#connection?.isOpen === true) this.#connection.end();
    this.#owner.finished();
  }

  /** The promise that is under way, for its end. */
  #settle(): Pending | null {
    const pending = this.#pending;
    this.#pending = null;
    return pending;
  }

  /** A stream waits for the write under way before it is aborted: that one has to give way. */
  #hearAborts(): void {
    if (this.#hearsAborts || this.#controller === null) return;
    this.#hearsAborts = true;
    const { signal } = this.#controller as AbortableController;
    // Not within abort(): Node 20 asserts that the stream is as it was before the event.
    const heard = (): void => queueMicrotask(() => this.#aborted(signal.reason));
    signal.addEventListener('abort', heard, { once: true });
  }

  #aborted(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#early = null;
    this.#owner.aborted(reason);
    this.#settle()?.reject(reason);
  }
}

function sizeOf(chunk: WritableChunk): number {
  if (typeof chunk === 'string') return chunk.length;
  // What is no chunk is refused when its turn comes.
  return (chunk as ArrayBufferView | undefined | null)?.byteLength ?? 1;
}
