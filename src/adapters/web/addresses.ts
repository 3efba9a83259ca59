import { shown } from '../../base/arguments.ts';
import type { Endpoint } from '../../socket/create.ts';
import { formatAddress, type SocketAddress as NumericAddress } from '../../sys/sockaddr.ts';
import { SocketError } from './socket-error.ts';

/** A host and a port. */
export interface SocketAddress {
  /** A name, or an address, which may be in brackets. */
  readonly hostname: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** The path of a UNIX socket; a NUL byte in front makes it an abstract one, on Linux. */
export interface UnixSocketAddress {
  /** The path. */
  readonly path: string;
}

/** Where to connect to: `"example.com:80"`, `"[::1]:80"`, or an object. */
export type AnySocketAddress = string | SocketAddress | UnixSocketAddress;

/** Where to listen: without a hostname on all interfaces. */
export type ListenAddress = AnySocketAddress | { readonly port: number };

const PORT_MAX = 65535;

/**
 * The endpoint that `address` names.
 *
 * @throws SocketError if it names none.
 */
export function endpointOf(address: AnySocketAddress): Endpoint {
  const endpoint = listenEndpointOf(address);
  if ('host' in endpoint && endpoint.host === null) throw wrong(address, 'it has no hostname');
  return endpoint;
}

/** As {@link endpointOf}; without a hostname the host is null. */
export function listenEndpointOf(address: ListenAddress): Endpoint {
  if (typeof address === 'string') return parsed(address);
  if (typeof address !== 'object' || address === null) {
    throw wrong(address, 'it is neither a string nor an object');
  }
  if ('path' in address) {
    if (typeof address.path === 'string') return { path: address.path };
    throw wrong(address.path, 'a path is a string');
  }
  const { port } = address;
  const { hostname } = address as Partial<SocketAddress>;
  if (!Number.isInteger(port) || port < 0 || port > PORT_MAX) {
    throw wrong(port, `a port is a number from 0 to ${PORT_MAX}`);
  }
  if (hostname === undefined) return { host: null, port };
  if (typeof hostname !== 'string' || hostname === '') {
    throw wrong(hostname, 'a hostname is a name or an address');
  }
  return { host: hostname.replace(/^\[([^\]]+)\]$/, '$1'), port };
}

function parsed(address: string): Endpoint {
  const match = /^(?:\[([^[\]]+)\]|([^[\]:/?#@\s]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) {
    throw wrong(address, 'it is not a hostname and a port, as in example.com:80 or [::1]:80');
  }
  return { host: match[1] ?? match[2] ?? null, port };
}

function wrong(value: unknown, reason: string): SocketError {
  return new SocketError(`${shown(value)} is no address: ${reason}`);
}

/** `127.0.0.1:80`, `[::1]:80` or a path; null if there is none. */
export function addressText(address: NumericAddress | null): string | null {
  if (address === null || (address.family === 'UNIX' && address.path === '')) return null;
  return formatAddress(address);
}
