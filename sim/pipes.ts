import { ByteQueue } from './byte-queue.ts';
import type { Kernel } from './kernel.ts';
import { type FilterState, OpenFile, Ready } from './open-file.ts';

/** Writes of up to this size go in as a whole or not at all. */
const PIPE_BUF = 4096;

/** The state that both ends of a pipe share. */
class Channel {
  readonly queue: ByteQueue;
  /** Bytes read of the first page, which takes room until all of it is read. */
  frontRead = 0;
  reader: PipeReader | null = null;
  writer: PipeWriter | null = null;

  constructor(capacity: number) {
    this.queue = new ByteQueue(capacity);
  }

  get room(): number {
    return Math.max(0, this.queue.free - this.frontRead);
  }
}

/** The end of a pipe(2) for reading. */
class PipeReader extends OpenFile {
  readonly kind = 'pipe (read end)';
  override readonly accessMode = 0;
  readonly #channel: Channel;

  constructor(kernel: Kernel, channel: Channel) {
    super(kernel);
    this.#channel = channel;
    channel.reader = this;
  }

  poll(): number {
    const { queue, writer } = this.#channel;
    return (queue.length > 0 ? Ready.in : 0) | (writer === null ? Ready.hup : 0);
  }

  override filter(write: boolean, state: FilterState): void {
    const { queue, writer } = this.#channel;
    state.eof = !write && writer === null;
    state.data = write ? 0 : queue.length;
    state.ready = !write && (state.eof || queue.length > 0);
    state.errno = 0;
  }

  override get spuriousBits(): number {
    return Ready.in;
  }

  override read(into: Uint8Array, offset: number, length: number): number {
    const { queue, writer } = this.#channel;
    if (length === 0) return 0;
    if (queue.length === 0) return writer === null ? 0 : -this.kernel.errno.EAGAIN;
    const count = queue.pull(into, offset, length);
    const front = this.#channel.frontRead + count;
    this.#channel.frontRead = queue.length === 0 ? 0 : front % PIPE_BUF;
    writer?.readerActed();
    return count;
  }

  override write(): number {
    return -this.kernel.errno.EBADF;
  }

  close(): void {
    this.#channel.reader = null;
    this.#channel.writer?.readerActed();
  }

  writerActed(): void {
    this.touchRead();
  }
}

/** The end of a pipe(2) for writing. */
class PipeWriter extends OpenFile {
  readonly kind = 'pipe (write end)';
  override readonly accessMode = 1;
  readonly #channel: Channel;

  constructor(kernel: Kernel, channel: Channel) {
    super(kernel);
    this.#channel = channel;
    channel.writer = this;
  }

  poll(): number {
    const { room, reader, queue } = this.#channel;
    const enough = room >= Math.min(PIPE_BUF, queue.capacity);
    return (enough ? Ready.out : 0) | (reader === null ? Ready.err : 0);
  }

  override filter(write: boolean, state: FilterState): void {
    const { room, reader } = this.#channel;
    state.eof = write && reader === null;
    state.data = write ? room : 0;
    state.ready = write && (state.eof || room >= PIPE_BUF);
    state.errno = 0;
  }

  override filterRefusal(write: boolean): number {
    return write && this.#channel.reader === null ? this.kernel.errno.EPIPE : 0;
  }

  override get spuriousBits(): number {
    return Ready.out;
  }

  override read(): number {
    return -this.kernel.errno.EBADF;
  }

  override write(from: Uint8Array, offset: number, length: number): number {
    const { queue, reader, room } = this.#channel;
    const { EPIPE, EAGAIN } = this.kernel.errno;
    if (length === 0) return 0;
    if (reader === null) {
      this.kernel.sigpipes += 1;
      return -EPIPE;
    }
    if (room === 0 || (length <= PIPE_BUF && room < length)) return -EAGAIN;
    const count = queue.push(from, offset, Math.min(length, room));
    reader.writerActed();
    return count;
  }

  close(): void {
    this.#channel.writer = null;
    this.#channel.reader?.writerActed();
  }

  readerActed(): void {
    this.touchWrite();
  }
}

/** A new pipe: its end for reading and its end for writing. */
export function createPipe(kernel: Kernel): readonly [reader: OpenFile, writer: OpenFile] {
  const channel = new Channel(kernel.limits.pipeBytes);
  return [new PipeReader(kernel, channel), new PipeWriter(kernel, channel)];
}

const COUNT_MAX = 2n ** 64n - 2n;

/** A counter to wake a thread by: eventfd(2). */
export class EventFile extends OpenFile {
  readonly kind = 'eventfd';
  #count: bigint;

  constructor(kernel: Kernel, initial: number) {
    super(kernel);
    this.#count = BigInt(initial >>> 0);
  }

  poll(): number {
    return (this.#count > 0n ? Ready.in : 0) | (this.#count < COUNT_MAX ? Ready.out : 0);
  }

  override read(into: Uint8Array, offset: number, length: number): number {
    const { EINVAL, EAGAIN } = this.kernel.errno;
    if (length < 8) return -EINVAL;
    if (this.#count === 0n) return -EAGAIN;
    new DataView(into.buffer, into.byteOffset).setBigUint64(offset, this.#count, true);
    this.#count = 0n;
    this.touchWrite();
    return 8;
  }

  override write(from: Uint8Array, offset: number, length: number): number {
    const { EINVAL, EAGAIN } = this.kernel.errno;
    if (length < 8) return -EINVAL;
    const value = new DataView(from.buffer, from.byteOffset).getBigUint64(offset, true);
    if (value > COUNT_MAX) return -EINVAL;
    if (this.#count + value > COUNT_MAX) return -EAGAIN;
    this.#count += value;
    this.touchRead();
    return 8;
  }

  close(): void {
    this.#count = 0n;
  }
}
