import { Random } from '#src/base/random.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import type { Kernel } from './kernel.ts';
import type { SimSocket } from './sockets.ts';

/** The ephemeral ports of Linux, for connect(2) and bind(2) to port 0. */
const EPHEMERAL_FIRST = 32_768;
const EPHEMERAL_LAST = 60_999;

/** An address of IPv4 or IPv6. */
export type InternetAddress = Extract<SocketAddress, { port: number }>;

const WILDCARD = { IPv4: '0.0.0.0', IPv6: '::' } as const;
const LOOPBACK = { IPv4: '127.0.0.1', IPv6: '::1' } as const;

/** The owners of names: ports of this host, and names of UNIX sockets. */
export class Names {
  /** Addresses of this host besides 127.0.0.0/8 and ::1. */
  readonly ownAddresses: Set<string>;
  readonly #kernel: Kernel;
  readonly #ports = new Map<number, Set<SimSocket>>();
  /** Null for a name whose socket is gone but whose file is still there. */
  readonly #paths = new Map<string, SimSocket | null>();
  readonly #choice: Random;
  #nextPort: number;

  /** `others` are those of another protocol of this host, whose ports are its own: UDP. */
  constructor(kernel: Kernel, others: Names | null = null) {
    const suffix = others === null ? '' : ' of UDP';
    this.#kernel = kernel;
    this.ownAddresses = others?.ownAddresses ?? new Set();
    this.#choice = new Random(kernel.seed, `listener of a shared port${suffix}`);
    this.#nextPort = new Random(kernel.seed, `ports${suffix}`).between(
      EPHEMERAL_FIRST,
      EPHEMERAL_LAST,
    );
  }

  /** True if `address` is of this host, so that a connection to it is answered at once. */
  isOwn(address: string): boolean {
    const plain = address.replace(/^::ffff:/, '');
    return plain.startsWith('127.') || plain === '::1' || this.ownAddresses.has(plain);
  }

  /** Gives `socket` a name. Returns 0 or `-errno`. */
  bind(socket: SimSocket, address: SocketAddress): number {
    return address.family === 'UNIX'
      ? this.#bindPath(socket, address.path)
      : this.#bindPort(socket, address);
  }

  #bindPath(socket: SimSocket, path: string): number {
    const { EADDRINUSE, EINVAL } = this.#kernel.errno;
    if (path === '') {
      if (!this.#kernel.isLinux) return -EINVAL;
      // Linux names such a socket itself: five hexadecimal digits in the abstract names.
      return this.#bindPath(
        socket,
        `\0${this.#choice
          .below(2 ** 20)
          .toString(16)
          .padStart(5, '0')}`,
      );
    }
    if (this.#paths.has(path)) return -EADDRINUSE;
    this.#paths.set(path, socket);
    socket.local = { family: 'UNIX', path };
    return 0;
  }

  #bindPort(socket: SimSocket, address: InternetAddress): number {
    const { EADDRINUSE, EADDRNOTAVAIL } = this.#kernel.errno;
    const { address: text, family } = address;
    if (text !== WILDCARD[family] && !this.isOwn(text)) return -EADDRNOTAVAIL;
    const port = address.port === 0 ? this.#freePort() : address.port;
    if (port === 0) return -EADDRINUSE;
    const named = { ...address, port };
    for (const other of this.#ports.get(port) ?? []) {
      if (this.#clash(socket, named, other)) return -EADDRINUSE;
    }
    socket.local = named;
    this.hold(socket);
    return 0;
  }

  #clash(socket: SimSocket, address: InternetAddress, other: SimSocket): boolean {
    if (other === socket || other.local === null || other.local.family === 'UNIX') return false;
    if (!overlap(socket, address, other, other.local)) return false;
    if (socket.flag('SO_REUSEPORT') && other.flag('SO_REUSEPORT')) return false;
    return !(socket.flag('SO_REUSEADDR') && other.flag('SO_REUSEADDR')) || other.isListening;
  }

  /** True if the bound `socket` may listen: of two with SO_REUSEADDR only one can. */
  mayListen(socket: SimSocket): boolean {
    const { local } = socket;
    if (local === null || local.family === 'UNIX') return true;
    for (const other of this.#ports.get(local.port) ?? []) {
      if (other.isListening && this.#clash(socket, local, other)) return false;
    }
    return true;
  }

  /** Keeps the port of `socket`, which has an address. */
  hold(socket: SimSocket): void {
    if (socket.local === null || socket.local.family === 'UNIX') return;
    const { port } = socket.local;
    const holders = this.#ports.get(port) ?? new Set();
    holders.add(socket);
    this.#ports.set(port, holders);
  }

  /** Frees the port of a closed socket; its name in the file system stays. */
  release(socket: SimSocket): void {
    const { local } = socket;
    if (local === null) return;
    if (local.family === 'UNIX') {
      if (this.#paths.get(local.path) !== socket) return;
      if (local.path.startsWith('\0')) this.#paths.delete(local.path);
      else this.#paths.set(local.path, null);
      return;
    }
    const holders = this.#ports.get(local.port);
    holders?.delete(socket);
    if (holders?.size === 0) this.#ports.delete(local.port);
  }

  /** unlink(2) of a socket's file. */
  unlink(path: string): number {
    if (path.startsWith('\0') || !this.#paths.delete(path)) return -this.#kernel.errno.ENOENT;
    return 0;
  }

  /** The socket of a UNIX name; null if only its file exists, undefined if nothing does. */
  atPath(path: string): SimSocket | null | undefined {
    return this.#paths.get(path);
  }

  /** The listener of `address`: an exact match before a wildcard. */
  listenerAt(address: InternetAddress): SimSocket | null {
    const holders = this.#ports.get(address.port);
    if (holders === undefined) return null;
    const found = [...holders].filter((holder) => holder.isListening && hears(holder, address));
    const exact = found.filter(({ local }) => hasText(local, address.address));
    const best = exact.length > 0 ? exact : found;
    // Listeners that share a port (SO_REUSEPORT) each get some of the connections.
    return best.length > 1 ? (best[this.#choice.below(best.length)] ?? null) : (best[0] ?? null);
  }

  /** The sockets that hold a port. */
  holdersOf(port: number): Iterable<SimSocket> {
    return this.#ports.get(port) ?? [];
  }

  /** The address that a connection to `remote` comes from, with a port of its own. */
  chooseLocal(remote: InternetAddress): InternetAddress {
    const address = this.isOwn(remote.address) ? remote.address : LOOPBACK[remote.family];
    return { family: remote.family, address, port: this.#freePort() };
  }

  #freePort(): number {
    const count = EPHEMERAL_LAST - EPHEMERAL_FIRST + 1;
    for (let tries = 0; tries < count; tries += 1) {
      const port = this.#nextPort;
      this.#nextPort = port === EPHEMERAL_LAST ? EPHEMERAL_FIRST : port + 1;
      if (!this.#ports.has(port)) return port;
    }
    return 0;
  }
}

function hasText(local: SocketAddress | null, address: string): boolean {
  return local !== null && local.family !== 'UNIX' && local.address === address;
}

/** True if two sockets of one port conflict. */
function overlap(
  left: SimSocket,
  leftAt: InternetAddress,
  right: SimSocket,
  rightAt: InternetAddress,
): boolean {
  if (leftAt.family === rightAt.family) {
    const wildcard = WILDCARD[leftAt.family];
    return (
      [leftAt.address, rightAt.address].includes(wildcard) || leftAt.address === rightAt.address
    );
  }
  // The wildcard of IPv6 covers IPv4 as well, without IPV6_V6ONLY.
  const [six, sixAt] = leftAt.family === 'IPv6' ? [left, leftAt] : [right, rightAt];
  return sixAt.address === WILDCARD.IPv6 && !six.flag('IPV6_V6ONLY');
}

/** True if a socket receives what is sent to `address`. */
export function hears(listener: SimSocket, address: InternetAddress): boolean {
  const { local } = listener;
  if (local === null || local.family === 'UNIX') return false;
  if (local.family === address.family) {
    return local.address === address.address || local.address === WILDCARD[local.family];
  }
  return local.address === WILDCARD.IPv6 && !listener.flag('IPV6_V6ONLY');
}
