import type { Abi } from '#src/sys/abi/abi.js';
import { readSigned, writeInteger } from '#src/sys/struct.js';
import { NS_PER_MS, NS_PER_US } from './clock.ts';
import { DatagramSocket } from './datagram-sockets.ts';
import type { Kernel } from './kernel.ts';
import type { SimSocket } from './sockets.ts';

/** Read-only options. */
const READ_ONLY: ReadonlySet<string> = new Set([
  'SO_ERROR',
  'SO_TYPE',
  'SO_NWRITE',
  'SO_ACCEPTCONN',
  'SO_DOMAIN',
  'SO_PROTOCOL',
  'SO_PEERCRED',
  'TCP_INFO',
]);

const NS_PER_S = 1000 * NS_PER_MS;

/** The names of options by `level number`, for internet and for UNIX sockets. */
interface OptionNames {
  readonly internet: ReadonlyMap<string, string>;
  readonly unix: ReadonlyMap<string, string>;
}

/** Cached: the tables take longer to build than a simulation. */
const knownNames = new WeakMap<Abi, OptionNames>();

function namesOf(abi: Abi): OptionNames {
  const known = knownNames.get(abi);
  if (known !== undefined) return known;
  const { SOL_SOCKET, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IP, IPPROTO_IPV6, SOL_LOCAL } =
    abi.constants;
  const levels = {
    SO: SOL_SOCKET,
    TCP: IPPROTO_TCP,
    UDP: IPPROTO_UDP,
    IP: IPPROTO_IP,
    IPV6: IPPROTO_IPV6,
  };
  const internet = new Map<string, string>();
  const unix = new Map<string, string>();
  for (const [name, number] of Object.entries(abi.options)) {
    const prefix = name.replace(/_.*/, '');
    if (prefix === 'LOCAL') unix.set(`${SOL_LOCAL} ${number}`, name);
    const level = levels[prefix as keyof typeof levels];
    if (level === undefined) continue;
    internet.set(`${level} ${number}`, name);
    if (prefix === 'SO') unix.set(`${level} ${number}`, name);
  }
  const names = { internet, unix };
  knownNames.set(abi, names);
  return names;
}

/** getsockopt(2) and setsockopt(2): a few options do something, the others are remembered. */
export class SocketOptions {
  readonly #kernel: Kernel;
  readonly #names: OptionNames;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#names = namesOf(kernel.abi);
  }

  /** The name of an option, or `-errno` if this socket has none of that number. */
  #nameOf(socket: SimSocket, level: number, number: number): string | number {
    const { ENOPROTOOPT, EOPNOTSUPP = 0 } = this.#kernel.errno;
    const { AF_UNIX, SOL_SOCKET, SOL_LOCAL = 0 } = this.#kernel.abi.constants;
    const isUnix = socket.domain === AF_UNIX;
    const name = (isUnix ? this.#names.unix : this.#names.internet).get(`${level} ${number}`);
    if (name !== undefined) return name;
    return isUnix && level !== SOL_SOCKET && level !== SOL_LOCAL ? -EOPNOTSUPP : -ENOPROTOOPT;
  }

  set(socket: SimSocket, level: number, number: number, value: Uint8Array, length: number): number {
    const { EINVAL, ENOPROTOOPT } = this.#kernel.errno;
    const name = this.#nameOf(socket, level, number);
    if (typeof name === 'number') return name;
    if (READ_ONLY.has(name)) return -ENOPROTOOPT;
    if (length < this.#sizeOf(name)) return -EINVAL;
    const bytes = value.slice(0, length);
    socket.options.set(name, bytes);
    this.#apply(socket, name, bytes);
    return 0;
  }

  #apply(socket: SimSocket, name: string, bytes: Uint8Array): void {
    const { linger, timeval } = this.#kernel.abi.structs;
    const view = new DataView(bytes.buffer);
    switch (name) {
      case 'SO_LINGER': {
        const on = readSigned(view, 0, linger.fields.l_onoff) !== 0;
        socket.resetsAtClose = on && readSigned(view, 0, linger.fields.l_linger) === 0;
        break;
      }
      case 'SO_RCVTIMEO':
      case 'SO_SNDTIMEO': {
        const seconds = readSigned(view, 0, timeval.fields.tv_sec);
        const micros = readSigned(view, 0, timeval.fields.tv_usec);
        const timeoutNs = seconds * NS_PER_S + micros * NS_PER_US || Number.POSITIVE_INFINITY;
        if (name === 'SO_RCVTIMEO') socket.receiveTimeoutNs = timeoutNs;
        else socket.sendTimeoutNs = timeoutNs;
        break;
      }
      case 'SO_RCVBUF':
        socket.received.capacity = Math.max(1, view.getInt32(0, true));
        this.#double(view);
        break;
      case 'SO_SNDBUF':
        socket.setSendCapacity(Math.max(1, view.getInt32(0, true)));
        this.#double(view);
        break;
    }
  }

  /** Linux doubles the size of a buffer, for its bookkeeping, and reports the double. */
  #double(view: DataView): void {
    if (this.#kernel.isLinux) view.setInt32(0, view.getInt32(0, true) * 2, true);
  }

  get(
    socket: SimSocket,
    level: number,
    number: number,
    value: Uint8Array,
    length: Int32Array,
  ): number {
    const name = this.#nameOf(socket, level, number);
    if (typeof name === 'number') return name;
    const room = length[0] ?? 0;
    if (room < 0) return -this.#kernel.errno.EINVAL;
    const bytes = this.#valueOf(socket, name, room);
    const count = Math.min(room, bytes.length);
    value.set(bytes.subarray(0, count));
    length[0] = count;
    return 0;
  }

  #valueOf(socket: SimSocket, name: string, room: number): Uint8Array {
    const { SOCK_STREAM, IPPROTO_TCP, IPPROTO_UDP, AF_UNIX } = this.#kernel.abi.constants;
    switch (name) {
      case 'SO_ERROR':
        return int(socket.takeError());
      case 'SO_TYPE':
        return int(socket instanceof DatagramSocket ? socket.type : SOCK_STREAM);
      case 'SO_DOMAIN':
        return int(socket.domain);
      case 'SO_PROTOCOL':
        if (socket.domain === AF_UNIX) return int(0);
        return int(socket instanceof DatagramSocket ? IPPROTO_UDP : IPPROTO_TCP);
      case 'SO_ACCEPTCONN':
        return int(socket.isListening ? 1 : 0);
      case 'SO_RCVBUF':
        return socket.options.get(name) ?? int(socket.received.capacity);
      case 'SO_NWRITE':
        return int(socket.unsent);
      case 'SO_SNDBUF':
        return socket.options.get(name) ?? int(socket.unsent + socket.sendRoom);
      default:
        return socket.options.get(name) ?? new Uint8Array(this.#sizeOf(name, room));
    }
  }

  #sizeOf(name: string, room = 4): number {
    const { linger, timeval } = this.#kernel.abi.structs;
    if (name === 'SO_LINGER') return linger.size;
    if (name === 'SO_RCVTIMEO' || name === 'SO_SNDTIMEO') return timeval.size;
    return /INFO|CRED|CONGESTION/.test(name) ? room : 4;
  }
}

function int(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeInteger(new DataView(bytes.buffer), 0, { offset: 0, size: 4 }, value);
  return bytes;
}
