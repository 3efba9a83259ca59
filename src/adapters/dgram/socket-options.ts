import { isIPv4, isIPv6 } from 'node:net';
import { readNamed, writeNamed } from '../../socket/options/calls.ts';
import { zoneResolved } from '../../socket/zone.ts';
import type { Sys } from '../../sys/sys.ts';
import { SysError } from '../../sys/sys-error.ts';
import type { SocketType } from './options.ts';

// What libuv does for the methods of a socket that set something. Results are those of Sys: 0 or
// more, or `-errno`.

/** The result of `set`: an argument without a meaning, or an option that is not here, is EINVAL. */
function attempt(sys: Sys, set: () => void): number {
  try {
    set();
    return 0;
  } catch (error) {
    if (error instanceof SysError) return -Math.abs(error.errno);
    if (error instanceof RangeError) return -sys.abi.errno.EINVAL;
    throw error;
  }
}

/** SO_BROADCAST. */
export function setBroadcast(sys: Sys, fd: number, flag: boolean): number {
  return attempt(sys, () => writeNamed(sys, fd, 'SO_BROADCAST', flag));
}

/** IP_TTL or IPV6_UNICAST_HOPS. */
export function setTtl(sys: Sys, fd: number, type: SocketType, ttl: number): number {
  if (ttl < 1 || ttl > 255) return -sys.abi.errno.EINVAL;
  const option = type === 'udp4' ? 'IP_TTL' : 'IPV6_UNICAST_HOPS';
  return attempt(sys, () => writeNamed(sys, fd, option, Math.trunc(ttl)));
}

/** IP_MULTICAST_TTL or IPV6_MULTICAST_HOPS. */
export function setMulticastTtl(sys: Sys, fd: number, type: SocketType, ttl: number): number {
  if (ttl < 0 || ttl > 255) return -sys.abi.errno.EINVAL;
  const option = type === 'udp4' ? 'IP_MULTICAST_TTL' : 'IPV6_MULTICAST_HOPS';
  return attempt(sys, () => writeNamed(sys, fd, option, Math.trunc(ttl)));
}

/** IP_MULTICAST_LOOP or IPV6_MULTICAST_LOOP. */
export function setMulticastLoop(sys: Sys, fd: number, type: SocketType, flag: boolean): number {
  const option = type === 'udp4' ? 'IP_MULTICAST_LOOP' : 'IPV6_MULTICAST_LOOP';
  return attempt(sys, () => writeNamed(sys, fd, option, flag));
}

/** IP_MULTICAST_IF or IPV6_MULTICAST_IF: an address, or one with a zone. */
export function setMulticastInterface(sys: Sys, fd: number, address: string): number {
  if (isIPv4(address)) return attempt(sys, () => writeNamed(sys, fd, 'IP_MULTICAST_IF', address));
  if (!isIPv6(address)) return -sys.abi.errno.EINVAL;
  return attempt(sys, () => writeNamed(sys, fd, 'IPV6_MULTICAST_IF', scopeOf(sys, address)));
}

/** Joins a group, or leaves it. */
export function setMembership(
  sys: Sys,
  fd: number,
  group: string,
  interfaceAddress: string | undefined,
  joins: boolean,
): number {
  if (isIPv4(group)) {
    const option = joins ? 'IP_ADD_MEMBERSHIP' : 'IP_DROP_MEMBERSHIP';
    const value = interfaceAddress === undefined ? { group } : { group, interfaceAddress };
    return attempt(sys, () => writeNamed(sys, fd, option, value));
  }
  const isKnown = interfaceAddress === undefined || isIPv6(interfaceAddress);
  if (!isIPv6(group) || !isKnown) return -sys.abi.errno.EINVAL;
  return attempt(sys, () => {
    const interfaceIndex = scopeOf(sys, interfaceAddress ?? group);
    const [address = ''] = group.split('%');
    const option = joins ? 'IPV6_JOIN_GROUP' : 'IPV6_LEAVE_GROUP';
    writeNamed(sys, fd, option, { group: address, interfaceIndex });
  });
}

/** Joins a group of IPv4 for what one source sends, or leaves that. */
export function setSourceMembership(
  sys: Sys,
  fd: number,
  source: string,
  group: string,
  interfaceAddress: string | undefined,
  joins: boolean,
): number {
  if (!isIPv4(group)) {
    const isIPv6Group = isIPv6(group) && isIPv6(source);
    return isIPv6Group ? -(sys.abi.errno['ENOPROTOOPT'] ?? 0) : -sys.abi.errno.EINVAL;
  }
  const option = joins ? 'IP_ADD_SOURCE_MEMBERSHIP' : 'IP_DROP_SOURCE_MEMBERSHIP';
  const value = { group, source, ...(interfaceAddress === undefined ? {} : { interfaceAddress }) };
  return attempt(sys, () => writeNamed(sys, fd, option, value));
}

/** The index of the interface that an address names by its zone, 0 without one. */
function scopeOf(sys: Sys, address: string): number {
  const resolved = zoneResolved({ family: 'IPv6', address, port: 0 }, sys);
  return resolved.family === 'IPv6' ? (resolved.scopeId ?? 0) : 0;
}

/** SO_RCVBUF or SO_SNDBUF: sets it, or reads it if `bytes` is 0. */
export function bufferSize(
  sys: Sys,
  fd: number,
  option: 'SO_RCVBUF' | 'SO_SNDBUF',
  bytes: number,
): number {
  let value = 0;
  const result = attempt(sys, () => {
    if (bytes === 0) value = readNamed(sys, fd, option);
    else writeNamed(sys, fd, option, bytes);
  });
  return result < 0 ? result : value;
}
