import { Buffer } from 'node:buffer';
import { Duplex, type DuplexOptions } from 'node:stream';
import { requireFlag, requireObject } from '../../base/arguments.ts';
import type { Loop } from '../../loop/loop.ts';
import { type LoopSink, register, unregister } from '../async/loop-end.ts';
import type { Connection, ConnectionHandlers, ToDuplexOptions } from './connection.ts';
import { StreamWrites } from './stream-writes.ts';

/** What a connection is when it becomes a Duplex. */
interface Sides {
  readonly readable: boolean;
  readonly writable: boolean;
}

/** The stream that {@link Connection.toDuplex} returns. */
export class ConnectionDuplex extends Duplex {
  readonly #loop: Loop;
  readonly #connection: Connection<unknown>;
  readonly #writes: StreamWrites;
  readonly #sink: LoopSink = { place: -1, loopClosed: () => this.#over(null) };
  #peerEnded = false;
  /** The descriptor is closed, or its loop. */
  #closed = false;
  /** Ends a destruction, once the descriptor is closed. */
  #destroyed: (() => void) | null = null;

  /** The connection has to call the handlers of {@link DuplexHandlers} from now on. */
  constructor(loop: Loop, connection: Connection<unknown>, options: ToDuplexOptions, sides: Sides) {
    super({ ...streamOptions(options), ...sides });
    this.#loop = loop;
    this.#connection = connection;
    this.#writes = new StreamWrites(connection);
    register(loop, this.#sink);
  }

  override _read(): void {
    if (this.#connection.isOpen) this.#connection.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#connection.isOpen) this.#writes.write(chunk, done);
    else done(closedError());
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    if (this.#connection.isOpen) this.#writes.writev(chunks, done);
    else done(closedError());
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#connection.isOpen) this.#writes.end(done);
    else done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#closed) {
      done(error);
      return;
    }
    // `close` comes when the descriptor is closed.
    this.#destroyed = () => done(error);
    this.#connection.close();
  }

  received(chunk: Uint8Array): void {
    const { buffer, byteOffset, length } = chunk;
    if (!this.push(Buffer.from(buffer, byteOffset, length))) this.#connection.pause();
  }

  /** The peer has ended its side. */
  peerEnded(): void {
    this.#peerEnded = true;
    this.push(null);
    // The end comes without a reader, too, where nothing is left to read.
    this.read(0);
  }

  drained(): void {
    this.#writes.drained();
  }

  /** The descriptor is closed. */
  descriptorClosed(error: Error | null): void {
    unregister(this.#loop, this.#sink);
    this.#over(error);
  }

  #over(error: Error | null): void {
    this.#closed = true;
    const destroyed = this.#destroyed;
    this.#destroyed = null;
    // An orderly end leaves what was received to its reader.
    const isOrderly = error === null && this.#peerEnded && this.writableEnded;
    if (!isOrderly) this.destroy(error ?? undefined);
    // After the destruction: the error of a write is none of the stream.
    this.#writes.failed(error ?? closedError());
    destroyed?.();
  }
}

/** The handlers of a connection that has become `duplex`. */
export class DuplexHandlers<Data> implements ConnectionHandlers<Data> {
  readonly #duplex: ConnectionDuplex;

  constructor(duplex: ConnectionDuplex) {
    this.#duplex = duplex;
  }

  data(_: Connection<Data>, chunk: Uint8Array): void {
    this.#duplex.received(chunk);
  }

  drain(): void {
    this.#duplex.drained();
  }

  end(): void {
    this.#duplex.peerEnded();
  }

  close(_: Connection<Data>, error: Error | null): void {
    this.#duplex.descriptorClosed(error);
  }
}

function streamOptions(options: ToDuplexOptions): DuplexOptions {
  requireObject('options', options);
  const { allowHalfOpen = true, readableHighWaterMark, writableHighWaterMark } = options;
  requireFlag('allowHalfOpen', allowHalfOpen);
  return {
    allowHalfOpen,
    ...(readableHighWaterMark === undefined ? {} : { readableHighWaterMark }),
    ...(writableHighWaterMark === undefined ? {} : { writableHighWaterMark }),
  };
}

/** What a write gets that was not sent. */
function closedError(): Error {
  const error = new Error('cannot write: the connection is closed');
  return Object.assign(error, { code: 'ERR_STREAM_DESTROYED' });
}
