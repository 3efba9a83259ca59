import { createServer, type Endpoint, socketFileOf } from '../socket/create.ts';
import { inheritedAddress, prepareInherited } from '../socket/inherited.ts';
import { Socket } from '../socket/socket.ts';
import type { SocketFile } from '../socket/socket-file.ts';
import { formatAddress, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';

/** How connections come to the threads: see `balance` of `serveOnThreads`. */
export type Balance = 'kernel' | 'acceptor';

/** How the sockets of a service listen. */
export interface ServiceSocketOptions {
  /** The length of the queue of listen(2), as in `ServerOptions`. */
  readonly backlog?: number;
  /** TCP_NODELAY, which the connections inherit. Default: true. */
  readonly noDelay?: boolean;
}

/** Sockets that listen already: those of the program that has started this one. */
export interface InheritedSockets {
  /** Their descriptors, at least one, which the service owns unless it refuses an option. */
  readonly fds: readonly number[];
}

/** Where a service listens. */
export type ServiceEndpoint = Endpoint | InheritedSockets;

/**
 * The listening sockets of a service, which its owner keeps: a thread that ends leaves its
 * connections in the queue for its successor.
 */
export class ListeningSockets {
  readonly address: SocketAddress;
  readonly balance: Balance;
  readonly #sockets: Socket[] = [];
  readonly #file: SocketFile | null;

  /**
   * Listens. Throws a SysError or ResolveError, with nothing left open; inherited sockets are the
   * caller's then.
   */
  constructor(
    sys: Sys,
    endpoint: ServiceEndpoint,
    options: ServiceSocketOptions,
    balance: Balance | undefined,
    threads: number,
  ) {
    if ('fds' in endpoint) {
      const addresses = takeOver(sys, endpoint, options);
      this.#file = null;
      this.balance = inheritedBalance(addresses, balance, threads);
      [this.address] = addresses;
      for (const [index, fd] of endpoint.fds.entries()) {
        this.#sockets.push(new Socket((addresses[index] ?? this.address).family, { sys, fd }));
      }
      return;
    }
    this.balance = balance ?? (kernelBalances(sys, endpoint) ? 'kernel' : 'acceptor');
    const reusePort = this.balance === 'kernel';
    const first = createServer(endpoint, { ...options, sys, ...(reusePort ? { reusePort } : {}) });
    this.#sockets.push(first);
    this.#file = socketFileOf(first);
    try {
      this.address = first.getSockName();
      const { address } = this;
      while (reusePort && address.family !== 'UNIX' && this.#sockets.length < threads) {
        const again = { ...endpoint, port: address.port };
        this.#sockets.push(createServer(again, { ...options, sys, reusePort }));
      }
      for (const socket of this.#sockets) socket.setBlocking(false);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The socket of a thread; with an acceptor there is one, which it alone uses. */
  fdOf(thread: number): number {
    return this.#sockets[this.balance === 'kernel' ? thread : 0]?.fileno() ?? -1;
  }

  /** All descriptors. */
  get fds(): number[] {
    return this.#sockets.map((socket) => socket.fileno());
  }

  /** As {@link close}, where another process has the sockets and goes on with the file. */
  letGo(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets.length = 0;
  }

  /** Stops listening, once no thread listens any more, and removes the file of a UNIX socket. */
  close(): void {
    if (this.#sockets.length > 0) this.#file?.remove();
    this.letGo();
  }
}

type Addresses = [SocketAddress, ...SocketAddress[]];

/** Checks all sockets before it changes any. */
function takeOver(
  sys: Sys,
  { fds }: InheritedSockets,
  { backlog, noDelay = true }: ServiceSocketOptions,
): Addresses {
  if (backlog !== undefined)
    throw new RangeError('backlog is for new sockets: these listen already');
  const addresses = fds.map((fd) => inheritedAddress(sys, fd, 'listen on')) as Addresses;
  const isUnix = addresses[0].family === 'UNIX';
  const other = addresses.find(({ family }) => (family === 'UNIX') !== isUnix);
  if (other !== undefined) {
    const both = `${formatAddress(addresses[0])} and ${formatAddress(other)}`;
    throw new RangeError(`a service listens on TCP or on UNIX sockets, not on ${both}`);
  }
  for (const fd of fds) prepareInherited(sys, fd, 'listen on', noDelay && !isUnix);
  return addresses;
}

/** `kernel` where each thread has a socket of the same address, as a service before has left it. */
function inheritedBalance(
  addresses: Addresses,
  wanted: Balance | undefined,
  threads: number,
): Balance {
  const [first] = addresses.map(formatAddress);
  const alike = addresses.every((address) => formatAddress(address) === first);
  const each = alike && addresses.length === threads;
  if (wanted !== 'kernel') return wanted ?? (each ? 'kernel' : 'acceptor');
  if (each) return 'kernel';
  throw new RangeError('balance kernel takes a socket of the same address for each thread');
}

/** Whether the kernel spreads the connections of a port over the sockets that listen on it. */
function kernelBalances(sys: Sys, endpoint: Endpoint): boolean {
  return sys.abi.behaviours.reusePortBalances && !('path' in endpoint);
}
