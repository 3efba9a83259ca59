import type { SocketAddress } from '#src/sys/sockaddr.js';
import { ByteQueue } from './byte-queue.ts';
import type { InternetAddress } from './names.ts';
import { type FilterState, Ready } from './open-file.ts';
import { SimSocket, socketFilter } from './sockets.ts';

/** A connect without an answer is repeated after 1, 2, 4... s. */
const RETRY_MS = 1000;
const RETRIES_MAX = 6;

/** A BSD reports a socket as writable from this much room on: SO_SNDLOWAT. */
const SEND_LOW_WATER = 2048;

/**
 * A TCP socket. Sent bytes stay in the send buffer for the latency of the kernel, and then move to
 * the receive buffer of the other end as it has room. A connection outlives its descriptor until
 * all bytes are taken.
 */
export class TcpSocket extends SimSocket {
  readonly #sending = new ByteQueue(this.kernel.limits.sendBufferBytes);
  /** The bytes of the send buffer that have arrived and wait for room. */
  #arrived = 0;
  /** The earliest arrival of the next bytes: the order is kept. */
  #lastArrivalNs = 0;
  #endSent = false;
  #endArrived = false;
  #endTaken = false;
  /** True once the other end has sent its end of stream: SOCK_DONE. */
  #endReceived = false;
  /** The number of the current attempt to connect. */
  #attempt = 0;

  get sendRoom(): number {
    return this.#sending.free;
  }

  get unsent(): number {
    return this.#sending.length;
  }

  override get finUnsent(): boolean {
    return this.#endSent && !this.#endTaken;
  }

  setSendCapacity(bytes: number): void {
    this.#sending.capacity = bytes;
  }

  protected sibling(): SimSocket {
    const socket = new TcpSocket(this.kernel, this.names, this.domain);
    socket.setSendCapacity(this.#sending.capacity);
    return socket;
  }

  override listen(backlog: number): number {
    const { AF_INET6 } = this.kernel.abi.constants;
    if (this.local === null && this.phase === 'open') {
      const six = this.domain === AF_INET6;
      const address: SocketAddress = six
        ? { family: 'IPv6', address: '::', port: 0 }
        : { family: 'IPv4', address: '0.0.0.0', port: 0 };
      const bound = this.bind(address);
      if (bound < 0) return bound;
    }
    return super.listen(backlog);
  }

  connect(address: SocketAddress): number {
    const { EISCONN, EALREADY, EAFNOSUPPORT = 0, ECONNABORTED } = this.kernel.errno;
    if (address.family === 'UNIX') return -EAFNOSUPPORT;
    if (this.phase === 'connecting') return -EALREADY;
    if (this.phase === 'listening') return -EISCONN;
    if (this.phase === 'connected' || this.connectTold) {
      const told = this.connectTold || !this.kernel.isLinux;
      this.connectTold = true;
      return told ? -EISCONN : 0;
    }
    if (this.phase === 'closed') {
      // The attempt before failed: this call reports it, and the next one tries again.
      this.phase = 'open';
      this.readShut = false;
      this.writeShut = false;
      return -(this.takeError() || ECONNABORTED);
    }
    return this.#begin(address);
  }

  #begin(address: InternetAddress): number {
    const { EINPROGRESS } = this.kernel.errno;
    const wildcard = address.address === '0.0.0.0' || address.address === '::';
    const own = address.family === 'IPv4' ? '127.0.0.1' : '::1';
    const target = wildcard ? { ...address, address: own } : address;
    if (this.local === null) {
      this.local = this.names.chooseLocal(target);
      this.names.hold(this);
    } else if (this.local.family !== 'UNIX' && /^(0\.0\.0\.0|::)$/.test(this.local.address)) {
      const { port } = this.local;
      this.local = { ...this.names.chooseLocal(target), port };
    }
    this.phase = 'connecting';
    this.remote = target;
    this.#attempt += 1;
    const attempt = this.#attempt;
    if (this.observer === null && this.kernel.faults.fires('connectAtOnce')) {
      this.#knock(target, attempt, 0);
      return this.#answer();
    }
    this.#carry(() => this.#knock(target, attempt, 0));
    return -EINPROGRESS;
  }

