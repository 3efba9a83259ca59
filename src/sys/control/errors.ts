import { requireWhole } from '../../base/arguments.ts';
import type { Abi } from '../abi/abi.ts';
import { errnoName } from '../errno.ts';
import {
  decodeSockaddr,
  encodeSockaddr,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../sockaddr.ts';
import { readUnsigned, writeInteger } from '../struct.ts';
import { bytesUnder, type Codec, ipv4Level, ipv6Level } from './codec.ts';
import type { ErrorOrigin, QueuedError } from './message.ts';

// The error queue: a sock_extended_err, and behind it the sockaddr of the offender.

const UINT_MAX = 2 ** 32 - 1;

const ORIGINS = {
  none: 'SO_EE_ORIGIN_NONE',
  local: 'SO_EE_ORIGIN_LOCAL',
  icmp: 'SO_EE_ORIGIN_ICMP',
  icmp6: 'SO_EE_ORIGIN_ICMP6',
  timestamping: 'SO_EE_ORIGIN_TIMESTAMPING',
  zerocopy: 'SO_EE_ORIGIN_ZEROCOPY',
  txtime: 'SO_EE_ORIGIN_TXTIME',
} as const;
const ORIGIN_ENTRIES = Object.entries(ORIGINS) as [
  keyof typeof ORIGINS,
  (typeof ORIGINS)[keyof typeof ORIGINS],
][];

function originOf(abi: Abi, number: number): ErrorOrigin {
  return ORIGIN_ENTRIES.find(([, name]) => abi.constants[name] === number)?.[0] ?? 'other';
}

function originNumber(abi: Abi, origin: ErrorOrigin): number {
  const number = origin === 'other' ? undefined : abi.constants[ORIGINS[origin]];
  if (number !== undefined) return number;
  throw new RangeError(`an origin is one of ${Object.keys(ORIGINS).join(', ')}, not ${origin}`);
}

/** The offender in `data`; null for none, and for one that is cut off. */
function offenderIn(abi: Abi, data: DataView): SocketAddress | null {
  const { AF_INET, AF_INET6 } = abi.constants;
  const { sockaddr, sockaddr_in, sockaddr_in6 } = abi.structs;
  const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
  bytes.set(bytesUnder(data).subarray(0, SOCKADDR_BYTES_MAX));
  const family = readUnsigned(new DataView(bytes.buffer), 0, sockaddr.fields.sa_family);
  const sizes = new Map([
    [AF_INET, sockaddr_in.size],
    [AF_INET6, sockaddr_in6.size],
  ]);
  const size = sizes.get(family);
  return size === undefined || data.byteLength < size ? null : decodeSockaddr(abi, bytes, size);
}

function readError(abi: Abi, data: DataView): QueuedError | null {
  const layout = abi.structs.sock_extended_err;
  if (layout === undefined || data.byteLength < layout.size) return null;
  const { size, fields } = layout;
  const errno = readUnsigned(data, 0, fields.ee_errno);
  const rest = new DataView(data.buffer, data.byteOffset + size, data.byteLength - size);
  return {
    errno,
    code: errnoName(abi, errno),
    origin: originOf(abi, readUnsigned(data, 0, fields.ee_origin)),
    icmpType: readUnsigned(data, 0, fields.ee_type),
    icmpCode: readUnsigned(data, 0, fields.ee_code),
    info: readUnsigned(data, 0, fields.ee_info),
    data: readUnsigned(data, 0, fields.ee_data),
    offender: offenderIn(abi, rest),
  };
}

function writeError(abi: Abi, error: QueuedError, data: DataView): void {
  const layout = abi.structs.sock_extended_err;
  if (layout === undefined) return;
  const { size, fields } = layout;
  requireWhole('an errno', error.errno, 0, UINT_MAX);
  requireWhole('the type of an ICMP message', error.icmpType, 0, 255);
  requireWhole('the code of an ICMP message', error.icmpCode, 0, 255);
  requireWhole('the information of an error', error.info, 0, UINT_MAX);
  requireWhole('the data of an error', error.data, 0, UINT_MAX);
  writeInteger(data, 0, fields.ee_errno, error.errno);
  writeInteger(data, 0, fields.ee_origin, originNumber(abi, error.origin));
  writeInteger(data, 0, fields.ee_type, error.icmpType);
  writeInteger(data, 0, fields.ee_code, error.icmpCode);
  writeInteger(data, 0, fields.ee_info, error.info);
  writeInteger(data, 0, fields.ee_data, error.data);
  if (error.offender === null) return;
  const name = new Uint8Array(SOCKADDR_BYTES_MAX);
  const length = encodeSockaddr(abi, error.offender, name);
  bytesUnder(data).set(name.subarray(0, length), size);
}

/** The kernel leaves room for an offender of the level's family, also where there is none. */
function errorBytes(abi: Abi, offenderBytes: number): number {
  return (abi.structs.sock_extended_err?.size ?? 0) + offenderBytes;
}

export const error: Codec<QueuedError> = {
  level: ipv4Level,
  types: ({ constants }) => [constants.IP_RECVERR],
  dataBytes: (abi) => errorBytes(abi, abi.structs.sockaddr_in.size),
  write: writeError,
  read: readError,
};

export const errorIPv6: Codec<QueuedError> = {
  level: ipv6Level,
  types: ({ constants }) => [constants.IPV6_RECVERR],
  dataBytes: (abi) => errorBytes(abi, abi.structs.sockaddr_in6.size),
  write: writeError,
  read: readError,
};
