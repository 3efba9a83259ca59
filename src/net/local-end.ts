import { isIP } from 'node:net';
import { requireText } from '../base/arguments.ts';
import { writeNamed } from '../socket/options/calls.ts';
import { zoneResolved } from '../socket/zone.ts';
import { encodeSockaddr, SOCKADDR_BYTES_MAX, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError, sysError } from '../sys/sys-error.ts';

// The local end of a connection, where the program chooses it: bind(2) before connect(2).

/** Where to connect from. A null address leaves the choice to the kernel. */
export interface LocalEnd {
  readonly address: string | null;
  readonly port: number;
}

const name = new Uint8Array(SOCKADDR_BYTES_MAX);

/**
 * The local end given in `options`, or null.
 *
 * @throws RangeError for an invalid address or port, or with a UNIX path.
 */
export function localEnd(
  sys: Sys,
  options: { readonly localAddress?: string; readonly localPort?: number },
): LocalEnd | null {
  const { localAddress = null, localPort = 0 } = options;
  if (localAddress === null && localPort === 0) return null;
  if ('path' in options) {
    throw new RangeError('localAddress and localPort are for hosts: a UNIX path has neither');
  }
  if (localAddress !== null) requireText('localAddress', localAddress);
  const family = localAddress === null || isIP(localAddress) === 4 ? 'IPv4' : 'IPv6';
  const local = { family, address: localAddress ?? '0.0.0.0', port: localPort } as const;
  encodeSockaddr(sys.abi, zoneResolved(local, sys), name);
  return { address: localAddress, port: localPort };
}

/** Binds the new socket `fd` before it connects to `target`. Returns the error, or null. */
export function bindLocal(
  sys: Sys,
  fd: number,
  { address, port }: LocalEnd,
  target: SocketAddress,
): Error | null {
  if (target.family === 'UNIX') return null;
  const { family } = target;
  const own = address ?? (family === 'IPv4' ? '0.0.0.0' : '::');
  if ((isIP(own) === 4) !== (family === 'IPv4')) {
    return new RangeError(`cannot connect from ${own} to ${target.address}: another family`);
  }
  try {
    // A given port may be in TIME_WAIT. Without one, bind(2) picks a port that no other connection
    // of that address has, where connect(2) only needs a unique four-tuple.
    if (port !== 0) writeNamed(sys, fd, 'SO_REUSEADDR', true);
    else if (Object.hasOwn(sys.abi.options, 'IP_BIND_ADDRESS_NO_PORT') && family === 'IPv4') {
      writeNamed(sys, fd, 'IP_BIND_ADDRESS_NO_PORT', true);
    }
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    return error;
  }
  const local = zoneResolved({ family, address: own, port }, sys);
  const result = sys.bind(fd, name, encodeSockaddr(sys.abi, local, name));
  return result < 0 ? sysError(sys, result, 'bind', 'connect from', local) : null;
}
