import type { ControlMessage, QueuedError } from '#src/sys/control/message.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import type { Kernel } from './kernel.ts';
import type { Names } from './names.ts';
import type { FilterState, OpenFile } from './open-file.ts';
import { SimSocket } from './sockets.ts';

/** A datagram or a record in a receive queue. */
export interface Datagram {
  readonly bytes: Uint8Array;
  /** The name of its sender; null if that has none. */
  readonly from: SocketAddress | null;
  /** The address that it was sent to; null between UNIX sockets. */
  readonly to: SocketAddress | null;
  /** The traffic class and the hop limit of its header. */
  readonly trafficClass: number;
  readonly hops: number;
  /** The length of each of several that were sent together, else 0. */
  readonly segmentBytes: number;
  readonly arrivedNs: number;
  /** The open files of SCM_RIGHTS. */
  readonly files: readonly OpenFile[];
  /** Tells the sender that it has left the queue. */
  readonly taken: () => void;
}

/** What a send gives to the kernel. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly to: SocketAddress | null;
  readonly control: readonly ControlMessage[];
  readonly files: readonly OpenFile[];
}

/** An entry of the error queue: IP_RECVERR. */
export interface ErrorEntry {
  readonly bytes: Uint8Array;
  readonly to: SocketAddress;
  readonly error: QueuedError;
}

/** The bookkeeping of a datagram counts against the receive buffer as well. */
const OVERHEAD_BYTES = 256;

/** A socket that keeps the bounds of messages: UDP, and UNIX datagrams and records. */
export abstract class DatagramSocket extends SimSocket {
  /** Of getsockopt(2): SO_TYPE. */
  abstract readonly type: number;
  readonly queue: Datagram[] = [];
  readonly errors: ErrorEntry[] = [];
  /** Datagrams that the receive queue had no room for: SO_RXQ_OVFL. */
  dropped = 0;
  /** Bytes of sent datagrams that count against the send buffer. */
  protected inFlight = 0;
  protected sendCapacity = this.kernel.limits.datagramBufferBytes;
  #queuedBytes = 0;

  constructor(kernel: Kernel, names: Names, domain: number) {
    super(kernel, names, domain);
    this.received.capacity = kernel.limits.datagramBufferBytes;
  }

  /** Sends a message: its length, or `-errno`. */
  abstract sendMessage(message: Outgoing): number;

  /** Why nothing can be received: `-errno`, 0 for the end of a connection. */
  get nothing(): number {
    return this.readShut ? 0 : -this.kernel.errno.EAGAIN;
  }

  /** True if a receive of the socket has a result at once. */
  get readable(): boolean {
    return this.queue.length > 0 || this.readShut || this.error !== 0;
  }

  /** The bytes of the first datagram: FIONREAD. */
  get firstBytes(): number {
    return this.queue[0]?.bytes.length ?? 0;
  }

  get sendRoom(): number {
    return Math.max(0, this.sendCapacity - this.inFlight);
  }

  get unsent(): number {
    return this.inFlight;
  }

  setSendCapacity(bytes: number): void {
    this.sendCapacity = bytes;
  }

  /** Whether a datagram of `bytes` fits into the receive queue: one always does. */
  protected hasRoomFor(bytes: number): boolean {
    const needed = this.#queuedBytes + bytes + OVERHEAD_BYTES;
    return this.queue.length === 0 || needed <= this.received.capacity;
  }

  /** Appends to the receive queue. */
  protected enqueue(datagram: Datagram): void {
    this.queue.push(datagram);
    this.#queuedBytes += datagram.bytes.length + OVERHEAD_BYTES;
    this.touchRead();
  }

  /** The first datagram; `peek` leaves it there. */
  take(peek: boolean): Datagram | undefined {
    const [first] = this.queue;
    if (first === undefined || peek) return first;
    this.queue.shift();
    this.#queuedBytes -= first.bytes.length + OVERHEAD_BYTES;
    first.taken();
    return first;
  }

  /** The next entry of the error queue. The pending error is that of the one behind it. */
  takeEntry(): ErrorEntry | undefined {
    const entry = this.errors.shift();
    if (entry !== undefined) this.error = this.errors[0]?.error.errno ?? 0;
    return entry;
  }

  send(from: Uint8Array, offset: number, length: number): number {
    const bytes = from.slice(offset, offset + length);
    return this.sendMessage({ bytes, to: null, control: [], files: [] });
  }

  receive(into: Uint8Array, offset: number, length: number, peek: boolean): number {
    if (this.error !== 0) return -this.takeError();
    const datagram = this.take(peek);
    if (datagram === undefined) return this.nothing;
    const count = Math.min(length, datagram.bytes.length);
    into.set(datagram.bytes.subarray(0, count), offset);
    if (!peek) for (const file of datagram.files) file.release();
    return count;
  }

  override listen(): number {
    return -(this.kernel.errno['EOPNOTSUPP'] ?? this.kernel.errno.EINVAL);
  }

  override accept(): SimSocket | number {
    return -(this.kernel.errno['EOPNOTSUPP'] ?? this.kernel.errno.EINVAL);
  }

  abort(): void {
    // There is no connection to reset.
  }

  get breakable(): boolean {
    return false;
  }

  breakDown(): void {
    // A lost datagram is no broken connection.
  }

  protected sibling(): SimSocket {
    throw new Error('a socket of datagrams accepts no connections');
  }

  protected hangUp(): void {
    while (this.queue.length > 0) {
      for (const file of this.take(false)?.files ?? []) file.release();
    }
    this.errors.length = 0;
  }

  /** Whether a poller sees it writable. */
  abstract get writable(): boolean;

  override get spuriousBits(): number {
    return 1 | 4;
  }

  override get kind(): string {
    const { length } = this.queue;
    return `socket of datagrams (${this.phase}, ${length} to read, ${this.dropped} dropped)`;
  }

  override filter(write: boolean, state: FilterState): void {
    state.eof = write ? this.writeShut : this.readShut;
    state.errno = state.eof ? this.error : 0;
    state.data = write ? this.sendRoom : this.#queuedBytes;
    const flows = write ? this.writable : this.queue.length > 0;
    state.ready = state.eof || this.error !== 0 || flows;
  }
}
