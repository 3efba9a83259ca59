import type { Abi, Field, StructLayout } from '../../sys/abi/abi.ts';
import {
  readBigUnsigned,
  readSigned,
  readUnsigned,
  writeBigUnsigned,
  writeInteger,
} from '../../sys/struct.ts';
import { integer, outOfRange, wrongType } from './checks.ts';
import {
  decodeIPv4Address,
  encodeGroup,
  encodeIPv4Address,
  encodeIPv6Group,
  encodeSourceGroup,
} from './groups.ts';
import type { Credentials, OptionSpec, OptionValues, PortRange, TcpInfo } from './spec.ts';
import {
  type GettableOptionName,
  type OptionValue,
  optionNumbers,
  optionSpec,
  type SettableOptionName,
  type SocketOptionName,
} from './table.ts';

const INT_MAX = 2 ** 31 - 1;
const UINT_MAX = 2 ** 32 - 1;
const UINT64_MAX = 2n ** 64n - 1n;
/** The kernel of macOS keeps the ticks of SO_LINGER in a short. */
const LINGER_TICKS_MAX = 2 ** 15 - 1;
/** IFNAMSIZ, TCP_CA_NAME_MAX and TCP_ULP_NAME_MAX are 16 with the NUL byte. */
const STRING_SIZE_BYTES = 16;
const MICROSECONDS_PER_SECOND = 1_000_000;

const u16: Field = { offset: 0, size: 2 };
const u32: Field = { offset: 0, size: 4 };
const u64: Field = { offset: 0, size: 8 };
const highPort: Field = { offset: 2, size: 2 };

/** A buffer of this many bytes holds the value of every option on every platform. */
export const OPTION_SIZE_BYTES_MAX = 512;

/**
 * The size of an option's value for getsockopt(2). Some options (SO_NETNS_COOKIE) refuse any other.
 *
 * @throws RangeError if the platform lacks the option, TypeError if it cannot be read.
 */
export function optionSizeBytes(abi: Abi, name: GettableOptionName): number {
  return sizeBytes(abi, name, accessible(abi, name, 'get'));
}

/**
 * Writes the value of an option as setsockopt(2) takes it into `into`. Returns its length in bytes.
 *
 * @throws RangeError if the platform lacks the option, the value is out of its range, or `into` is
 * too small; TypeError if the value is of the wrong type or the option cannot be set.
 */
export function encodeOptionValue<Name extends SettableOptionName>(
  abi: Abi,
  name: Name,
  value: OptionValue<Name>,
  into: Uint8Array,
): number {
  const spec = accessible(abi, name, 'set');
  const size = sizeBytes(abi, name, spec);
  if (into.byteLength < size) {
    throw new RangeError(`${name} takes ${size} bytes, and the buffer holds ${into.byteLength}`);
  }
  into.fill(0, 0, size);
  const view = new DataView(into.buffer, into.byteOffset, size);
  return encode(abi, name, spec, value, view);
}

/**
 * The value of an option, from the first `length` bytes of `from`, as getsockopt(2) wrote them.
 *
 * @throws RangeError if the platform lacks the option or the bytes are too few; TypeError if the
 * option cannot be read.
 */
export function decodeOptionValue<Name extends GettableOptionName>(
  abi: Abi,
  name: Name,
  from: Uint8Array,
  length: number,
): OptionValue<Name> {
  const spec = accessible(abi, name, 'get');
  const view = new DataView(from.buffer, from.byteOffset, Math.min(length, from.byteLength));
  return decode(abi, name, spec, view) as OptionValue<Name>;
}

/** The entry of an option that the platform has and that can be read, or set. */
function accessible(abi: Abi, name: SocketOptionName, access: 'get' | 'set'): OptionSpec {
  const spec = optionSpec(name);
  optionNumbers(abi, name);
  if (spec.access === 'get' && access === 'set') {
    throw new TypeError(`${name} can be read but not set`);
  }
  if (spec.access === 'set' && access === 'get') {
    throw new TypeError(`${name} can be set but not read`);
  }
  return spec;
}

function sizeBytes(abi: Abi, name: string, spec: OptionSpec): number {
  switch (spec.kind) {
    case 'boolean':
    case 'integer':
    case 'unsigned':
    case 'error':
    case 'portRange':
    case 'ipv4Address':
      return 4;
    case 'u64':
      return 8;
    case 'rate':
      return abi.behaviours.pacingRateBytes;
    case 'linger':
      return abi.structs.linger.size;
    case 'timeval':
      return abi.structs.timeval.size;
    case 'string':
      return STRING_SIZE_BYTES;
    case 'credentials':
      return (abi.structs.ucred ?? present(name, abi.structs.xucred)).size;
    case 'tcpInfo':
      return tcpInfoLayout(abi, name).size;
    case 'group':
      return abi.structs.ip_mreqn.size;
    case 'sourceGroup':
      return abi.structs.ip_mreq_source.size;
    case 'ipv6Group':
      return abi.structs.ipv6_mreq.size;
  }
}

