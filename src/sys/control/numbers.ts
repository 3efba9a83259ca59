import { requireWhole } from '../../base/arguments.ts';
import type { Abi } from '../abi/abi.ts';
import { type Codec, ipv4Level, ipv6Level, socketLevel, udpLevel } from './codec.ts';
import type { ControlFields, Segmentation, TrafficClass } from './message.ts';

// Kinds whose data is one number.

const INT_BYTES = 4;
const ECN_BITS = 2;
const ECN_MAX = 3;
const DSCP_MAX = 63;
const HOPS_MAX = 255;

/** An int, or one byte: the BSDs send IP_TTL and IP_TOS so. */
function readNumber(data: DataView): number | null {
  if (data.byteLength >= INT_BYTES) return data.getInt32(0, true);
  return data.byteLength === 1 ? data.getUint8(0) : null;
}

type Hops = ControlFields['IP_TTL'];

function hopsCodec(level: (abi: Abi) => number, types: Codec<Hops>['types']): Codec<Hops> {
  return {
    level,
    types,
    dataBytes: () => INT_BYTES,
    write: (_, { hops }, data) => {
      requireWhole('a number of hops', hops, 0, HOPS_MAX);
      data.setInt32(0, hops, true);
    },
    read: (_, data) => {
      const hops = readNumber(data);
      return hops === null ? null : { hops };
    },
  };
}

/** On Linux it comes as IP_TTL, on the BSDs as the option that asks for it. */
export const ttl = hopsCodec(ipv4Level, ({ constants }) => [
  constants.IP_TTL,
  constants.IP_RECVTTL,
]);

export const hopLimit = hopsCodec(ipv6Level, ({ constants }) => [constants.IPV6_HOPLIMIT]);

function classOf({ dscp, ecn }: TrafficClass): number {
  requireWhole('a code point (DSCP)', dscp, 0, DSCP_MAX);
  requireWhole('an ECN', ecn, 0, ECN_MAX);
  return (dscp << ECN_BITS) | ecn;
}

function readClass(data: DataView): TrafficClass | null {
  const value = readNumber(data);
  if (value === null) return null;
  return { dscp: (value >> ECN_BITS) & DSCP_MAX, ecn: value & ECN_MAX };
}

/** As {@link ttl}. */
export const tos: Codec<TrafficClass> = {
  level: ipv4Level,
  types: ({ constants }) => [constants.IP_TOS, constants.IP_RECVTOS],
  dataBytes: ({ behaviours }) => behaviours.controlTosBytes,
  write: ({ behaviours }, fields, data) => {
    if (behaviours.controlTosBytes === 1) data.setUint8(0, classOf(fields));
    else data.setInt32(0, classOf(fields), true);
  },
  read: (_, data) => readClass(data),
};

export const trafficClass: Codec<TrafficClass> = {
  level: ipv6Level,
  types: ({ constants }) => [constants.IPV6_TCLASS],
  dataBytes: () => INT_BYTES,
  write: (_, fields, data) => data.setInt32(0, classOf(fields), true),
  read: (_, data) => readClass(data),
};

const SEGMENT_BYTES = 2;
const SEGMENT_SIZE_MAX = 65_535;

function requireSegment(segmentSize: number): void {
  requireWhole('the length of a segment', segmentSize, 1, SEGMENT_SIZE_MAX);
}

/** A `uint16_t`. */
export const segment: Codec<Segmentation> = {
  level: udpLevel,
  types: ({ constants }) => [constants.UDP_SEGMENT],
  dataBytes: () => SEGMENT_BYTES,
  write: (_, { segmentSize }, data) => {
    requireSegment(segmentSize);
    data.setUint16(0, segmentSize, true);
  },
  read: (_, data) =>
    data.byteLength < SEGMENT_BYTES ? null : { segmentSize: data.getUint16(0, true) },
};

/** An int. */
export const gro: Codec<Segmentation> = {
  level: udpLevel,
  types: ({ constants }) => [constants.UDP_GRO],
  dataBytes: () => INT_BYTES,
  write: (_, { segmentSize }, data) => {
    requireSegment(segmentSize);
    data.setInt32(0, segmentSize, true);
  },
  read: (_, data) => (data.byteLength < INT_BYTES ? null : { segmentSize: data.getInt32(0, true) }),
};

/** A `uint32_t`, which wraps. */
export const overflow: Codec<ControlFields['SO_RXQ_OVFL']> = {
  level: socketLevel,
  types: ({ constants }) => [constants.SO_RXQ_OVFL],
  dataBytes: () => INT_BYTES,
  write: (_, { dropped }, data) => {
    requireWhole('a number of datagrams', dropped, 0, 2 ** 32 - 1);
    data.setUint32(0, dropped, true);
  },
  read: (_, data) => (data.byteLength < INT_BYTES ? null : { dropped: data.getUint32(0, true) }),
};
