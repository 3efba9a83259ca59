import type { ControlMessage, QueuedError } from '#src/sys/control/message.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import { DatagramSocket, type Outgoing } from './datagram-sockets.ts';
import { hears, type InternetAddress } from './names.ts';
import { Ready } from './open-file.ts';

/** The longest payload of UDP over IPv4. */
const PAYLOAD_BYTES_MAX = 65_507;
/** UDP_MAX_SEGMENTS of Linux before 6.9. */
const SEGMENTS_MAX = 64;
const HOPS_DEFAULT = 64;
/** ICMP: destination unreachable, port or host; ICMPv6 has its own numbers. */
const ICMP_TYPE = { IPv4: 3, IPv6: 1 } as const;
const ICMP_PORT = { IPv4: 3, IPv6: 4 } as const;
const ICMP_HOST = { IPv4: 1, IPv6: 3 } as const;

/** A UDP socket. What is sent takes the latency of the network, and meets its faults. */
export class UdpSocket extends DatagramSocket {
  readonly type = this.kernel.abi.constants.SOCK_DGRAM;
  #lastArrivalNs = 0;

  connect(address: SocketAddress): number {
    const { EINVAL, EADDRINUSE } = this.kernel.errno;
    if (address.family === 'UNIX') return -EINVAL;
    const target = here(address);
    const bound = this.#ensureBound(target);
    if (bound < 0) return bound;
    const { local } = this;
    if (local === null || local.family === 'UNIX') return -EADDRINUSE;
    this.local = { ...local, address: this.#sourceFor(local, target) };
    this.remote = target;
    this.phase = 'connected';
    return 0;
  }

  /** Binds an unbound socket to a port of its own. */
  #ensureBound(target: InternetAddress): number {
    if (this.local !== null) return 0;
    const address = this.domain === this.kernel.abi.constants.AF_INET6 ? '::' : '0.0.0.0';
    const family = target.family;
    return this.names.bind(this, { family, address, port: 0 });
  }