function encode(abi: Abi, name: string, spec: OptionSpec, value: unknown, view: DataView): number {
  switch (spec.kind) {
    case 'boolean':
      if (typeof value !== 'boolean') throw wrongType(name, 'true or false', value);
      writeInteger(view, 0, u32, value ? 1 : 0);
      return 4;
    case 'integer':
      writeInteger(view, 0, u32, integer(name, value, spec.min ?? 0, spec.max ?? INT_MAX));
      return 4;
    case 'unsigned':
      writeInteger(view, 0, u32, integer(name, value, 0, UINT_MAX));
      return 4;
    case 'rate':
      return encodeRate(abi.behaviours.pacingRateBytes, name, value, view);
    case 'linger':
      return encodeLinger(abi, name, value, view);
    case 'timeval':
      return encodeTimeval(abi, name, value, view);
    case 'string':
      return encodeString(name, value, view);
    case 'portRange':
      return encodePortRange(name, value, view);
    case 'ipv4Address':
      return encodeIPv4Address(name, value, view);
    case 'group':
      return encodeGroup(abi, name, value, view);
    case 'sourceGroup':
      return encodeSourceGroup(abi, name, value, view);
    case 'ipv6Group':
      return encodeIPv6Group(abi, name, value, view);
    case 'u64':
    case 'error':
    case 'credentials':
    case 'tcpInfo':
      // Unreachable: `accessible` has refused these, which can only be read.
      throw new TypeError(`${name} can be read but not set`);
  }
}

function encodeRate(size: 4 | 8, name: string, value: unknown, view: DataView): number {
  const max = size === 8 ? Number.MAX_SAFE_INTEGER : UINT_MAX - 1;
  const takes = `an integer from 0 to ${max}, or Infinity`;
  const field = size === 8 ? u64 : u32;
  if (value !== Number.POSITIVE_INFINITY) {
    writeInteger(view, 0, field, integer(name, value, 0, max, takes));
  } else if (size === 8) {
    writeBigUnsigned(view, 0, field, UINT64_MAX);
  } else {
    writeInteger(view, 0, field, UINT_MAX);
  }
  return size;
}

function encodeLinger(abi: Abi, name: string, value: unknown, view: DataView): number {
  const { size, fields } = abi.structs.linger;
  if (value !== null) {
    const ticks = lingerTicksPerSecond(abi, name);
    const max = Math.floor(LINGER_TICKS_MAX / abi.behaviours.lingerTicksPerSecond);
    const takes = `null or an integer from 0 to ${max}`;
    writeInteger(view, 0, fields.l_onoff, 1);
    writeInteger(view, 0, fields.l_linger, integer(name, value, 0, max, takes) * ticks);
  }
  return size;
}

function encodeTimeval(abi: Abi, name: string, value: unknown, view: DataView): number {
  const { size, fields } = abi.structs.timeval;
  const takes = `milliseconds from 0 to ${INT_MAX}`;
  if (typeof value !== 'number') throw wrongType(name, takes, value);
  if (!(value >= 0 && value <= INT_MAX)) throw outOfRange(name, takes, value);
  // Above 0, at least a microsecond: 0 means no timeout.
  const microseconds = value === 0 ? 0 : Math.max(1, Math.round(value * 1000));
  writeInteger(view, 0, fields.tv_sec, Math.floor(microseconds / MICROSECONDS_PER_SECOND));
  writeInteger(view, 0, fields.tv_usec, microseconds % MICROSECONDS_PER_SECOND);
  return size;
}

function encodeString(name: string, value: unknown, view: DataView): number {
  const takes = `a string of at most ${STRING_SIZE_BYTES - 1} printable ASCII characters`;
  if (typeof value !== 'string') throw wrongType(name, takes, value);
  if (value.length >= STRING_SIZE_BYTES || !/^[ -~]*$/.test(value)) {
    throw outOfRange(name, takes, value);
  }
  for (let index = 0; index < value.length; index += 1) {
    view.setUint8(index, value.charCodeAt(index));
  }
  return value.length + 1;
}

function encodePortRange(name: string, value: unknown, view: DataView): number {
  const takes = '{ low, high } with ports from 0 to 65535, low not above high unless one is 0';
  if (typeof value !== 'object' || value === null) throw wrongType(name, takes, value);
  const { low, high } = value as Partial<Record<keyof PortRange, unknown>>;
  const lowPort = integer(name, low, 0, 65535, takes);
  const highPortNumber = integer(name, high, 0, 65535, takes);
  if (lowPort > highPortNumber && highPortNumber !== 0) throw outOfRange(name, takes, value);
  writeInteger(view, 0, u16, lowPort);
  writeInteger(view, 0, highPort, highPortNumber);
  return 4;
}

