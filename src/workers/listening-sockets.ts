import { createServer, type Endpoint, socketFileOf } from '../socket/create.ts';
import type { Socket } from '../socket/socket.ts';
import type { SocketFile } from '../socket/socket-file.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
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

/**
 * The listening sockets of a service, which its owner keeps: a thread that ends leaves its
 * connections in the queue for its successor.
 */
export class ListeningSockets {
  readonly address: SocketAddress;
  readonly balance: Balance;
  readonly #sockets: Socket[] = [];
  readonly #file: SocketFile | null;

  /** Listens. Throws a SysError or ResolveError, with nothing left open. */
  constructor(
    sys: Sys,
    endpoint: Endpoint,
    options: ServiceSocketOptions,
    balance: Balance,
    threads: number,
  ) {
    this.balance = balance;
    const reusePort = balance === 'kernel';
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

  /** Stops listening, once no thread listens any more, and removes the file of a UNIX socket. */
  close(): void {
    this.#file?.remove();
    for (const socket of this.#sockets) socket.close();
    this.#sockets.length = 0;
  }
}

/** Whether the kernel spreads the connections of a port over the sockets that listen on it. */
export function kernelBalances(sys: Sys, endpoint: Endpoint): boolean {
  return sys.abi.behaviours.reusePortBalances && !('path' in endpoint);
}