  /** The result of a connect(2) whose attempt may be over. */
  #answer(): number {
    if (this.phase === 'connecting') return -this.kernel.errno.EINPROGRESS;
    if (this.phase === 'connected') {
      this.connectTold = true;
      return 0;
    }
    this.phase = 'open';
    this.readShut = false;
    this.writeShut = false;
    return -this.takeError();
  }

  /** The result of a blocking connect(2); null while the attempt lasts. */
  connectResult(): number | null {
    return this.phase === 'connecting' ? null : this.#answer();
  }

  #knock(address: InternetAddress, attempt: number, retries: number): void {
    if (this.released || this.phase !== 'connecting' || this.#attempt !== attempt) return;
    const listener = this.names.listenerAt(address);
    const { ECONNREFUSED, ETIMEDOUT } = this.kernel.errno;
    if (listener === null && isSame(this.local, address)) {
      // A simultaneous open of one socket: RFC 9293, section 3.5. It is its own peer.
      this.join(this);
    } else if (listener === null && this.names.isOwn(address.address)) {
      this.#refuse(ECONNREFUSED);
    } else if (listener instanceof TcpSocket && !listener.backlogFull) {
      const server = listener.admit(this, asSeenBy(listener, address));
      const { local } = this;
      if (local !== null && local.family !== 'UNIX') server.remote = asSeenBy(listener, local);
      this.remote = address;
    } else if (retries < RETRIES_MAX) {
      this.kernel.after(RETRY_MS * 2 ** retries, () => this.#knock(address, attempt, retries + 1));
    } else {
      this.#refuse(ETIMEDOUT);
    }
  }

  #refuse(error: number): void {
    this.phase = 'closed';
    this.fail(error);
  }

  /** Schedules `action` for the arrival of what is sent now, after all that was sent before. */
  #carry(action: () => void): void {
    const { clock } = this.kernel;
    const atNs = Math.max(clock.nowNs + this.kernel.latencyNs(), this.#lastArrivalNs);
    if (atNs <= clock.nowNs) {
      action();
      return;
    }
    this.#lastArrivalNs = atNs;
    clock.at(atNs, action);
  }

  send(from: Uint8Array, offset: number, length: number): number {
    const { EPIPE, EAGAIN, ENOTCONN } = this.kernel.errno;
    const { isLinux } = this.kernel;
    if (!isLinux && this.writeShut) return -EPIPE;
    if (this.error !== 0) return -this.takeError();
    if (this.phase !== 'connected' || this.writeShut) {
      if (this.phase === 'connecting' && isLinux) return -EAGAIN;
      return isLinux || this.writeShut ? -EPIPE : -ENOTCONN;
    }
    if (length === 0) return 0;
    const count = this.#sending.push(from, offset, length);
    if (count === 0) return -EAGAIN;
    this.#carry(() => {
      this.#arrived = Math.min(this.#arrived + count, this.#sending.length);
      this.#deliver();
    });
    return count;
  }

  /** Moves arrived bytes to the other end as it has room. */
  #deliver(): void {
    const pair = this.pair as TcpSocket | null;
    if (pair === null || this.phase === 'closed') return;
    if (this.#arrived > 0 && (pair.released || pair.phase === 'closed')) {
      // The other end is closed, and answers with a reset.
      this.#sending.clear();
      this.#arrived = 0;
      pair.#carry(() => this.#reset());
      return;
    }
    if (!this.kernel.isLinux && pair.readShut && !pair.#endReceived) this.#discardArrived();
    if (this.#arrived > 0) {
      const count = this.#sending.moveTo(pair.received, this.#arrived);
      this.#arrived -= count;
      if (count > 0) {
        pair.touchRead();
        this.touchWrite();
      }
    }
    if (this.#endArrived && !this.#endTaken && this.#sending.length === 0) this.#deliverEnd(pair);
  }

  /** A BSD discards bytes that arrive after shutdown(SHUT_RD). */
  #discardArrived(): void {
    const bin = new ByteQueue(this.#arrived);
    this.#arrived -= this.#sending.moveTo(bin, this.#arrived);
    this.touchWrite();
  }

  #deliverEnd(pair: TcpSocket): void {
    this.#endTaken = true;
    pair.#receiveEnd();
    if (pair.#endTaken) {
      // Both directions have ended: the connection is over.
      pair.phase = 'closed';
      this.phase = 'closed';
      this.nudge();
    }
    pair.nudge();
  }

  #receiveEnd(): void {
    this.#endReceived = true;
    this.readShut = true;
  }

  #sendEnd(): void {
    if (this.#endSent) return;
    this.#endSent = true;
    this.#carry(() => {
      this.#endArrived = true;
      this.#deliver();
    });
  }

  receive(into: Uint8Array, offset: number, length: number, peek: boolean): number {
    const { ENOTCONN, EAGAIN } = this.kernel.errno;
    if (this.phase === 'listening') return -ENOTCONN;
    if (this.received.length > 0) {
      if (peek) return this.received.peek(into, offset, length);
      const count = this.received.pull(into, offset, length);
      const pair = this.pair as TcpSocket | null;
      if (pair !== null) pair.#deliver();
      return count;
    }
    if (this.#endReceived && this.kernel.isLinux) return 0;
    if (this.error !== 0) return -this.takeError();
    if (this.readShut) return 0;
    return this.phase === 'open' || this.phase === 'closed' ? -ENOTCONN : -EAGAIN;
  }

  shutdown(read: boolean, write: boolean): number {
    const { ENOTCONN } = this.kernel.errno;
    if (this.phase === 'listening' || this.phase === 'connecting') {
      if (this.phase === 'listening' && !read) return 0;
      this.phase = 'open';
      this.nudge();
      return 0;
    }
    if (this.phase !== 'connected') {
      this.readShut ||= read;
      this.writeShut ||= write;
      return -ENOTCONN;
    }
    this.readShut ||= read;
    if (!this.kernel.isLinux && read) this.received.clear();
    if (write) {
      this.writeShut = true;
      this.#sendEnd();
    }
    this.nudge();
    return 0;
  }

  /** A reset has arrived. */
  #reset(): void {
    if (this.phase === 'closed' || this.released) return;
    const { EPIPE, ECONNRESET } = this.kernel.errno;
    this.phase = 'closed';
    this.#sending.clear();
    this.#arrived = 0;
    this.fail(this.#endReceived && this.kernel.isLinux ? EPIPE : ECONNRESET);
  }

  abort(): void {
    const pair = this.pair as TcpSocket | null;
    this.phase = 'closed';
    this.#sending.clear();
    this.#arrived = 0;
    if (pair !== null) this.#carry(() => pair.#reset());
  }

  get breakable(): boolean {
    return this.phase === 'connected';
  }

  breakDown(): void {
    const pair = this.pair as TcpSocket | null;
    if (this.phase !== 'connected' || pair === null) return;
    this.#reset();
    pair.#reset();
  }

  protected hangUp(): void {
    if (this.pair === null || this.phase === 'closed') return;
    if (this.received.length > 0 || this.resetsAtClose) {
      this.abort();
      return;
    }
    this.readShut = true;
    this.writeShut = true;
    this.#sendEnd();
  }

  /** Linux: while a third of the send buffer is free. */
  get #writable(): boolean {
    const { free, length, capacity } = this.#sending;
    if (this.kernel.isLinux) return free > 0 && free >= length / 2;
    return free >= Math.min(SEND_LOW_WATER, capacity);
  }

  poll(): number {
    if (this.phase === 'listening') return this.pending.length > 0 ? Ready.in : 0;
    return this.kernel.isLinux ? this.#pollLinux() : this.#pollBsd();
  }

  #pollLinux(): number {
    let ready = 0;
    const idle = this.phase === 'open' || this.phase === 'closed';
    if (idle || (this.readShut && this.writeShut)) ready |= Ready.hup;
    if (this.readShut) ready |= Ready.in | Ready.rdhup;
    if (this.phase !== 'connecting') {
      if (this.received.length > 0) ready |= Ready.in;
      if (this.writeShut || this.#writable) ready |= Ready.out;
    }
    return this.error === 0 ? ready : ready | Ready.err;
  }

  #pollBsd(): number {
    let ready = 0;
    const connected = this.phase === 'connected';
    if (this.received.length > 0 || this.readShut || this.error !== 0) ready |= Ready.in;
    if ((connected && this.#writable) || this.writeShut || this.error !== 0) ready |= Ready.out;
    if (this.readShut) ready |= Ready.rdhup;
    return this.readShut && this.writeShut ? ready | Ready.hup : ready;
  }

  override filter(write: boolean, state: FilterState): void {
    socketFilter(this, this.#writable, write, state);
  }
}

function isSame(local: SocketAddress | null, { address, port }: InternetAddress): boolean {
  return (
    local !== null && local.family !== 'UNIX' && local.address === address && local.port === port
  );
}

/** An IPv6 listener of both families sees IPv4 addresses in their mapped form. */
function asSeenBy(listener: SimSocket, address: InternetAddress): InternetAddress {
  if (listener.local?.family !== 'IPv6' || address.family === 'IPv6') return address;
  return { family: 'IPv6', address: `::ffff:${address.address}`, port: address.port };
}
