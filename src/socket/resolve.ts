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

/** What {@link resolve} may be told. */
export interface ResolveOptions {
  /** Only addresses of this family; both if left out. */
  readonly family?: Exclude<AddressFamily, 'UNIX'>;
  /** Addresses to bind to, where no host stands for all interfaces; off if left out. */
  readonly passive?: boolean;
  /** The system calls to use; those of this machine if left out. */
  readonly sys?: Sys;
}

/**
 * getaddrinfo(3): the addresses of a host, in the order in which to try them (RFC 6724).
 *
 * `host` is a name or a numeric address, with a zone or without (`fe80::1%eth0`); null is the
 * loopback address, or all interfaces where `passive`. `port` is a number from 0 to 65535. Blocks
 * for as long as the system's resolver takes (resolv.conf(5): 5 s a server and try by default).
 * Throws a {@link ResolveError}.
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
  // glibc takes a service name as text only; the number spares it the look-up in /etc/services.
  const flags = constants.AI_NUMERICSERV | (options.passive === true ? constants.AI_PASSIVE : 0);
  const hints = {
    flags,
    family: options.family === undefined ? 0 : familyNumber(sys.abi, options.family),
    socktype: constants.SOCK_STREAM,
    protocol: 0,
  };
  const results = { addresses: [], canonicalName: null, errno: 0 };
  // The C library reads a name up to its first NUL byte, and would look up another host.
  const asked = host?.includes('\0') === true ? '' : host;
  const code = sys.getaddrinfo(asked, String(port), hints, results);
  if (code !== 0) throw new ResolveError(sys, code, results.errno, host ?? '');
  return results.addresses.map((bytes: Uint8Array) => decodeSockaddr(sys.abi, bytes, bytes.length));
}

/**
 * getnameinfo(3): the name of the host at `address`, or null where none is found. Blocks as
 * {@link resolve} does.
 */
export function hostName(address: SocketAddress, sys: Sys = nativeSys()): string | null {
  if (address.family === 'UNIX') return null;
  const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
  const length = encodeSockaddr(sys.abi, address, bytes);
  const results = { host: '', errno: 0 };
  const code = sys.getnameinfo(bytes, length, sys.abi.constants.NI_NAMEREQD, results);
  return code === 0 ? results.host : null;
}
