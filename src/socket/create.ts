import { requireFlag, requireObject, requireTimeout, requireWhole } from '../base/arguments.ts';
import { nativeSys } from '../sys/native.ts';
import { formatAddress, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError } from '../sys/sys-error.ts';
import { resolve } from './resolve.ts';
import { connectToPeer } from './self-connection.ts';
import { TIMEOUT_MS_MAX } from './settings.ts';
import { Socket } from './socket.ts';
import { hasFile, ifLeftBehind, SocketFile } from './socket-file.ts';
import { TimeShares } from './wait.ts';

/** Where to listen or to connect to: a host and a port, or the path of a UNIX socket. */
export type Endpoint =
  | { readonly host: string | null; readonly port: number }
  | { readonly path: string };

/** How {@link createServer} listens. */
export interface ServerOptions {
  /**
   * The length of the queue of connections not yet accepted, 0 to 2^31 - 1; SOMAXCONN by default.
   * The kernel caps it (`net.core.somaxconn`).
   */
  readonly backlog?: number;
  /** SO_REUSEPORT: several sockets listen on the port, and the kernel balances connections. */
  readonly reusePort?: boolean;
  /** IPV6_V6ONLY: `::` and a host of null are IPv6 alone, without IPv4. Default: false. */
  readonly ipv6Only?: boolean;
  /** TCP_NODELAY, which accepted connections inherit: true by default. Ignored for UNIX sockets. */
  readonly noDelay?: boolean;
  /** The system calls to use; those of this machine by default. */
  readonly sys?: Sys;
}

/**
 * A listening socket: socket(2), SO_REUSEADDR, TCP_NODELAY, bind(2), listen(2). Blocks while a name
 * is resolved.
 *
 * A host with several addresses listens on the first that can be bound. null is all interfaces, of
 * both families: `::` without IPV6_V6ONLY (but see `ipv6Only`), where an IPv4 peer appears as
 * `::ffff:127.0.0.1`, or `0.0.0.0` on a machine without IPv6.
 *
 * The path of a UNIX socket whose server is dead is taken over; that of a live server is not, even
 * if it has not called listen(2) yet. Closing the socket leaves the file in place.
 *
 * @param endpoint where to listen: a host and a port (0 for a free one), or a path.
 * @param options backlog, SO_REUSEPORT, TCP_NODELAY.
 * @returns the listening socket, which the caller owns and closes.
 * @throws SysError `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, ...
 * @throws ResolveError for a name without an address.
 * @throws TypeError, RangeError for an argument out of its range.
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
  const { sys = nativeSys(), backlog, reusePort, ipv6Only, noDelay } = options;
  if (backlog !== undefined) requireWhole('a backlog', backlog, 0, 2 ** 31 - 1);
  requireFlag('reusePort', reusePort);
  requireFlag('ipv6Only', ipv6Only);
  requireFlag('noDelay', noDelay);
  requireObject('an endpoint', endpoint);
  if (!('path' in endpoint) && endpoint.host === null) {
    return listenOnAll(endpoint.port, options, sys);
  }
  return firstThatWorks(addressesOf(endpoint, true, sys), (address) =>
    listenOn(address, options, sys),
  );
}

/** As Node does: `::` for both families, or `0.0.0.0` where there is no IPv6. */
function listenOnAll(port: number, options: ServerOptions, sys: Sys): Socket {
  try {
    return listenOn({ family: 'IPv6', address: '::', port }, options, sys, true);
  } catch (error) {
    if (options.ipv6Only === true || !(error instanceof SysError) || !NO_IPV6.has(error.code))
      throw error;
    return listenOn({ family: 'IPv4', address: '0.0.0.0', port }, options, sys);
  }
}

const NO_IPV6: ReadonlySet<string> = new Set([
  'EAFNOSUPPORT',
  'EPROTONOSUPPORT',
  'EADDRNOTAVAIL',
  'EINVAL',
  'ENOPROTOOPT',
]);

function listenOn(
  address: SocketAddress,
  { backlog, reusePort, ipv6Only = false, noDelay }: ServerOptions,
  sys: Sys,
  bothFamilies = false,
): Socket {
  const socket = new Socket(address.family, { sys });
  try {
    const hasFamilies = address.family === 'IPv6' && (bothFamilies || ipv6Only);
    if (hasFamilies) socket.setSockOpt('IPV6_V6ONLY', ipv6Only);
    if (address.family !== 'UNIX') socket.setSockOpt('SO_REUSEADDR', true);
    setNoDelay(socket, noDelay);
    if (reusePort === true) socket.setSockOpt('SO_REUSEPORT', true);
    bindAndListen(socket, address, sys, backlog);
    return socket;
  } catch (error) {
    socketFileOf(socket)?.remove();
    socket.close();
    throw error instanceof SysError && (error.syscall === 'bind' || error.syscall === 'listen')
      ? renamed(error, `listen on ${formatAddress(address)}`, address)
      : error;
  }
}

