import type { SocketAddress } from '#src/sys/sockaddr.js';
import { ByteQueue } from './byte-queue.ts';
import type { Kernel } from './kernel.ts';
import type { Names } from './names.ts';
import { type FilterState, OpenFile, Ready } from './open-file.ts';

/** The state of a socket. A connection that is over is `closed`. */
export type Phase = 'open' | 'listening' | 'connecting' | 'connected' | 'closed';

/**
 * A socket of any type. The calls return what the system calls of a non-blocking socket do;
 * a blocking caller repeats them after the next event.
 */
export abstract class SimSocket extends OpenFile {
  readonly domain: number;
  readonly names: Names;
  phase: Phase = 'open';
  local: SocketAddress | null = null;
  remote: SocketAddress | null = null;
  pair: SimSocket | null = null;
  /** The pending error of SO_ERROR; 0 for none. */
  error = 0;
  /** Nothing more can be read (RCV_SHUTDOWN, SBS_CANTRCVMORE), nothing more sent. */
  readShut = false;
  writeShut = false;
  /** Connections that wait for accept(2). */
  readonly pending: SimSocket[] = [];
  backlog = 0;
  readonly received: ByteQueue;
  /** The values of setsockopt(2), by the name of the option. */
  readonly options = new Map<string, Uint8Array>();
  receiveTimeoutNs = Number.POSITIVE_INFINITY;
  sendTimeoutNs = Number.POSITIVE_INFINITY;
  /** True if SO_LINGER is set with a time of 0: close(2) then resets. */
  resetsAtClose = false;
  /** True once connect(2) has reported its success. */
  connectTold = false;
  /** The peer that owns the socket: told of everything that happens to it. */
  observer: (() => void) | null = null;

  constructor(kernel: Kernel, names: Names, domain: number) {
    super(kernel);
    this.domain = domain;
    this.names = names;
    this.received = new ByteQueue(kernel.limits.receiveBufferBytes);
  }

  /** The room of the send buffer in bytes. */
  abstract get sendRoom(): number;
  /** The bytes in the send buffer. */
  abstract get unsent(): number;
  /** True if this side has ended and the end is still on its way. */
  get finUnsent(): boolean {
    return false;
  }
  abstract setSendCapacity(bytes: number): void;
  abstract connect(address: SocketAddress): number;
  abstract send(from: Uint8Array, offset: number, length: number): number;
  /** At most `length` bytes; `peek` leaves them there. */
  abstract receive(into: Uint8Array, offset: number, length: number, peek: boolean): number;
  abstract shutdown(read: boolean, write: boolean): number;
  /** Resets the connection. */
  abstract abort(): void;
  /** True if a network connects the two ends. */
  abstract get breakable(): boolean;
  /** Breaks the connection, as a network does. */
  abstract breakDown(): void;
  /** A socket of the same kind, for the other end of a connection to this one. */
  protected abstract sibling(): SimSocket;

  get isListening(): boolean {
    return this.phase === 'listening';
  }

  /** An option that is on or off. */
  flag(name: string): boolean {
    return (this.options.get(name)?.[0] ?? 0) !== 0;
  }

  bind(address: SocketAddress): number {
    if (this.local !== null || this.phase !== 'open') return -this.kernel.errno.EINVAL;
    return this.names.bind(this, address);
  }

  listen(backlog: number): number {
    const { EINVAL, EADDRINUSE } = this.kernel.errno;
    if (this.phase !== 'open' && this.phase !== 'listening') return -EINVAL;
    if (this.local === null) return -EINVAL;
    if (this.phase === 'open' && !this.names.mayListen(this)) return -EADDRINUSE;
    const backlogMax = this.kernel.abi.constants.SOMAXCONN;
    this.backlog = backlog < 0 || backlog > backlogMax ? backlogMax : backlog;
    this.phase = 'listening';
    return 0;
  }

  /** True if the backlog is full: Linux takes one more than asked for. */
  get backlogFull(): boolean {
    return this.pending.length > this.backlog;
  }

  /** The next connection, `-EAGAIN`, or `-EINVAL` for a socket that does not listen. */
  accept(): SimSocket | number {
    const { EAGAIN, EINVAL } = this.kernel.errno;
    if (this.phase !== 'listening') return -EINVAL;
    return this.pending.shift() ?? -EAGAIN;
  }

  /** Queues a connection from `client` to `address`. */
  protected admit(client: SimSocket, address: SocketAddress): SimSocket {
    const server = this.sibling();
    for (const [name, value] of this.options) server.options.set(name, value.slice());
    server.resetsAtClose = this.resetsAtClose;
    server.receiveTimeoutNs = this.receiveTimeoutNs;
    server.sendTimeoutNs = this.sendTimeoutNs;
    server.received.capacity = this.received.capacity;
    server.local = address;
    server.remote = client.local;
    server.join(client);
    client.join(server);
    client.remote = address;
    server.connectTold = true;
    this.names.hold(server);
    this.pending.push(server);
    this.touchRead();
    return server;
  }

  /** The two ends of a socketpair(2). */
  tie(other: SimSocket): void {
    this.join(other);
    other.join(this);
    this.connectTold = true;
    other.connectTold = true;
  }

  protected join(other: SimSocket): void {
    this.pair = other;
    this.phase = 'connected';
    this.nudge();
  }

  /** Takes the pending error. */
  takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  /** Ends both directions with an error. */
  protected fail(error: number): void {
    this.error = error;
    this.readShut = true;
    this.writeShut = true;
    this.nudge();
  }

  override get spuriousBits(): number {
    // No kernel reports the end of a connect spuriously.
    if (this.phase === 'connecting' || this.phase === 'open') return 0;
    return this.phase === 'listening' ? Ready.in : Ready.in | Ready.out;
  }

  override get kind(): string {
    const bytes = `${this.received.length} to read, ${this.unsent} unsent`;
    return `socket (${this.phase}, ${bytes}, ${this.pending.length} to accept)`;
  }

  override read(into: Uint8Array, offset: number, length: number): number {
    return this.receive(into, offset, length, false);
  }

  override write(from: Uint8Array, offset: number, length: number): number {
    return this.send(from, offset, length);
  }

  close(): void {
    if (this.phase === 'listening') {
      for (const waiting of this.pending.splice(0)) {
        waiting.released = true;
        waiting.abort();
        this.names.release(waiting);
      }
    }
    this.names.release(this);
    this.hangUp();
  }

  /** Ends the connection as close(2) does. */
  protected abstract hangUp(): void;

  /** Signals that bytes or the end can be read. */
  override touchRead(): void {
    super.touchRead();
    this.observer?.();
  }

  override touchWrite(): void {
    super.touchWrite();
    this.observer?.();
  }
}

/** The view of EVFILT_READ and EVFILT_WRITE of the BSDs: filt_soread, filt_sowrite. */
export function socketFilter(
  socket: SimSocket,
  writable: boolean,
  write: boolean,
  state: FilterState,
): void {
  if (socket.isListening) {
    state.eof = false;
    state.errno = 0;
    state.data = write ? 0 : socket.pending.length;
    state.ready = state.data > 0;
    return;
  }
  state.eof = write ? socket.writeShut : socket.readShut;
  state.errno = state.eof ? socket.error : 0;
  state.data = write ? socket.sendRoom : socket.received.length;
  const flows = write ? socket.phase === 'connected' && writable : state.data > 0;
  state.ready = state.eof || socket.error !== 0 || flows;
}
