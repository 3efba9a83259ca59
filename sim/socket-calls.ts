import {
  decodeSockaddr,
  encodeSockaddr,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '#src/sys/sockaddr.js';
import type { MessageHeader } from '#src/sys/sys.js';
import { NS_PER_MS } from './clock.ts';
import { type Kernel, PENDING } from './kernel.ts';
import { Names } from './names.ts';
import type { OpenFile } from './open-file.ts';
import { SocketOptions } from './socket-options.ts';
import { SimSocket } from './sockets.ts';
import { TcpSocket } from './tcp-sockets.ts';
import { UdpSocket } from './udp-sockets.ts';
import { UnixDatagramSocket } from './unix-datagrams.ts';
import { UnixSocket } from './unix-sockets.ts';

/** The rest of a short receive is ready again after this time. */
const NUDGE_NS = NS_PER_MS / 10;

/** The calls that make and name sockets: socket(2) to getpeername(2). */
export class SocketCalls {
  readonly names: Names;
  /** The ports of UDP. */
  readonly udpNames: Names;
  readonly options: SocketOptions;
  readonly #kernel: Kernel;
  readonly #scratch = new Uint8Array(SOCKADDR_BYTES_MAX);

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.names = new Names(kernel);
    this.udpNames = new Names(kernel, this.names);
    this.options = new SocketOptions(kernel);
  }

  /** A socket without a descriptor yet, or `-errno`. */
  create(domain: number, type: number): SimSocket | number {
    const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET } =
      this.#kernel.abi.constants;
    const { SOCK_CLOEXEC = 0, SOCK_NONBLOCK = 0 } = this.#kernel.abi.constants;
    const { EAFNOSUPPORT = 97, EINVAL, ESOCKTNOSUPPORT = 94 } = this.#kernel.errno;
    const plain = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    const isDatagram = plain === SOCK_DGRAM;
    const isRecord = plain === SOCK_SEQPACKET && domain === AF_UNIX;
    if (plain !== SOCK_STREAM && !isDatagram && !isRecord) {
      return plain > 10 || plain < 0 ? -EINVAL : -ESOCKTNOSUPPORT;
    }
    if (domain === AF_UNIX) {
      if (plain === SOCK_STREAM) return new UnixSocket(this.#kernel, this.names, domain);
      return new UnixDatagramSocket(this.#kernel, this.names, domain, plain);
    }
    if (domain !== AF_INET && domain !== AF_INET6) return -EAFNOSUPPORT;
    if (isDatagram) return new UdpSocket(this.#kernel, this.udpNames, domain);
    return new TcpSocket(this.#kernel, this.names, domain);
  }

  /** Opens a descriptor for a new file, unless a fault or the limit prevents it. */
  install(file: OpenFile, flags: number): number {
    const { SOCK_CLOEXEC = 0, SOCK_NONBLOCK = 0 } = this.#kernel.abi.constants;
    if (SOCK_NONBLOCK !== 0) file.nonblocking = (flags & SOCK_NONBLOCK) !== 0;
    return this.#kernel.descriptors.open(file, (flags & SOCK_CLOEXEC) !== 0);
  }

  /** The `-errno` of a call that gets no descriptor, or 0. */
  refusal(): number {
    const { EMFILE, ENFILE } = this.#kernel.errno;
    if (this.#kernel.descriptors.full) return -EMFILE;
    if (!this.#kernel.faults.fires('descriptorsOut')) return 0;
    return this.#kernel.faults.dice('descriptorsOut').chance(0.5) ? -EMFILE : -ENFILE;
  }

  socket(domain: number, type: number): number {
    const socket = this.create(domain, type);
    if (typeof socket === 'number') return socket;
    return this.refusal() || this.install(socket, type);
  }

  socketpair(domain: number, type: number, pair: Int32Array): number {
    const { AF_UNIX } = this.#kernel.abi.constants;
    const { EOPNOTSUPP = 95 } = this.#kernel.errno;
    const left = this.create(domain, type);
    const right = this.create(domain, type);
    if (typeof left === 'number') return left;
    if (typeof right === 'number') return right;
    if (domain !== AF_UNIX) return -EOPNOTSUPP;
    const refused = this.refusal();
    if (refused !== 0) return refused;
    left.tie(right);
    return this.installPair(left, right, type, pair);
  }

  /** Opens two descriptors or none. */
  installPair(left: OpenFile, right: OpenFile, flags: number, pair: Int32Array): number {
    const first = this.install(left, flags);
    if (first < 0) return first;
    const second = this.install(right, flags);
    if (second < 0) {
      this.#kernel.descriptors.close(first);
      return second;
    }
    pair[0] = first;
    pair[1] = second;
    return 0;
  }

  /** The socket of a descriptor, or `-errno`. */
  at(fd: number): SimSocket | number {
    const { EBADF, ENOTSOCK } = this.#kernel.errno;
    const file = this.#kernel.descriptors.get(fd);
    if (file === undefined) return -EBADF;
    return file instanceof SimSocket ? file : -ENOTSOCK;
  }

  /** The address in the caller's memory, or `-errno`. */
  decode(socket: SimSocket, bytes: Uint8Array, length: number): SocketAddress | number {
    const { abi, errno } = this.#kernel;
    const { EINVAL } = errno;
    const EAFNOSUPPORT = errno['EAFNOSUPPORT'] ?? EINVAL;
    const { sockaddr_in, sockaddr_in6, sockaddr_un } = abi.structs;
    const { AF_INET, AF_INET6, AF_UNIX } = abi.constants;
    const least = new Map([
      [AF_INET, sockaddr_in.size],
      [AF_INET6, sockaddr_in6.size],
      [AF_UNIX, sockaddr_un.fields.sun_path.offset],
    ]).get(socket.domain);
    if (least === undefined || length < least) return -EINVAL;
    let address: SocketAddress;
    try {
      address = decodeSockaddr(abi, bytes, length);
    } catch {
      return -EAFNOSUPPORT;
    }
    const domain = { IPv4: AF_INET, IPv6: AF_INET6, UNIX: AF_UNIX }[address.family];
    if (domain === socket.domain) return address;
    return socket.domain === AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
  }

  /** Writes an address into the room of a message for a name. */
  encode(address: SocketAddress, message: MessageHeader): void {
    const length = new Int32Array([message.name === null ? 0 : message.nameLength]);
    if (message.name !== null) this.#encode(address, message.name, length);
    message.nameLength = message.name === null ? 0 : (length[0] ?? 0);
  }

  #encode(address: SocketAddress, into: Uint8Array, length: Int32Array): number {
    const size = encodeSockaddr(this.#kernel.abi, address, this.#scratch);
    const count = Math.min(size, length[0] ?? 0);
    into.set(this.#scratch.subarray(0, count));
    length[0] = size;
    return 0;
  }

  bind(fd: number, bytes: Uint8Array, length: number): number {
    const socket = this.at(fd);
    if (typeof socket === 'number') return socket;
    const address = this.decode(socket, bytes, length);
    return typeof address === 'number' ? address : socket.bind(address);
  }

  listen(fd: number, backlog: number): number {
    const socket = this.at(fd);
    return typeof socket === 'number' ? socket : socket.listen(backlog);
  }

  shutdown(fd: number, how: number): number {
    const { SHUT_RD, SHUT_WR, SHUT_RDWR } = this.#kernel.abi.constants;
    const socket = this.at(fd);
    if (typeof socket === 'number') return socket;
    if (![SHUT_RD, SHUT_WR, SHUT_RDWR].includes(how)) return -this.#kernel.errno.EINVAL;
    return socket.shutdown(how !== SHUT_WR, how !== SHUT_RD);
  }

  getsockname(fd: number, into: Uint8Array, length: Int32Array): number {
    const socket = this.at(fd);
    if (typeof socket === 'number') return socket;
    return this.#encode(socket.local ?? this.#unnamed(socket), into, length);
  }

  getpeername(fd: number, into: Uint8Array, length: Int32Array): number {
    const socket = this.at(fd);
    if (typeof socket === 'number') return socket;
    if (socket.phase !== 'connected') return -this.#kernel.errno.ENOTCONN;
    return this.#encode(socket.remote ?? this.#unnamed(socket), into, length);
  }

  #unnamed(socket: SimSocket): SocketAddress {
    const { AF_UNIX, AF_INET6 } = this.#kernel.abi.constants;
    if (socket.domain === AF_UNIX) return { family: 'UNIX', path: '' };
    if (socket.domain === AF_INET6) return { family: 'IPv6', address: '::', port: 0 };
    return { family: 'IPv4', address: '0.0.0.0', port: 0 };
  }

  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Int32Array,
  ): number {
    const socket = this.at(fd);
    if (typeof socket === 'number') return socket;
    const { SOL_SOCKET, SO_PEERNAME } = this.#kernel.abi.constants;
    if (level === SOL_SOCKET && name === SO_PEERNAME) return this.#peerName(socket, value, length);
    return this.options.get(socket, level, name, value, length);
  }

  /** Like Linux: also of a connection that is over; EINVAL for more bytes than the address has. */
  #peerName(socket: SimSocket, value: Uint8Array, length: Int32Array): number {
    const { ENOTCONN, EINVAL } = this.#kernel.errno;
    if (socket.remote === null) return -ENOTCONN;
    const asked = length[0] ?? 0;
    const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
    const size = new Int32Array([bytes.length]);
    this.#encode(socket.remote, bytes, size);
    if (asked > (size[0] ?? 0)) return -EINVAL;
    value.set(bytes.subarray(0, asked));
    return 0;
  }

  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number {
    const socket = this.at(fd);
    if (typeof socket === 'number') return socket;
    return this.options.set(socket, level, name, value, length);
  }

  connect(fd: number, bytes: Uint8Array, length: number): number {
    const { EINPROGRESS, EALREADY, EAGAIN } = this.#kernel.errno;
    const socket = this.at(fd);
    if (typeof socket === 'number') return socket;
    const address = this.decode(socket, bytes, length);
    if (typeof address === 'number') return address;
    const result = socket.connect(address);
    if (socket.nonblocking || ![-EINPROGRESS, -EALREADY, -EAGAIN].includes(result)) return result;
    const { timeoutsBoundAcceptAndConnect } = this.#kernel.abi.behaviours;
    const timeoutNs = timeoutsBoundAcceptAndConnect
      ? socket.sendTimeoutNs
      : Number.POSITIVE_INFINITY;
    const scan = (): number => {
      if (socket instanceof TcpSocket) return socket.connectResult() ?? PENDING;
      const again = socket.connect(address);
      return again === -EAGAIN ? PENDING : again;
    };
    const outcome = this.#kernel.wait('connect', scan, timeoutNs);
    if (outcome !== PENDING) return outcome;
    return socket instanceof TcpSocket ? -EINPROGRESS : -EAGAIN;
  }

  /** accept(2) and accept4(2), whose `flags` are null for the first. */
  accept(fd: number, into: Uint8Array, length: Int32Array, flags: number | null): number {
    const listener = this.at(fd);
    if (typeof listener === 'number') return listener;
    return this.acceptFrom(listener, into, length, flags, !listener.nonblocking);
  }

  /** The same for a socket, which `waits` or does not. */
  acceptFrom(
    listener: SimSocket,
    into: Uint8Array,
    length: Int32Array,
    flags: number | null,
    waits: boolean,
  ): number {
    const { faults, errno } = this.#kernel;
    const fruitless = waits ? 0 : this.fruitless(listener.pending.length > 0);
    if (fruitless !== 0) return fruitless;
    if (this.#kernel.descriptors.full) return -errno.EMFILE;
    if (listener.pending.length > 0) {
      const refused = this.refusal();
      if (refused !== 0) return refused;
      if (faults.fires('abortedAccept')) return this.#dropPending(listener);
    }
    const socket = this.#nextPending(listener, waits);
    if (typeof socket === 'number') return socket;
    // On the BSDs the socket inherits O_NONBLOCK of the listener, except by accept4.
    if (flags === null && !this.#kernel.isLinux) socket.nonblocking = listener.nonblocking;
    const accepted = flags === null ? this.#kernel.descriptors.open(socket, false) : -1;
    const result = flags === null ? accepted : this.install(socket, flags);
    this.#encode(socket.remote ?? this.#unnamed(socket), into, length);
    return result;
  }

  #dropPending(listener: SimSocket): number {
    const dropped = listener.accept();
    if (typeof dropped === 'number') return dropped;
    dropped.released = true;
    dropped.abort();
    dropped.close();
    return -this.#kernel.errno.ECONNABORTED;
  }

  #nextPending(listener: SimSocket, waits: boolean): SimSocket | number {
    const { EAGAIN } = this.#kernel.errno;
    const first = listener.accept();
    if (first !== -EAGAIN || !waits) return first;
    const { timeoutsBoundAcceptAndConnect } = this.#kernel.abi.behaviours;
    const timeoutNs = timeoutsBoundAcceptAndConnect
      ? listener.receiveTimeoutNs
      : Number.POSITIVE_INFINITY;
    const scan = (): number => (listener.pending.length > 0 ? 0 : PENDING);
    const outcome = this.#kernel.wait('accept', scan, timeoutNs);
    if (outcome === PENDING) return -EAGAIN;
    return outcome < 0 ? outcome : listener.accept();
  }

  /**
   * The `-errno` of a call that does not wait and does nothing, or 0. EINTR may come at any time,
   * EAGAIN to one that is `ready`. No edge follows: it was ready before.
   */
  fruitless(ready: boolean): number {
    const { faults, errno } = this.#kernel;
    if (faults.fires('interruptedCall')) return -errno.EINTR;
    return ready && faults.fires('falseEagain') ? -errno.EAGAIN : 0;
  }

  /** Signals an edge for what `file` is ready for. */
  nudgeSoon(file: OpenFile): void {
    const { clock } = this.#kernel;
    clock.at(clock.nowNs + NUDGE_NS, () => file.nudge());
  }
}
