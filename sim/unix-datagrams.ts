import type { SocketAddress } from '#src/sys/sockaddr.js';
import { DatagramSocket, type Outgoing } from './datagram-sockets.ts';
import type { Kernel } from './kernel.ts';
import type { Names } from './names.ts';
import { Ready } from './open-file.ts';
import type { SimSocket } from './sockets.ts';

/** net.unix.max_dgram_qlen of Linux; one more fits. */
const QUEUE_LENGTH_MAX = 10;

/** A UNIX socket of datagrams, or of records (SOCK_SEQPACKET). None is lost. */
export class UnixDatagramSocket extends DatagramSocket {
  readonly type: number;
  readonly #sequenced: boolean;

  constructor(kernel: Kernel, names: Names, domain: number, type: number) {
    super(kernel, names, domain);
    this.type = type;
    this.#sequenced = type === kernel.abi.constants.SOCK_SEQPACKET;
  }

  connect(address: SocketAddress): number {
    if (address.family !== 'UNIX') return -this.kernel.errno.EINVAL;
    if (this.#sequenced) return -this.kernel.errno.ECONNREFUSED;
    const target = this.#receiverAt(address.path);
    if (typeof target === 'number') return target;
    if (!target.#takesFrom(this)) return -(this.kernel.errno['EPERM'] ?? 1);
    this.remote = address;
    this.join(target);
    return 0;
  }

  /** The socket of a name, or `-errno`. */
  #receiverAt(path: string): UnixDatagramSocket | number {
    const { ECONNREFUSED, ENOENT, EINVAL, EPROTOTYPE = EINVAL } = this.kernel.errno;
    const found = this.names.atPath(path);
    if (found === undefined) return path.startsWith('\0') ? -ECONNREFUSED : -ENOENT;
    if (found === null) return -ECONNREFUSED;
    return found instanceof UnixDatagramSocket && !found.#sequenced ? found : -EPROTOTYPE;
  }

  /** A connected socket takes datagrams of its peer only. */
  #takesFrom(sender: SimSocket): boolean {
    return this.pair === null || this.pair === sender;
  }

  sendMessage(message: Outgoing): number {
    const { isLinux, errno } = this.kernel;
    const { EPIPE, EAGAIN, EINVAL, EMSGSIZE = EINVAL } = errno;
    const { bytes } = message;
    const target = this.#targetOf(message.to);
    if (typeof target === 'number') return target;
    if (this.writeShut) return -EPIPE;
    if (this.error !== 0) return -this.takeError();
    if (bytes.length > this.sendCapacity) return -EMSGSIZE;
    if (target.released) return this.#lostPeer(target);
    if (target.readShut) return -EPIPE;
    if (!target.#takesFrom(this)) return -(errno['EPERM'] ?? 1);
    if (!isLinux && this.kernel.faults.fires('noBuffers')) return -errno.ENOBUFS;
    if (!this.#hasRoomAt(target, bytes.length)) {
      return isLinux || this.#sequenced ? -EAGAIN : -errno.ENOBUFS;
    }
    this.inFlight += bytes.length;
    target.#accept(this, message);
    return bytes.length;
  }

  #targetOf(to: SocketAddress | null): UnixDatagramSocket | number {
    const { isLinux, errno } = this.kernel;
    const { ENOTCONN, EINVAL, EDESTADDRREQ = EINVAL } = errno;
    if (to !== null && !this.#sequenced) {
      if (to.family !== 'UNIX') return -EINVAL;
      if (this.pair !== null && !isLinux) return -errno.EISCONN;
      return this.#receiverAt(to.path);
    }
    if (this.pair instanceof UnixDatagramSocket) return this.pair;
    return isLinux || this.#sequenced ? -ENOTCONN : -EDESTADDRREQ;
  }

  /** The peer of a connected socket is closed. */
  #lostPeer(target: UnixDatagramSocket): number {
    if (this.#sequenced) return -this.kernel.errno.EPIPE;
    if (this.pair === target) {
      this.pair = null;
      this.phase = 'open';
    }
    return -this.kernel.errno.ECONNREFUSED;
  }

  #hasRoomAt(target: UnixDatagramSocket, bytes: number): boolean {
    if (this.inFlight > 0 && this.inFlight + bytes > this.sendCapacity) return false;
    if (!this.kernel.isLinux) return target.hasRoomFor(bytes);
    return target.pair === this || target.queue.length <= QUEUE_LENGTH_MAX;
  }

  #accept(sender: UnixDatagramSocket, { bytes, files }: Outgoing): void {
    this.enqueue({
      bytes,
      from: sender.local,
      to: null,
      trafficClass: 0,
      hops: 0,
      segmentBytes: 0,
      arrivedNs: this.kernel.clock.nowNs,
      files,
      taken: () => {
        sender.inFlight -= bytes.length;
        sender.touchWrite();
      },
    });
  }

  shutdown(read: boolean, write: boolean): number {
    if (this.phase !== 'connected' && !this.kernel.isLinux) return -this.kernel.errno.ENOTCONN;
    this.readShut ||= read;
    this.writeShut ||= write;
    const { pair } = this;
    if (this.#sequenced && pair instanceof UnixDatagramSocket && !pair.released) {
      pair.readShut ||= write;
      pair.writeShut ||= read;
      pair.nudge();
    }
    this.nudge();
    return 0;
  }

  protected override hangUp(): void {
    super.hangUp();
    const { pair } = this;
    if (!(pair instanceof UnixDatagramSocket) || pair.released || pair.pair !== this) return;
    if (this.#sequenced) {
      pair.readShut = true;
      pair.writeShut = true;
    } else if (!this.kernel.isLinux) {
      pair.pair = null;
      pair.phase = 'open';
      pair.error = this.kernel.errno.ECONNRESET;
    }
    pair.nudge();
  }

  /** Linux: while three quarters of the send buffer are free, and the peer has room. */
  get writable(): boolean {
    if (this.inFlight * 4 > this.sendCapacity) return false;
    const { pair } = this;
    return !(pair instanceof UnixDatagramSocket) || this.#hasRoomAt(pair, 0);
  }

  poll(): number {
    let ready = 0;
    if (this.error !== 0) ready |= Ready.err;
    if (this.readShut && this.writeShut) ready |= Ready.hup;
    if (this.readShut) ready |= Ready.rdhup | Ready.in;
    if (this.queue.length > 0) ready |= Ready.in;
    return this.writable ? ready | Ready.out : ready;
  }
}
