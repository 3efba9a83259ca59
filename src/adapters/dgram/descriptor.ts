import { fstatSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { isatty } from 'node:tty';
import { readNamed, writeNamed } from '../../socket/options/calls.ts';
import { zoneResolved } from '../../socket/zone.ts';
import { openSocket, prepareSocket } from '../../sys/descriptors.ts';
import {
  decodeSockaddr,
  encodeSockaddr,
  familyNumber,
  hostText,
  SOCKADDR_BYTES_MAX,
} from '../../sys/sockaddr.ts';
import type { Sys } from '../../sys/sys.ts';
import { isOfType } from './arguments.ts';
import type { SocketOptions, SocketType } from './options.ts';

// The socket below a socket of node:dgram. Results are those of Sys: 0 or more, or `-errno`.

const name = new Uint8Array(SOCKADDR_BYTES_MAX);
const nameLength = new Int32Array(1);

const familyOf = (type: SocketType): 'IPv4' | 'IPv6' => (type === 'udp4' ? 'IPv4' : 'IPv6');

/** Writes the sockaddr of a numeric address. Returns its length, -EINVAL for another family. */
function encode(sys: Sys, type: SocketType, address: string, port: number): number {
  if (!isOfType(type, address)) return -sys.abi.errno.EINVAL;
  try {
    const resolved = zoneResolved({ family: familyOf(type), address, port }, sys);
    return encodeSockaddr(sys.abi, resolved, name);
  } catch (error) {
    // An interface that is not here.
    if (error instanceof RangeError) return -sys.abi.errno.EINVAL;
    throw error;
  }
}

/** The sockaddr of a numeric address; null for one of another family. */
export function sockaddrOf(
  sys: Sys,
  type: SocketType,
  address: string,
  port: number,
): Uint8Array | null {
  const length = encode(sys, type, address, port);
  return length < 0 ? null : name.slice(0, length);
}

/** A socket that is not bound: non-blocking, closed on exec. */
export function openUnbound(sys: Sys, type: SocketType): number {
  const domain = familyNumber(sys.abi, familyOf(type));
  return openSocket(sys, domain, sys.abi.constants.SOCK_DGRAM, 0, true);
}

/** Several sockets of one port, as libuv has it: where SO_REUSEPORT balances, SO_REUSEADDR. */
function setReuseAddress(sys: Sys, fd: number): void {
  const { reusePortBalances } = sys.abi.behaviours;
  writeNamed(sys, fd, reusePortBalances ? 'SO_REUSEADDR' : 'SO_REUSEPORT', true);
}

/** Binds a socket with the options that node:dgram sets before. */
export function bindSocket(
  sys: Sys,
  fd: number,
  address: string,
  port: number,
  options: SocketOptions,
): number {
  const length = encode(sys, options.type, address, port);
  if (length < 0) return length;
  if (options.reuseAddr === true) setReuseAddress(sys, fd);
  if (options.reusePort === true) writeNamed(sys, fd, 'SO_REUSEPORT', true);
  if (options.ipv6Only === true && options.type === 'udp6') {
    writeNamed(sys, fd, 'IPV6_V6ONLY', true);
  }
  return sys.bind(fd, name, length);
}

/** Connects a socket. */
export function connectSocket(
  sys: Sys,
  fd: number,
  type: SocketType,
  address: string,
  port: number,
): number {
  const length = encode(sys, type, address, port);
  return length < 0 ? length : sys.connect(fd, name, length);
}

/** Ends the connection of a socket. */
export function disconnectSocket(sys: Sys, fd: number): number {
  const { sockaddr, sockaddr_in } = sys.abi.structs;
  name.fill(0);
  // AF_UNSPEC is 0 everywhere.
  const { sa_len } = sockaddr.fields;
  if (sa_len !== undefined) name[sa_len.offset] = sockaddr_in.size;
  const result = sys.connect(fd, name, sockaddr_in.size);
  const { EAFNOSUPPORT, EINVAL } = sys.abi.errno;
  // The BSDs disconnect, and complain all the same.
  return result === -(EAFNOSUPPORT ?? 0) || result === -EINVAL ? 0 : result;
}

/** The own name of a socket, or that of its peer; a number: `-errno`. */
export function nameOf(
  sys: Sys,
  fd: number,
  call: 'getsockname' | 'getpeername',
): AddressInfo | number {
  nameLength[0] = name.length;
  const result = sys[call](fd, name, nameLength);
  if (result < 0) return result;
  const address = decodeSockaddr(sys.abi, name, nameLength[0]);
  if (address.family === 'UNIX') return -sys.abi.errno.EINVAL;
  return { address: hostText(address), family: address.family, port: address.port };
}

/** What kind of descriptor `fd` is, in the words of Node; `UDP` for a socket of UDP. */
export function descriptorType(sys: Sys, fd: number): string {
  let isSocket = false;
  try {
    const stats = fstatSync(fd);
    isSocket = stats.isSocket();
    if (stats.isFIFO()) return 'PIPE';
    if (!isSocket) return isatty(fd) ? 'TTY' : 'FILE';
  } catch {
    // EBADF: Node's word for it.
    return 'UNKNOWN';
  }
  const { SOCK_DGRAM, SOCK_STREAM } = sys.abi.constants;
  const type = readNamed(sys, fd, 'SO_TYPE');
  const isInternet = typeof nameOf(sys, fd, 'getsockname') === 'object';
  if (type === SOCK_DGRAM && isInternet) return 'UDP';
  if (type !== SOCK_STREAM) return 'UNKNOWN';
  return isInternet ? 'TCP' : 'PIPE';
}

/** Makes a descriptor that is passed in what sockets of node:dgram are. */
export function takeDescriptor(sys: Sys, fd: number): number {
  const result = prepareSocket(sys, fd);
  if (result >= 0) setReuseAddress(sys, fd);
  return Math.min(result, 0);
}
