import type { SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';

/**
 * `address` with the zone of its text (`fe80::1%eth0`, `fe80::1%2`) as its `scopeId`: RFC 4007,
 * section 11. Throws a RangeError for an unknown interface.
 */
export function zoneResolved(address: SocketAddress, sys: Sys): SocketAddress {
  if (address.family !== 'IPv6' || typeof address.address !== 'string') return address;
  const at = address.address.indexOf('%');
  if (at < 0) return address;
  const zone = address.address.slice(at + 1);
  const scopeId = /^\d+$/.test(zone) ? Number(zone) : sys.if_nametoindex(zone);
  if (scopeId > 0) return { ...address, address: address.address.slice(0, at), scopeId };
  throw new RangeError(`"${address.address}" names an interface that is not here: "${zone}"`);
}
