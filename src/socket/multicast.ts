import { requireText, requireWhole, shown } from '../base/arguments.ts';
import { parseIPv4, parseIPv6 } from '../base/ip-address.ts';
import { encodeSockaddr, type SocketAddress } from '../sys/sockaddr.ts';
import { writeInteger } from '../sys/struct.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { optionNumbers } from './options/table.ts';
import { encodeOptionValue, OPTION_SIZE_BYTES_MAX } from './options/values.ts';

// Groups of multicast: RFC 3678 for interfaces by index, and the options of ip(7) for those that a
// program knows by an address.

/** Of what and by what interface a group is joined or left. */
export interface GroupOptions {
  /**
   * The interface: its name (`eth0`), its index, or of an IPv4 group one of its own addresses. By
   * default the one that the routing table chooses.
   */
  readonly interface?: string | number;
  /** The only sender that counts: source-specific multicast (RFC 4607). By default any. */
  readonly source?: string;
}

type Change = 'join' | 'leave';

const bytes = new Uint8Array(OPTION_SIZE_BYTES_MAX);
const ANY_IPV4 = '0.0.0.0';

/**
 * Joins or leaves a group on the socket `fd`.
 *
 * @throws SysError `ENODEV`, `EADDRINUSE`, `EADDRNOTAVAIL`, ...
 * @throws RangeError for an address that is no group, a source of another family, an unknown
 *   interface; TypeError for a wrong type.
 */
export function changeGroup(
  sys: Sys,
  fd: number,
  change: Change,
  group: string,
  options: GroupOptions,
): void {
  const { source } = options;
  const to = groupAddress(group);
  const from = source === undefined ? undefined : sourceAddress(source, to.family);
  const on = options.interface;
  const result =
    typeof on === 'string' && isIPv4(on)
      ? byAddress(sys, fd, change, { group, source, interfaceAddress: interfaceIn(to, on) })
      : byIndex(sys, fd, change, { to, from, index: interfaceIndex(sys, on) });
  if (result >= 0) return;
  const what = source === undefined ? group : `${group} for ${source}`;
  throw sysError(
    sys,
    result,
    'setsockopt',
    `${change} ${what}${on === undefined ? '' : ` on ${on}`}`,
  );
}

/** Sets the interface that multicasts leave by. Throws as {@link changeGroup}. */
export function writeMulticastInterface(
  sys: Sys,
  fd: number,
  family: 'IPv4' | 'IPv6',
  on: string | number,
): void {
  const name = family === 'IPv4' ? 'IP_MULTICAST_IF' : 'IPV6_MULTICAST_IF';
  const { level, name: option } = optionNumbers(sys.abi, name);
  let length: number;
  if (family === 'IPv6') {
    length = encodeOptionValue(sys.abi, 'IPV6_MULTICAST_IF', interfaceIndex(sys, on), bytes);
  } else {
    // An ip_mreqn names an interface by its index as well, on each platform.
    const isAddress = typeof on === 'string' && isIPv4(on);
    const place = isAddress
      ? { interfaceAddress: on }
      : { interfaceIndex: interfaceIndex(sys, on) };
    const value = { group: ANY_IPV4, ...place };
    length = encodeOptionValue(sys.abi, 'IP_ADD_MEMBERSHIP', value, bytes);
  }
  const result = sys.setsockopt(fd, level, option, bytes, length);
  if (result < 0) throw sysError(sys, result, 'setsockopt', `send multicasts by ${on}`);
}

/** The index of an interface by its name or index; 0 for any. */
function interfaceIndex(sys: Sys, on: string | number | undefined): number {
  if (on === undefined) return 0;
  if (typeof on === 'number') {
    requireWhole('the index of an interface', on, 0, 2 ** 31 - 1);
    return on;
  }
  requireText('an interface', on);
  const index = sys.if_nametoindex(on);
  if (index > 0) return index;
  throw new RangeError(`an interface is its name, index or address here, not ${shown(on)}`);
}

function byIndex(
  sys: Sys,
  fd: number,
  change: Change,
  {
    to,
    from,
    index,
  }: {
    readonly to: SocketAddress;
    readonly from?: SocketAddress | undefined;
    readonly index: number;
  },
): number {
  const { constants, structs } = sys.abi;
  const { MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP } = constants;
  const { MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP } = constants;
  const level = to.family === 'IPv4' ? constants.IPPROTO_IP : constants.IPPROTO_IPV6;
  const view = new DataView(bytes.buffer);
  bytes.fill(0);
  if (from === undefined) {
    const { size, fields } = structs.group_req;
    writeInteger(view, 0, fields.gr_interface, index);
    encodeSockaddr(sys.abi, to, bytes.subarray(fields.gr_group.offset));
    const name = change === 'join' ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP;
    return sys.setsockopt(fd, level, name, bytes, size);
  }
  const { size, fields } = structs.group_source_req;
  writeInteger(view, 0, fields.gsr_interface, index);
  encodeSockaddr(sys.abi, to, bytes.subarray(fields.gsr_group.offset));
  encodeSockaddr(sys.abi, from, bytes.subarray(fields.gsr_source.offset));
  const name = change === 'join' ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP;
  return sys.setsockopt(fd, level, name, bytes, size);
}

function byAddress(
  sys: Sys,
  fd: number,
  change: Change,
  value: {
    readonly group: string;
    readonly source: string | undefined;
    readonly interfaceAddress: string;
  },
): number {
  const { source, ...group } = value;
  if (source === undefined) {
    const name = change === 'join' ? 'IP_ADD_MEMBERSHIP' : 'IP_DROP_MEMBERSHIP';
    const { level, name: option } = optionNumbers(sys.abi, name);
    const length = encodeOptionValue(sys.abi, name, group, bytes);
    return sys.setsockopt(fd, level, option, bytes, length);
  }
  const name = change === 'join' ? 'IP_ADD_SOURCE_MEMBERSHIP' : 'IP_DROP_SOURCE_MEMBERSHIP';
  const { level, name: option } = optionNumbers(sys.abi, name);
  const length = encodeOptionValue(sys.abi, name, { ...group, source }, bytes);
  return sys.setsockopt(fd, level, option, bytes, length);
}

function groupAddress(group: string): SocketAddress & { readonly family: 'IPv4' | 'IPv6' } {
  requireText('a group', group);
  const family = familyOf(group);
  const isGroup =
    (family === 'IPv4' && (parsed[0] ?? 0) >> 4 === 14) || (family === 'IPv6' && parsed[0] === 255);
  if (family === null || !isGroup) {
    throw new RangeError(`a group is an address of multicast such as 239.1.2.3, not "${group}"`);
  }
  return { family, address: group, port: 0 };
}

function sourceAddress(source: string, family: 'IPv4' | 'IPv6'): SocketAddress {
  requireText('a source', source);
  if (familyOf(source) === family) return { family, address: source, port: 0 };
  throw new RangeError(`a source is an ${family} address as its group is, not "${source}"`);
}

function interfaceIn({ family }: SocketAddress, address: string): string {
  if (family === 'IPv4') return address;
  throw new RangeError(`the interface of an IPv6 group is a name or an index, not "${address}"`);
}

const parsed = new Uint8Array(16);

/** The family of an address, whose bytes are left in `parsed`. */
function familyOf(text: string): 'IPv4' | 'IPv6' | null {
  if (parseIPv4(text, parsed, 0)) return 'IPv4';
  return parseIPv6(text, parsed, 0) ? 'IPv6' : null;
}

function isIPv4(text: string): boolean {
  return familyOf(text) === 'IPv4';
}
