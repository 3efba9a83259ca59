import { requireText, requireWhole } from '../../base/arguments.ts';
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../../base/ip-address.ts';
import type { Field } from '../abi/abi.ts';
import { readUnsigned, writeInteger } from '../struct.ts';
import { bytesUnder, type Codec, ipv4Level, ipv6Level } from './codec.ts';
import type { ControlFields } from './message.ts';

// Addresses and interfaces that a datagram came to, or is sent from.

const IPV4_BYTES = 4;
const INDEX_MAX = 2 ** 31 - 1;

function writeIPv4(data: DataView, at: number, address: string): void {
  requireText('an address', address);
  if (!parseIPv4(address, bytesUnder(data), at)) {
    throw new RangeError(`"${address}" is not an IPv4 address`);
  }
}

function writeIndex(data: DataView, field: Field, index: number): void {
  requireWhole('the index of an interface', index, 0, INDEX_MAX);
  writeInteger(data, 0, field, index);
}

/** An `in_pktinfo`. */
export const packetInfo: Codec<ControlFields['IP_PKTINFO']> = {
  level: ipv4Level,
  types: ({ constants, structs }) =>
    structs.in_pktinfo === undefined ? [] : [constants.IP_PKTINFO],
  dataBytes: ({ structs }) => structs.in_pktinfo?.size ?? 0,
  write: ({ structs }, { interfaceIndex, localAddress, destination = '0.0.0.0' }, data) => {
    if (structs.in_pktinfo === undefined) return;
    const { ipi_ifindex, ipi_spec_dst, ipi_addr } = structs.in_pktinfo.fields;
    writeIndex(data, ipi_ifindex, interfaceIndex);
    writeIPv4(data, ipi_spec_dst.offset, localAddress);
    writeIPv4(data, ipi_addr.offset, destination);
  },
  read: ({ structs }, data) => {
    const { in_pktinfo } = structs;
    if (in_pktinfo === undefined || data.byteLength < in_pktinfo.size) return null;
    const { ipi_ifindex, ipi_spec_dst, ipi_addr } = in_pktinfo.fields;
    return {
      interfaceIndex: readUnsigned(data, 0, ipi_ifindex),
      localAddress: formatIPv4(bytesUnder(data), ipi_spec_dst.offset),
      destination: formatIPv4(bytesUnder(data), ipi_addr.offset),
    };
  },
};

/** An `in6_pktinfo`. */
export const packetInfoIPv6: Codec<ControlFields['IPV6_PKTINFO']> = {
  level: ipv6Level,
  types: ({ constants }) => [constants.IPV6_PKTINFO],
  dataBytes: ({ structs }) => structs.in6_pktinfo.size,
  write: ({ structs }, { interfaceIndex, address }, data) => {
    const { ipi6_addr, ipi6_ifindex } = structs.in6_pktinfo.fields;
    requireText('an address', address);
    if (!parseIPv6(address, bytesUnder(data), ipi6_addr.offset)) {
      throw new RangeError(`"${address}" is not an IPv6 address`);
    }
    writeIndex(data, ipi6_ifindex, interfaceIndex);
  },
  read: ({ structs }, data) => {
    const { size, fields } = structs.in6_pktinfo;
    if (data.byteLength < size) return null;
    return {
      interfaceIndex: readUnsigned(data, 0, fields.ipi6_ifindex),
      address: formatIPv6(bytesUnder(data), fields.ipi6_addr.offset),
    };
  },
};

/** An `in_addr`. */
function addressCodec(
  type: 'IP_RECVDSTADDR' | 'IP_SENDSRCADDR',
): Codec<ControlFields['IP_RECVDSTADDR']> {
  return {
    level: ipv4Level,
    types: ({ constants }) => [constants[type]],
    dataBytes: () => IPV4_BYTES,
    write: (_, { address }, data) => writeIPv4(data, 0, address),
    read: (_, data) =>
      data.byteLength < IPV4_BYTES ? null : { address: formatIPv4(bytesUnder(data), 0) },
  };
}

export const destination = addressCodec('IP_RECVDSTADDR');
export const source = addressCodec('IP_SENDSRCADDR');
