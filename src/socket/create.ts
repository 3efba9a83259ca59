import { lstatSync } from 'node:fs';
import { nativeSys } from '../sys/native.ts';
import { formatAddress, type SocketAddress, type UnixAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError } from '../sys/sys-error.ts';
import { resolve } from './resolve.ts';
import { Socket } from './socket.ts';

/** Where to listen or to connect to: a host and a port, or the path of a UNIX socket. */
export type Endpoint =
  | { readonly host: string | null; readonly port: number }
  | { readonly path: string };

/** How {@link createServer} listens. */
export interface ServerOptions {
  /** How many connections may wait for accept(2); SOMAXCONN if left out. */
  readonly backlog?: number;
  /** Several sockets may listen on the port, and the kernel spreads the connections. */
  readonly reusePort?: boolean;
  /**
   * Whether an accepted connection sends at once (`TCP_NODELAY`, which it inherits): true if left
   * out. No effect on a UNIX socket.
   */
  readonly noDelay?: boolean;
  /** The system calls to use; those of this machine if left out. */
  readonly sys?: Sys;
}

/**
 * A socket that listens: socket(2), SO_REUSEADDR, TCP_NODELAY, bind(2), listen(2).
 *
 * A host with several addresses listens on the first that can be bound; null is all interfaces.
 * A UNIX path that a dead server left behind is taken over; a live one is not. Blocks while a
 * name is resolved. Throws a {@link SysError} such as
 * `cannot listen on 127.0.0.1:7007: EADDRINUSE (address already in use)`, or a ResolveError.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { createConnection, createServer } from 'sockloop/socket';
 *
 * using server = createServer({ host: '127.0.0.1', port: 0 });
 * const address = server.getSockName();
 * if (address.family === 'UNIX') throw new Error('not a port');
 * using client = createConnection({ host: 'localhost', port: address.port }, { timeoutMs: 1000 });
 * assert.deepEqual(client.getPeerName(), address);
 * ```
 */
export function createServer(endpoint: Endpoint, options: ServerOptions = {}): Socket {
  const sys = options.sys ?? nativeSys();
  return firstThatWorks(addressesOf(endpoint, true, sys), (address) => {
    const socket = new Socket(address.family, { sys });
    try {
      if (address.family !== 'UNIX') socket.setSockOpt('SO_REUSEADDR', true);
      setNoDelay(socket, options.noDelay);
      if (options.reusePort === true) socket.setSockOpt('SO_REUSEPORT', true);
      bindOrTakeOver(socket, address, sys);
      socket.listen(options.backlog);
      return socket;
    } catch (error) {
      socket.close();
      throw error instanceof SysError && (error.syscall === 'bind' || error.syscall === 'listen')
        ? renamed(error, `listen on ${formatAddress(address)}`, address)
        : error;
    }
  });
}

/** How {@link createConnection} connects. */
export interface ConnectionOptions {
  /** The longest wait for one address, and for every call on the socket later; none if left out. */
  readonly timeoutMs?: number;
  /** Whether it sends at once (`TCP_NODELAY`): true if left out. No effect on a UNIX socket. */
  readonly noDelay?: boolean;
  /** The system calls to use; those of this machine if left out. */
  readonly sys?: Sys;
}

/**
 * A socket that is connected: socket(2), TCP_NODELAY, connect(2), for one address of the host
 * after the other until one answers.
 *
 * Blocks while the name is resolved and for at most `timeoutMs` per address. Throws the
 * {@link SysError} of the last address, or a ResolveError.
 */
export function createConnection(endpoint: Endpoint, options: ConnectionOptions = {}): Socket {
  const sys = options.sys ?? nativeSys();
  return firstThatWorks(addressesOf(endpoint, false, sys), (address) => {
    const socket = new Socket(address.family, { sys });
    try {
      if (options.timeoutMs !== undefined) socket.setTimeout(options.timeoutMs);
      setNoDelay(socket, options.noDelay);
      socket.connect(address);
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  });
}

/** Sets TCP_NODELAY unless `noDelay` is false, before there is a peer that could have left. */
export function setNoDelay(socket: Socket, noDelay = true): void {
  if (noDelay && socket.family !== 'UNIX') socket.setSockOpt('TCP_NODELAY', true);
}

function addressesOf(endpoint: Endpoint, passive: boolean, sys: Sys): SocketAddress[] {
  if ('path' in endpoint) return [{ family: 'UNIX', path: endpoint.path }];
  return resolve(endpoint.host, endpoint.port, { passive, sys });
}

function firstThatWorks(
  addresses: readonly SocketAddress[],
  attempt: (address: SocketAddress) => Socket,
): Socket {
  let failure: unknown = new Error('the resolver found no address');
  for (const address of addresses) {
    try {
      return attempt(address);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function bindOrTakeOver(socket: Socket, address: SocketAddress, sys: Sys): void {
  try {
    socket.bind(address);
  } catch (error) {
    const taken = error instanceof SysError && error.code === 'EADDRINUSE';
    if (!taken || address.family !== 'UNIX' || !isLeftBehind(address, sys)) throw error;
    sys.unlink(address.path);
    socket.bind(address);
  }
}

/** Whether nobody listens on the path any more: a UNIX socket outlives its server as a file. */
function isLeftBehind(address: UnixAddress, sys: Sys): boolean {
  if (address.path.startsWith('\0')) return false;
  // Linux refuses a connection to any other file with ECONNREFUSED too.
  if (lstatSync(address.path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  using probe = new Socket('UNIX', { sys });
  try {
    // Without a wait: a server that is stopped and whose queue is full is alive as well.
    probe.setBlocking(false);
    probe.connect(address);
    return false;
  } catch (error) {
    return error instanceof SysError && error.code === 'ECONNREFUSED';
  }
}

function renamed(error: SysError, attempt: string, on: SocketAddress): SysError {
  const { code, errno, syscall, reason } = error;
  return new SysError(attempt, { code, errno, syscall, reason, on });
}
