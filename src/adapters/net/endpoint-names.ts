import type { AddressInfo } from 'node:net';
import type { SocketAddress } from '../../sys/sockaddr.ts';

/** An address as `address()` of node:net gives it; empty for a UNIX socket. */
export function addressInfo(address: SocketAddress | null): AddressInfo | Record<string, never> {
  if (address === null || address.family === 'UNIX') return {};
  const { family, port } = address;
  return { address: zoned(address), family, port };
}

function zoned(address: Exclude<SocketAddress, { family: 'UNIX' }>): string {
  const scope = address.family === 'IPv6' ? (address.scopeId ?? 0) : 0;
  return scope === 0 ? address.address : `${address.address}%${scope}`;
}
