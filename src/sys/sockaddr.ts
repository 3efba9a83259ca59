import { requirePort, requireText, requireWhole, shown } from '../base/arguments.ts';
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../base/ip-address.ts';
import type { Abi } from './abi/abi.ts';

/** An IPv4 address and port. */
export interface IPv4Address {
  readonly family: 'IPv4';
  /** A dotted quad: `127.0.0.1`. */
  readonly address: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** An IPv6 address and port. */
export interface IPv6Address {
  readonly family: 'IPv6';
  /** Text as in RFC 4291, without a zone: `::1`. */
  readonly address: string;
  /** 0 to 65535. */
  readonly port: number;
  /** The flow label and traffic class, 32 bits; 0 by default. */
  readonly flowInfo?: number;
  /** The index of the interface of a link-local address; 0 by default. */
  readonly scopeId?: number;
}

/** The name of a UNIX socket. */
export interface UnixAddress {
  readonly family: 'UNIX';
  /**
   * A path in the file system; on Linux a path that begins with NUL is an abstract name, outside of
   * the file system. Empty for an unbound socket.
   */
  readonly path: string;
}

/** The address of a socket, in the shape of Node's `net` where Node has one. */
export type SocketAddress = IPv4Address | IPv6Address | UnixAddress;

/** The address families that sockloop supports. */
export type AddressFamily = SocketAddress['family'];

/** Room for any sockaddr of any family: `sizeof(struct sockaddr_storage)` on all platforms. */
export const SOCKADDR_BYTES_MAX = 128;

/** The length of the BSDs and the family, or the family of Linux. */
const FAMILY_BYTES = 2;

const text = new TextEncoder();

/**
 * Writes an address as the sockaddr of a platform.
 *
 * @param abi the table of the platform.
 * @param address the address, without a zone in its text.
 * @param into at least 128 bytes.
 * @returns the length of the sockaddr in bytes.
 * @throws RangeError for a host name, a port out of its range, a path that is too long.
 * @throws TypeError for an address that is no string.
 */
export function encodeSockaddr(abi: Abi, address: SocketAddress, into: Uint8Array): number {
  into.fill(0, 0, SOCKADDR_BYTES_MAX);
  const family = familyNumber(abi, address.family);
  const length = encodeFamily(abi, address, into);
  const { sa_family, sa_len } = abi.structs.sockaddr.fields;
  const view = new DataView(into.buffer, into.byteOffset);
  if (sa_len !== undefined) into[sa_len.offset] = length;
  if (sa_family.size === 1) view.setUint8(sa_family.offset, family);
  else view.setUint16(sa_family.offset, family, true);
  return length;
}

function encodeFamily(abi: Abi, address: SocketAddress, into: Uint8Array): number {
  switch (address.family) {
    case 'IPv4':
      return encodeIPv4(abi, address, into);
    case 'IPv6':
      return encodeIPv6(abi, address, into);
    case 'UNIX':
      return encodeUnix(abi, address, into);
  }
}

/** The host of an address, with its zone if it has one: `127.0.0.1`, `fe80::1%3`. */
export function hostText(address: IPv4Address | IPv6Address): string {
  const scopeId = address.family === 'IPv6' ? (address.scopeId ?? 0) : 0;
  return scopeId === 0 ? address.address : `${address.address}%${scopeId}`;
}

function encodeIPv4(abi: Abi, address: IPv4Address, into: Uint8Array): number {
  requireText('an address', address.address);
  const { size, fields } = abi.structs.sockaddr_in;
  writePort(into, fields.sin_port.offset, address.port);
  if (!parseIPv4(address.address, into, fields.sin_addr.offset)) {
    throw new RangeError(`"${address.address}" is not an IPv4 address`);
  }
  return size;
}

function encodeIPv6(abi: Abi, address: IPv6Address, into: Uint8Array): number {
  requireText('an address', address.address);
  const { size, fields } = abi.structs.sockaddr_in6;
  writePort(into, fields.sin6_port.offset, address.port);
  if (!parseIPv6(address.address, into, fields.sin6_addr.offset)) {
    throw new RangeError(`"${address.address}" is not an IPv6 address`);
  }
  const { flowInfo = 0, scopeId = 0 } = address;
  requireWhole('a flow label', flowInfo, 0, 2 ** 32 - 1);
  requireWhole('a scope', scopeId, 0, 2 ** 32 - 1);
  const view = new DataView(into.buffer, into.byteOffset);
  view.setUint32(fields.sin6_flowinfo.offset, flowInfo, false);
  view.setUint32(fields.sin6_scope_id.offset, scopeId, true);
  return size;
}

function encodeUnix(abi: Abi, address: UnixAddress, into: Uint8Array): number {
  requireText('a UNIX path', address.path);
  const { sun_path } = abi.structs.sockaddr_un.fields;
  const bytes = text.encode(address.path);
  const abstract = bytes[0] === 0;
  if (abstract && !abi.behaviours.abstractUnixNames) {
    throw new RangeError(`abstract UNIX names do not exist on ${abi.platform}`);
  }
  if (!abstract && bytes.includes(0)) throw new RangeError('a UNIX path cannot hold a NUL byte');
  // A path ends with a NUL byte, an abstract name where the length of the sockaddr says.
  const bytesMax = abstract ? sun_path.size : sun_path.size - 1;
  if (bytes.length > bytesMax) {
    throw new RangeError(
      `a UNIX path takes at most ${bytesMax} bytes on ${abi.platform}, not ${bytes.length}`,
    );
  }
  into.set(bytes, sun_path.offset);
  return sun_path.offset + bytes.length + (abstract || bytes.length === 0 ? 0 : 1);
}

function writePort(into: Uint8Array, at: number, port: number): void {
  requirePort(port);
  into[at] = port >> 8;
  into[at + 1] = port & 0xff;
}

/**
 * Reads a sockaddr.
 *
 * @param abi the table of the platform.
 * @param bytes the memory of the sockaddr.
 * @param length its length in bytes, as the system call gave it.
 * @returns the address.
 * @throws RangeError for another family than AF_INET, AF_INET6 and AF_UNIX, and for fewer bytes
 *   than the family has.
 */
export function decodeSockaddr(abi: Abi, bytes: Uint8Array, length: number): SocketAddress {
  // macOS reports an unbound UNIX peer as no sockaddr at all.
  if (length === 0) return { family: 'UNIX', path: '' };
  const { constants, structs } = abi;
  requireBytes('a sockaddr', bytes, length, FAMILY_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const family = readFamily(abi, view);
  if (family === constants.AF_INET) {
    requireBytes('a sockaddr_in', bytes, length, structs.sockaddr_in.size);
    const { sin_port, sin_addr } = structs.sockaddr_in.fields;
    const address = formatIPv4(bytes, sin_addr.offset);
    return { family: 'IPv4', address, port: view.getUint16(sin_port.offset, false) };
  }
  if (family === constants.AF_INET6) {
    requireBytes('a sockaddr_in6', bytes, length, structs.sockaddr_in6.size);
    return decodeIPv6(abi, bytes, view);
  }
  if (family === constants.AF_UNIX) return decodeUnix(abi, bytes, length);
  throw new RangeError(`address family ${family} is not one of AF_INET, AF_INET6 and AF_UNIX`);
}

/** What lies behind the bytes that the kernel has written is not of this address. */
function requireBytes(what: string, bytes: Uint8Array, length: number, needed: number): void {
  if (length >= needed && bytes.length >= needed) return;
  const there = Math.min(length, bytes.length);
  throw new RangeError(`${what} takes ${needed} bytes, and there are ${there}`);
}

function readFamily(abi: Abi, view: DataView): number {
  const { offset, size } = abi.structs.sockaddr.fields.sa_family;
  return size === 1 ? view.getUint8(offset) : view.getUint16(offset, true);
}

function decodeIPv6(abi: Abi, bytes: Uint8Array, view: DataView): IPv6Address {
  const { fields } = abi.structs.sockaddr_in6;
  const flowInfo = view.getUint32(fields.sin6_flowinfo.offset, false);
  const scopeId = view.getUint32(fields.sin6_scope_id.offset, true);
  return {
    family: 'IPv6',
    address: formatIPv6(bytes, fields.sin6_addr.offset),
    port: view.getUint16(fields.sin6_port.offset, false),
    ...(flowInfo === 0 ? {} : { flowInfo }),
    ...(scopeId === 0 ? {} : { scopeId }),
  };
}

function decodeUnix(abi: Abi, bytes: Uint8Array, length: number): UnixAddress {
  const start = abi.structs.sockaddr_un.fields.sun_path.offset;
  let path = bytes.subarray(start, Math.max(start, length));
  const end = path.indexOf(0);
  if (end > 0 || (end === 0 && !abi.behaviours.abstractUnixNames)) path = path.subarray(0, end);
  // A byte order mark is part of the path.
  return { family: 'UNIX', path: new TextDecoder('utf-8', { ignoreBOM: true }).decode(path) };
}

/** The `AF_*` number of a family. */
export function familyNumber(abi: Abi, family: AddressFamily): number {
  const { AF_INET, AF_INET6, AF_UNIX } = abi.constants;
  const numbers: Readonly<Record<string, number>> = {
    IPv4: AF_INET,
    IPv6: AF_INET6,
    UNIX: AF_UNIX,
  };
  const number = numbers[family];
  if (number !== undefined) return number;
  throw new RangeError(`a family is IPv4, IPv6 or UNIX, not ${shown(family)}`);
}

/**
 * An address as text.
 *
 * @param address the address.
 * @returns `127.0.0.1:7007`, `[::1]:7007`, `/run/echo.sock`, or `@name` for an abstract name.
 */
export function formatAddress(address: SocketAddress): string {
  switch (address.family) {
    case 'IPv4':
      return `${address.address}:${address.port}`;
    case 'IPv6':
      return `[${hostText(address)}]:${address.port}`;
    case 'UNIX':
      if (address.path === '') return 'an unnamed UNIX socket';
      return address.path.startsWith('\0') ? `@${address.path.slice(1)}` : address.path;
  }
}
