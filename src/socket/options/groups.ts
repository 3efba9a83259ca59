import { formatIPv4, parseIPv4, parseIPv6 } from '../../base/ip-address.ts';
import type { Abi, Field } from '../../sys/abi/abi.ts';
import { writeInteger } from '../../sys/struct.ts';
import { integer, outOfRange, wrongType } from './checks.ts';
import type { Group, IPv6Group, SourceGroup } from './spec.ts';

// Multicast groups as the options of ip(7) and ipv6(7) take them.

const UINT_MAX = 2 ** 32 - 1;

const inAddr: Field = { offset: 0, size: 4 };

/** An `in_addr`. */
export function encodeIPv4Address(name: string, value: unknown, view: DataView): number {
  writeIPv4(name, value, view, inAddr);
  return 4;
}

/** The address in an `in_addr`. */
export function decodeIPv4Address(view: DataView): string {
  return formatIPv4(bytesOf(view), 0);
}

/** An `ip_mreqn`. */
export function encodeGroup(abi: Abi, name: string, value: unknown, view: DataView): number {
  const { size, fields } = abi.structs.ip_mreqn;
  const { group, interfaceAddress, interfaceIndex = 0 } = parts<Group>(name, value);
  writeIPv4(name, group, view, fields.imr_multiaddr);
  writeIPv4(name, interfaceAddress ?? '0.0.0.0', view, fields.imr_address);
  writeIndex(name, interfaceIndex, view, fields.imr_ifindex);
  return size;
}

/** An `ip_mreq_source`, whose fields have another order on the BSDs. */
export function encodeSourceGroup(abi: Abi, name: string, value: unknown, view: DataView): number {
  const { size, fields } = abi.structs.ip_mreq_source;
  const { group, source, interfaceAddress } = parts<SourceGroup>(name, value);
  writeIPv4(name, group, view, fields.imr_multiaddr);
  writeIPv4(name, source, view, fields.imr_sourceaddr);
  writeIPv4(name, interfaceAddress ?? '0.0.0.0', view, fields.imr_interface);
  return size;
}

/** An `ipv6_mreq`. */
export function encodeIPv6Group(abi: Abi, name: string, value: unknown, view: DataView): number {
  const { size, fields } = abi.structs.ipv6_mreq;
  const { group, interfaceIndex = 0 } = parts<IPv6Group>(name, value);
  if (typeof group !== 'string') throw wrongType(name, 'an IPv6 address', group);
  if (!parseIPv6(group, bytesOf(view), fields.ipv6mr_multiaddr.offset)) {
    throw outOfRange(name, 'an IPv6 address', group);
  }
  writeIndex(name, interfaceIndex, view, fields.ipv6mr_interface);
  return size;
}

/** The value as an object whose parts are still to be checked. */
function parts<Value>(name: string, value: unknown): Partial<Record<keyof Value, unknown>> {
  if (typeof value === 'object' && value !== null) return value;
  throw wrongType(name, 'an object with a group', value);
}

function writeIPv4(name: string, value: unknown, view: DataView, field: Field): void {
  if (typeof value !== 'string') throw wrongType(name, 'an IPv4 address', value);
  if (!parseIPv4(value, bytesOf(view), field.offset)) {
    throw outOfRange(name, 'an IPv4 address', value);
  }
}

function writeIndex(name: string, value: unknown, view: DataView, field: Field): void {
  const takes = `the index of an interface from 0 to ${UINT_MAX}`;
  writeInteger(view, 0, field, integer(name, value, 0, UINT_MAX, takes));
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