function decode(
  abi: Abi,
  name: string,
  spec: OptionSpec,
  view: DataView,
): OptionValues[OptionSpec['kind']] {
  switch (spec.kind) {
    case 'boolean':
      return decodeInteger(name, view) !== 0;
    case 'integer':
    case 'error':
      return decodeInteger(name, view);
    case 'unsigned':
      return readUnsigned(covered(name, view, 4), 0, u32);
    case 'u64':
      return readBigUnsigned(covered(name, view, 8), 0, u64);
    case 'rate':
      return decodeRate(abi.behaviours.pacingRateBytes, name, view);
    case 'linger':
      return decodeLinger(abi, name, view);
    case 'timeval': {
      const { size, fields } = abi.structs.timeval;
      const seconds = readSigned(covered(name, view, size), 0, fields.tv_sec);
      return seconds * 1000 + readSigned(view, 0, fields.tv_usec) / 1000;
    }
    case 'string':
      return decodeString(view);
    case 'credentials':
      return decodeCredentials(abi, name, view);
    case 'tcpInfo':
      return decodeTcpInfo(tcpInfoLayout(abi, name), view);
    case 'portRange': {
      const low = readUnsigned(covered(name, view, 4), 0, u16);
      return { low, high: readUnsigned(view, 0, highPort) };
    }
    case 'ipv4Address':
      return decodeIPv4Address(covered(name, view, 4));
    case 'group':
    case 'sourceGroup':
    case 'ipv6Group':
      // Unreachable: `accessible` has refused these, which can only be set.
      throw new TypeError(`${name} can be set but not read`);
  }
}

/** Some kernels return one byte for a value that fits. */
function decodeInteger(name: string, view: DataView): number {
  if (view.byteLength === 1) return view.getUint8(0);
  return readSigned(covered(name, view, 4), 0, u32);
}

function decodeRate(size: 4 | 8, name: string, view: DataView): number {
  covered(name, view, size);
  if (size === 8) {
    const rate = readBigUnsigned(view, 0, u64);
    return rate === UINT64_MAX ? Number.POSITIVE_INFINITY : Number(rate);
  }
  const rate = readUnsigned(view, 0, u32);
  return rate === UINT_MAX ? Number.POSITIVE_INFINITY : rate;
}

function decodeLinger(abi: Abi, name: string, view: DataView): number | null {
  const { size, fields } = abi.structs.linger;
  if (readSigned(covered(name, view, size), 0, fields.l_onoff) === 0) return null;
  return readSigned(view, 0, fields.l_linger) / lingerTicksPerSecond(abi, name);
}

function decodeString(view: DataView): string {
  let text = '';
  for (let index = 0; index < view.byteLength; index += 1) {
    const byte = view.getUint8(index);
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

function decodeCredentials(abi: Abi, name: string, view: DataView): Credentials {
  const { ucred } = abi.structs;
  if (ucred !== undefined) {
    covered(name, view, ucred.size);
    return {
      pid: readSigned(view, 0, ucred.fields.pid),
      uid: readUnsigned(view, 0, ucred.fields.uid),
      gid: readUnsigned(view, 0, ucred.fields.gid),
    };
  }
  const { size, fields } = present(name, abi.structs.xucred);
  covered(name, view, size);
  return {
    pid: fields.cr_pid === undefined ? null : readSigned(view, 0, fields.cr_pid),
    uid: readUnsigned(view, 0, fields.cr_uid),
    // The first group is the effective one.
    gid: readUnsigned(view, 0, { offset: fields.cr_groups.offset, size: 4 }),
  };
}

function decodeTcpInfo(layout: StructLayout, view: DataView): TcpInfo {
  const info: Record<string, number> = {};
  for (const [name, field] of Object.entries(layout.fields)) {
    if (field.offset + field.size <= view.byteLength) info[name] = readUnsigned(view, 0, field);
  }
  return info;
}

/** SO_LINGER_SEC is in seconds where SO_LINGER is not. */
function lingerTicksPerSecond(abi: Abi, name: string): number {
  return name === 'SO_LINGER_SEC' ? 1 : abi.behaviours.lingerTicksPerSecond;
}

function tcpInfoLayout(abi: Abi, name: string): StructLayout {
  return abi.structs.tcp_info ?? present(name, abi.structs.tcp_connection_info);
}

function present<Layout>(name: string, layout: Layout | undefined): Layout {
  if (layout === undefined) throw new RangeError(`the table has no structure for ${name}`);
  return layout;
}

function covered(name: string, view: DataView, size: number): DataView {
  if (view.byteLength < size) {
    throw new RangeError(`${name} has ${size} bytes, and only ${view.byteLength} came back`);
  }
  return view;
}