/** How {@link createConnection} connects. */
export interface ConnectionOptions {
  /**
   * Timeout of the connection attempts (each address gets an equal share of what is left), and of
   * every later call on the socket, above 0 and at most {@link TIMEOUT_MS_MAX}; none by default.
   */
  readonly timeoutMs?: number;
  /** TCP_NODELAY: true by default. Ignored for UNIX sockets. */
  readonly noDelay?: boolean;
  /** The system calls to use; those of this machine by default. */
  readonly sys?: Sys;
}

/**
 * A connected socket: socket(2), TCP_NODELAY, connect(2), for one address of the host after another
 * until one accepts. Blocks while the name is resolved, and then for at most `timeoutMs`.
 *
 * A socket that connected to itself (nobody listens on the port of `endpoint`, and the kernel chose
 * it as the local one) counts as refused.
 *
 * @param endpoint where to connect to: a host (null for the loopback address) and a port; or a
 *   path.
 * @param options timeout, TCP_NODELAY.
 * @returns the connected socket, which the caller owns and closes. After an error all sockets of
 *   the attempts are closed.
 * @throws SysError of the last address: `ECONNREFUSED`, `ETIMEDOUT`, `ENETUNREACH`, ...
 * @throws ResolveError for a name without an address.
 * @throws TypeError, RangeError for an argument out of its range.
 *
 * @example
 * ```ts
 * import { createConnection, createServer } from 'sockloop/socket';
 *
 * using server = createServer({ host: '127.0.0.1', port: 0 });
 * const address = server.getSockName();
 * if (address.family === 'UNIX') throw new Error('not a port');
 * using client = createConnection({ host: '127.0.0.1', port: address.port });
 * client.sendAll('hello\n');
 * ```
 */
export function createConnection(endpoint: Endpoint, options: ConnectionOptions = {}): Socket {
  const { sys = nativeSys(), timeoutMs, noDelay } = options;
  if (timeoutMs !== undefined) requireTimeout('a timeout', timeoutMs, TIMEOUT_MS_MAX);
  requireObject('an endpoint', endpoint);
  return connectToFirst(addressesOf(endpoint, false, sys), timeoutMs ?? null, sys, noDelay);
}

/** As {@link createConnection}, to the first of `addresses` that accepts. */
export function connectToFirst(
  addresses: readonly SocketAddress[],
  timeoutMs: number | null,
  sys: Sys,
  noDelay?: boolean,
): Socket {
  const shares = new TimeShares(sys, timeoutMs, addresses.length);
  return firstThatWorks(addresses, (address) => {
    const socket = new Socket(address.family, { sys });
    try {
      socket.setTimeout(shares.next());
      setNoDelay(socket, noDelay);
      connectToPeer(sys, socket, address);
      socket.setTimeout(timeoutMs);
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  });
}

/** Sets TCP_NODELAY unless `noDelay` is false. Called before a peer can have reset the socket. */
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

/** bind(2) and listen(2), under the lock of the path if the file of a dead server is taken over. */
function bindAndListen(
  socket: Socket,
  address: SocketAddress,
  sys: Sys,
  backlog: number | undefined,
): void {
  const bind = (): void => {
    socket.bind(address);
    const file = SocketFile.of(address, sys);
    if (file !== null) files.set(socket, file);
  };
  try {
    bind();
  } catch (error) {
    const taken = error instanceof SysError && error.code === 'EADDRINUSE';
    if (!taken || !hasFile(address)) throw error;
    const takenOver = ifLeftBehind(address, sys, () => {
      sys.unlink(address.path);
      bind();
      socket.listen(backlog);
    });
    if (!takenOver) throw error;
    return;
  }
  socket.listen(backlog);
}

const files = new WeakMap<Socket, SocketFile>();

/** The file of a UNIX socket that {@link createServer} made; null for any other. */
export function socketFileOf(socket: Socket): SocketFile | null {
  return files.get(socket) ?? null;
}

function renamed(error: SysError, attempt: string, on: SocketAddress): SysError {
  const { code, errno, syscall, reason } = error;
  return new SysError(attempt, { code, errno, syscall, reason, on });
}
