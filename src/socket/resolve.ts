import { requireHost, requirePort } from '../base/arguments.ts';
import { nativeSys } from '../sys/native.ts';
import {
  type AddressFamily,
  decodeSockaddr,
  encodeSockaddr,
  familyNumber,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { ResolveError } from '../sys/sys-error.ts';

/** How {@link resolve} looks up a host. */
export interface ResolveOptions {
  /** Only addresses of this family; both by default. */
  readonly family?: Exclude<AddressFamily, 'UNIX'>;
  /** Addresses to bind to: no host means all interfaces. False by default. */
  readonly passive?: boolean;
  /** The system calls to use; those of this machine by default. */
  readonly sys?: Sys;
}

/**
 * getaddrinfo(3): the addresses of a host, in the order in which to try them (RFC 6724). Blocks for
 * as long as the system's resolver takes (resolv.conf(5): 5 s per server and try by default).
 *
 * @param host a name, or a numeric address, which may have a zone (`fe80::1%eth0`); null for the
 *   loopback address, or with `passive` for all interfaces.
 * @param port 0 to 65535.
 * @param options the family, `passive`, the system calls to use.
 * @returns the addresses, at least one, each with the port.
 * @throws ResolveError for a name without an address, or if the resolver failed.
 * @throws TypeError, RangeError for a host or a port of another kind.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { resolve } from 'sockloop/socket';
 *
 * assert.deepEqual(resolve('127.0.0.1', 7007), [
 *   { family: 'IPv4', address: '127.0.0.1', port: 7007 },
 * ]);
 * ```
 */
export function resolve(
  host: string | null,
  port: number,
  options: ResolveOptions = {},
): SocketAddress[] {
  requireHost(host);
  requirePort(port);
  const sys = options.sys ?? nativeSys();
  const { constants } = sys.abi;
  // The port is text; AI_NUMERICSERV spares the look-up in /etc/services.
  const flags = constants.AI_NUMERICSERV | (options.passive === true ? constants.AI_PASSIVE : 0);
  const hints = {
    flags,
    family: options.family === undefined ? 0 : familyNumber(sys.abi, options.family),
    socktype: constants.SOCK_STREAM,
    protocol: 0,
  };
  const results = { addresses: [], canonicalName: null, errno: 0 };
  // C would read the name up to its first NUL byte: another host.
  const asked = host?.includes('\0') === true ? '' : host;
  const code = sys.getaddrinfo(asked, String(port), hints, results);
  if (code !== 0) throw new ResolveError(sys, code, results.errno, host ?? '');
  return results.addresses.map((bytes: Uint8Array) => decodeSockaddr(sys.abi, bytes, bytes.length));
}

/**
 * getnameinfo(3): the name of a host. Blocks as {@link resolve} does.
 *
 * @param address the address of the host; its port is ignored.
 * @param sys the system calls to use; those of this machine by default.
 * @returns the name, null if there is none or `address` is that of a UNIX socket.
 * @throws RangeError for an address that is not numeric.
 */
export function hostName(address: SocketAddress, sys: Sys = nativeSys()): string | null {
  if (address.family === 'UNIX') return null;
  const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
  const length = encodeSockaddr(sys.abi, address, bytes);
  const results = { host: '', errno: 0 };
  const code = sys.getnameinfo(bytes, length, sys.abi.constants.NI_NAMEREQD, results);
  return code === 0 ? results.host : null;
}
