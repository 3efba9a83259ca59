import type { SocketAddress } from '#src/sys/sockaddr.js';
import { type FilterState, Ready } from './open-file.ts';
import { SimSocket, socketFilter } from './sockets.ts';

/**
 * A UNIX stream socket. Everything takes effect at once, and sent bytes count against the sender
 * until they are read.
 */
export class UnixSocket extends SimSocket {
  #sendCapacity = this.kernel.limits.sendBufferBytes;

  get sendRoom(): number {
    return this.pair === null ? this.#sendCapacity : Math.max(0, this.#sendCapacity - this.unsent);
  }

  get unsent(): number {
    return this.pair?.received.length ?? 0;
  }

  setSendCapacity(bytes: number): void {
    this.#sendCapacity = bytes;
    // The sender's limit bounds the queue of the other end.
    if (this.pair !== null) this.pair.received.capacity = bytes;
  }

  protected sibling(): SimSocket {
    return new UnixSocket(this.kernel, this.names, this.domain);
  }

  protected override join(other: SimSocket): void {
    super.join(other);
    other.received.capacity = this.#sendCapacity;
  }

  connect(address: SocketAddress): number {
    const { EISCONN, EINVAL, ECONNREFUSED, ENOENT, EAGAIN } = this.kernel.errno;
    if (this.phase === 'connected') return -EISCONN;
    if (this.phase !== 'open') return -EINVAL;
    if (address.family !== 'UNIX') return -EINVAL;
    const listener = this.names.atPath(address.path);
    if (listener === undefined) return address.path.startsWith('\0') ? -ECONNREFUSED : -ENOENT;
    if (!(listener instanceof UnixSocket) || !listener.isListening) return -ECONNREFUSED;
    // Linux lets a blocking connect wait for room in the backlog; the BSDs refuse.
    if (listener.backlogFull) return this.kernel.isLinux ? -EAGAIN : -ECONNREFUSED;
    listener.admit(this, address);
    this.connectTold = true;
    return 0;
  }

  send(from: Uint8Array, offset: number, length: number): number {
    const { EPIPE, ENOTCONN, EAGAIN } = this.kernel.errno;
    if (this.writeShut) return -EPIPE;
    if (this.pair === null) return -ENOTCONN;
    if (this.pair.released || this.pair.readShut) return -EPIPE;
    if (length === 0) return 0;
    const count = this.pair.received.push(from, offset, Math.min(length, this.sendRoom));
    if (count === 0) return -EAGAIN;
    this.pair.touchRead();
    return count;
  }

  receive(into: Uint8Array, offset: number, length: number, peek: boolean): number {
    const { EINVAL, EAGAIN, ENOTCONN } = this.kernel.errno;
    if (this.phase !== 'connected') return this.kernel.isLinux ? -EINVAL : -ENOTCONN;
    if (this.received.length > 0) {
      if (peek) return this.received.peek(into, offset, length);
      const count = this.received.pull(into, offset, length);
      this.pair?.touchWrite();
      return count;
    }
    if (this.error !== 0) return -this.takeError();
    return this.readShut ? 0 : -EAGAIN;
  }

  shutdown(read: boolean, write: boolean): number {
    if (this.phase !== 'connected') {
      // Linux records it without an error.
      this.readShut ||= read;
      this.writeShut ||= write;
      return this.kernel.isLinux ? 0 : -this.kernel.errno.ENOTCONN;
    }
    this.readShut ||= read;
    this.writeShut ||= write;
    if (this.pair instanceof UnixSocket && !this.pair.released) {
      this.pair.readShut ||= write;
      this.pair.writeShut ||= read;
      this.pair.nudge();
    }
    this.nudge();
    return 0;
  }

  abort(): void {
    const pair = this.pair;
    if (!(pair instanceof UnixSocket) || pair.released) return;
    pair.fail(this.kernel.errno.ECONNRESET);
  }

  get breakable(): boolean {
    return false;
  }

  breakDown(): void {
    // Two ends of one host have no network between them.
  }

  protected hangUp(): void {
    const pair = this.pair;
    if (!(pair instanceof UnixSocket) || pair.released) return;
    const unread = this.received.length > 0;
    this.received.clear();
    if (unread && this.kernel.isLinux) {
      this.abort();
      return;
    }
    pair.readShut = true;
    pair.writeShut = true;
    pair.nudge();
  }

  poll(): number {
    if (this.phase === 'listening') return this.pending.length > 0 ? Ready.in : 0;
    let ready = 0;
    if (this.error !== 0) ready |= Ready.err;
    if (this.readShut && this.writeShut) ready |= Ready.hup;
    if (this.readShut) ready |= Ready.rdhup | Ready.in;
    if (this.received.length > 0) ready |= Ready.in;
    if (this.phase === 'open' && this.kernel.isLinux) ready |= Ready.hup;
    if (this.phase === 'open' && !this.kernel.isLinux) return ready;
    if (this.writable || (!this.kernel.isLinux && this.writeShut)) ready |= Ready.out;
    return ready;
  }

  /** Linux: while three quarters of the send buffer are free. */
  get writable(): boolean {
    return this.unsent * 4 <= this.#sendCapacity;
  }

  override filter(write: boolean, state: FilterState): void {
    socketFilter(this, this.writable, write, state);
  }
}