  /** The address that a datagram to `target` comes from. */
  #sourceFor(local: InternetAddress, target: InternetAddress): string {
    if (local.address !== '0.0.0.0' && local.address !== '::') return local.address;
    return this.names.chooseLocal(target).address;
  }

  sendMessage(message: Outgoing): number {
    const { isLinux, errno, faults } = this.kernel;
    const { EPIPE, EINVAL, EMSGSIZE = EINVAL } = errno;
    const to = this.#destinationOf(message.to);
    if (typeof to === 'number') return to;
    if (this.writeShut) return -EPIPE;
    if (message.bytes.length > PAYLOAD_BYTES_MAX) return -EMSGSIZE;
    const segmentBytes = this.#segmentOf(message);
    if (segmentBytes < 0) return segmentBytes;
    if (this.error !== 0) return -this.takeError();
    if (faults.fires('noBuffers')) return -errno.ENOBUFS;
    if (this.sendRoom === 0) return isLinux ? -errno.EAGAIN : -errno.ENOBUFS;
    const bound = this.#ensureBound(to);
    if (bound < 0) return bound;
    if (this.#isUnroutable(to)) return -(errno['ENETUNREACH'] ?? EINVAL);
    this.#transmit(message, to, segmentBytes);
    return message.bytes.length;
  }

  #destinationOf(to: SocketAddress | null): InternetAddress | number {
    const { isLinux, errno } = this.kernel;
    const { EINVAL, EDESTADDRREQ = EINVAL } = errno;
    const given = to ?? (this.phase === 'connected' ? this.remote : null);
    if (given === null || given.family === 'UNIX') return -EDESTADDRREQ;
    if (to !== null && this.phase === 'connected' && !isLinux) return -errno.EISCONN;
    if (given.port === 0) return isLinux ? -EINVAL : -errno.EADDRNOTAVAIL;
    return here(given);
  }

  /** Without a mapped address, IPV6_V6ONLY reaches no IPv4, and an IPv4 address no IPv6. */
  #isUnroutable(to: InternetAddress): boolean {
    return to.address.startsWith('::ffff:') && this.flag('IPV6_V6ONLY');
  }

  /** The length of the pieces that the kernel is to cut: UDP_SEGMENT. */
  #segmentOf({ bytes, control }: Outgoing): number {
    const { EINVAL } = this.kernel.errno;
    const asked = control.find((one) => one.kind === 'UDP_SEGMENT');
    const segmentBytes = asked?.kind === 'UDP_SEGMENT' ? asked.segmentSize : this.#ownSegment;
    if (segmentBytes === 0 || bytes.length <= segmentBytes) return 0;
    if (segmentBytes > this.kernel.limits.segmentBytesMax) return -EINVAL;
    return Math.ceil(bytes.length / segmentBytes) > SEGMENTS_MAX ? -EINVAL : segmentBytes;
  }

  get #ownSegment(): number {
    const value = this.options.get('UDP_SEGMENT');
    return value === undefined ? 0 : new DataView(value.buffer).getInt32(0, true);
  }

  #transmit(message: Outgoing, to: InternetAddress, segmentBytes: number): void {
    const { faults } = this.kernel;
    const { local } = this;
    if (local === null || local.family === 'UNIX') return;
    const from = { ...local, address: this.#chosenSource(message.control, local, to) };
    const { length } = message.bytes;
    if (faults.fires('datagramLost')) return;
    const times = faults.fires('datagramDoubled') ? 2 : 1;
    for (let copy = 0; copy < times; copy += 1) {
      this.inFlight += length;
      this.#carry(() => {
        this.inFlight -= length;
        this.touchWrite();
        this.#arrive(message, from, to, segmentBytes);
      });
    }
  }

  /** IP_PKTINFO and its like, sent. */
  #chosenSource(
    control: readonly ControlMessage[],
    local: InternetAddress,
    to: InternetAddress,
  ): string {
    for (const one of control) {
      if (one.kind === 'IP_PKTINFO' && one.localAddress !== '0.0.0.0') return one.localAddress;
      if (one.kind === 'IPV6_PKTINFO' && one.address !== '::') return one.address;
      if (one.kind === 'IP_SENDSRCADDR' || one.kind === 'IP_RECVDSTADDR') return one.address;
    }
    return this.#sourceFor(local, to);
  }

  /** Schedules an arrival: after all that was sent before, unless it is overtaken. */
  #carry(action: () => void): void {
    const { clock, faults } = this.kernel;
    const usualNs = Math.max(clock.nowNs + this.kernel.latencyNs(), this.#lastArrivalNs);
    if (faults.fires('datagramOvertaken')) {
      clock.at(usualNs + this.kernel.faultNs('datagramOvertaken'), action);
      return;
    }
    this.#lastArrivalNs = usualNs;
    if (usualNs <= clock.nowNs) action();
    else clock.at(usualNs, action);
  }

  #arrive(
    message: Outgoing,
    from: InternetAddress,
    to: InternetAddress,
    segmentBytes: number,
  ): void {
    const { faults } = this.kernel;
    if (faults.fires('unreachable')) {
      const isPort = faults.dice('unreachable').chance(0.5);
      this.#answered(message.bytes, to, isPort);
      return;
    }
    const receiver = this.#receiverOf(from, to);
    if (receiver !== null) receiver.#accept(message, from, to, segmentBytes);
    else if (this.names.isOwn(to.address)) this.#answered(message.bytes, to, true);
  }

  /** A connected socket comes before a bound one, an exact address before a wildcard. */
  #receiverOf(from: InternetAddress, to: InternetAddress): UdpSocket | null {
    let best: UdpSocket | null = null;
    let bestScore = -1;
    for (const holder of this.names.holdersOf(to.port)) {
      if (!(holder instanceof UdpSocket)) continue;
      const score = holder.#scoreOf(from, to);
      // Of several with SO_REUSEADDR the last one is served, with SO_REUSEPORT one by the sender.
      const wins = score === bestScore && (!holder.flag('SO_REUSEPORT') || from.port % 2 === 1);
      if (score < 0 || (score <= bestScore && !wins)) continue;
      best = holder;
      bestScore = score;
    }
    return best;
  }

  #scoreOf(from: InternetAddress, to: InternetAddress): number {
    const { local, remote } = this;
    if (local === null || local.family === 'UNIX') return -1;
    const plainTo = plain(to);
    if (!hears(this, plainTo) && !isSame(local, plainTo)) return -1;
    const exact = isSame(local, plainTo) ? 1 : 0;
    if (this.phase !== 'connected' || remote === null || remote.family === 'UNIX') return exact;
    return isSame(remote, plain(from)) ? exact + 2 : -1;
  }

  #accept(
    message: Outgoing,
    from: InternetAddress,
    to: InternetAddress,
    segmentBytes: number,
  ): void {
    const joined = segmentBytes > 0 && this.flag('UDP_GRO');
    const step = segmentBytes === 0 || joined ? Math.max(1, message.bytes.length) : segmentBytes;
    for (let at = 0; at === 0 || at < message.bytes.length; at += step) {
      const bytes = message.bytes.slice(at, at + step);
      if (!this.hasRoomFor(bytes.length) || this.readShut) {
        this.dropped += 1;
        continue;
      }
      this.enqueue({
        bytes,
        from: this.#seen(from),
        to: this.#seen(to),
        trafficClass: classIn(message.control),
        hops: HOPS_DEFAULT,
        segmentBytes: joined ? segmentBytes : 0,
        arrivedNs: this.kernel.clock.nowNs,
        files: [],
        taken: () => undefined,
      });
    }
  }

  /** An IPv6 socket of both families sees IPv4 addresses in their mapped form. */
  #seen(address: InternetAddress): InternetAddress {
    const { port } = address;
    const plainAddress = plain(address);
    if (this.domain !== this.kernel.abi.constants.AF_INET6) return plainAddress;
    if (plainAddress.family === 'IPv6') return plainAddress;
    return { family: 'IPv6', address: `::ffff:${plainAddress.address}`, port };
  }

  /** An ICMP message: a connected socket hears of it, and one with an error queue. */
  #answered(bytes: Uint8Array, to: InternetAddress, isPort: boolean): void {
    if (this.released) return;
    const { ECONNREFUSED, EHOSTUNREACH = ECONNREFUSED } = this.kernel.errno;
    const errno = isPort ? ECONNREFUSED : EHOSTUNREACH;
    const queues = this.flag('IP_RECVERR') || this.flag('IPV6_RECVERR');
    if (!queues && (this.phase !== 'connected' || !isPort)) return;
    this.error = errno;
    if (queues) {
      const seen = this.#seen(to);
      this.errors.push({ bytes, to: seen, error: icmpError(errno, isPort, plain(to), seen) });
    }
    this.nudge();
  }

  shutdown(read: boolean, write: boolean): number {
    if (this.phase !== 'connected') return -this.kernel.errno.ENOTCONN;
    this.readShut ||= read;
    this.writeShut ||= write;
    this.nudge();
    return 0;
  }

  /** Linux: while half of the send buffer is free. */
  get writable(): boolean {
    return this.kernel.isLinux ? this.inFlight * 2 < this.sendCapacity : true;
  }

  poll(): number {
    let ready = 0;
    if (this.error !== 0 || this.errors.length > 0) {
      ready |= this.kernel.isLinux ? Ready.err : Ready.in;
    }
    if (this.queue.length > 0 || this.readShut) ready |= Ready.in;
    if (this.readShut) ready |= Ready.rdhup;
    if (this.readShut && this.writeShut) ready |= Ready.hup;
    return this.writable ? ready | Ready.out : ready;
  }
}

function icmpError(
  errno: number,
  isPort: boolean,
  at: InternetAddress,
  seen: InternetAddress,
): QueuedError {
  const { family } = at;
  return {
    errno,
    code: isPort ? 'ECONNREFUSED' : 'EHOSTUNREACH',
    origin: family === 'IPv4' ? 'icmp' : 'icmp6',
    icmpType: ICMP_TYPE[family],
    icmpCode: (isPort ? ICMP_PORT : ICMP_HOST)[family],
    info: 0,
    data: 0,
    offender: { ...seen, port: 0 },
  };
}

function classIn(control: readonly ControlMessage[]): number {
  for (const one of control) {
    if (one.kind === 'IP_TOS' || one.kind === 'IPV6_TCLASS') return (one.dscp << 2) | one.ecn;
  }
  return 0;
}

/** The wildcard as a destination is this host. */
function here(address: InternetAddress): InternetAddress {
  if (address.address === '0.0.0.0') return { ...address, address: '127.0.0.1' };
  return address.address === '::' ? { ...address, address: '::1' } : address;
}

/** A mapped address as the IPv4 address that it is. */
function plain(address: InternetAddress): InternetAddress {
  if (!address.address.startsWith('::ffff:')) return address;
  return { family: 'IPv4', address: address.address.slice(7), port: address.port };
}

function isSame(left: InternetAddress, right: InternetAddress): boolean {
  return left.port === right.port && plain(left).address === plain(right).address;
}
