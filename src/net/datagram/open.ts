import { requireWhole } from '../../base/arguments.ts';
import type { DatagramSettings } from '../../loop/datagram/contract.ts';
import type { Loop } from '../../loop/loop.ts';
import { tooHigh } from '../../loop/watchable.ts';
import { writeNamed } from '../../socket/options/calls.ts';
import { resolve } from '../../socket/resolve.ts';
import { hasFile, ifLeftBehind, SocketFile } from '../../socket/socket-file.ts';
import { zoneResolved } from '../../socket/zone.ts';
import { openSocket, prepareSocket } from '../../sys/descriptors.ts';
import {
  decodeSockaddr,
  encodeSockaddr,
  familyNumber,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../../sys/sockaddr.ts';
import type { Sys } from '../../sys/sys.ts';
import { SysError, sysError } from '../../sys/sys-error.ts';
import { addressFrom, DatagramAddress } from './datagram-address.ts';
import type { DatagramEndpoint, DatagramOptions } from './options.ts';

/** A socket of datagrams that is bound, and connected if that was asked for. */
export interface OpenedSocket {
  readonly fd: number;
  readonly own: DatagramAddress;
  /** The peer of a connected socket. */
  readonly peer: DatagramAddress | null;
  /** The file of a UNIX socket. */
  readonly file: SocketFile | null;
  readonly sequenced: boolean;
}

const name = new Uint8Array(SOCKADDR_BYTES_MAX);
const length = new Int32Array(1);

/** Opens the socket of `options`, or takes it over: after an error that is still the caller's. */
export function openDatagrams(loop: Loop, options: DatagramOptions): OpenedSocket {
  if (options.fd !== undefined) return takeOver(loop, options.fd, options);
  const { sys } = loop;
  const peers = options.connect === undefined ? [] : addressesOf(sys, options.connect, false);
  const locals = localsOf(sys, options, peers);
  let failure: unknown = new Error('the resolver found no address');
  for (const local of locals) {
    const peer = peers.find(({ family }) => family === local.family) ?? null;
    if (peer === null && peers.length > 0) {
      failure = new RangeError(`cannot connect from ${local.family} to ${peers[0]?.family}`);
      continue;
    }
    try {
      return opened(loop, options, local, peer);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function addressesOf(sys: Sys, endpoint: DatagramEndpoint, passive: boolean): SocketAddress[] {
  if (endpoint instanceof DatagramAddress) {
    return [decodeSockaddr(sys.abi, endpoint.sockaddr, endpoint.sockaddr.length)];
  }
  if ('path' in endpoint) return [{ family: 'UNIX', path: endpoint.path }];
  return resolve(endpoint.host, endpoint.port, { passive, sys });
}

/** Where to bind, in the order in which to try them. */
function localsOf(
  sys: Sys,
  { host, port, path }: DatagramOptions,
  peers: readonly SocketAddress[],
): SocketAddress[] {
  if (path !== undefined) {
    if (host !== undefined || port !== undefined) throw severalPlaces();
    return [{ family: 'UNIX', path }];
  }
  if (host !== undefined || port !== undefined || peers.length === 0) {
    return bothFirst(addressesOf(sys, { host: host ?? null, port: port ?? 0 }, true));
  }
  return [...new Set(peers.map(({ family }) => family))].map(anyOf);
}

/** Of all interfaces, `::` serves both families. */
function bothFirst(addresses: readonly SocketAddress[]): SocketAddress[] {
  const any = addresses.filter((one) => one.family === 'IPv6' && one.address === '::');
  return [...any, ...addresses.filter((one) => !any.includes(one))];
}

function anyOf(family: SocketAddress['family']): SocketAddress {
  if (family === 'UNIX') return { family, path: '' };
  return { family, address: family === 'IPv4' ? '0.0.0.0' : '::', port: 0 };
}

function severalPlaces(): Error {
  return new RangeError('a socket has a host, a path or a descriptor, and one of them only');
}

function opened(
  loop: Loop,
  options: DatagramOptions,
  local: SocketAddress,
  peer: SocketAddress | null,
): OpenedSocket {
  const { sys, backend } = loop;
  const domain = familyNumber(sys.abi, local.family);
  const fd = openSocket(sys, domain, sys.abi.constants.SOCK_DGRAM, 0, true);
  if (fd < 0) throw sysError(sys, fd, 'socket', 'open a socket for datagrams on', local);
  let file: SocketFile | null = null;
  try {
    if (fd >= backend.fdLimit) throw tooHigh(fd, backend);
    setOptions(sys, fd, options, local.family);
    file = bind(sys, fd, local);
    if (peer !== null) connect(sys, fd, peer);
    const own = ownName(sys, fd, local);
    return { fd, own, peer: peer === null ? null : peerName(sys, fd), file, sequenced: false };
  } catch (error) {
    file?.remove();
    sys.close(fd);
    throw error;
  }
}

function setOptions(
  sys: Sys,
  fd: number,
  options: DatagramOptions,
  family: SocketAddress['family'],
): void {
  const { receiveBufferBytes, sendBufferBytes } = options;
  if (options.reuseAddress === true) writeNamed(sys, fd, 'SO_REUSEADDR', true);
  if (options.reusePort === true) writeNamed(sys, fd, 'SO_REUSEPORT', true);
  if (options.broadcast === true) writeNamed(sys, fd, 'SO_BROADCAST', true);
  if (family === 'IPv6') writeNamed(sys, fd, 'IPV6_V6ONLY', options.ipv6Only ?? false);
  if (receiveBufferBytes !== undefined) writeNamed(sys, fd, 'SO_RCVBUF', receiveBufferBytes);
  if (sendBufferBytes !== undefined) writeNamed(sys, fd, 'SO_SNDBUF', sendBufferBytes);
}

function bind(sys: Sys, fd: number, local: SocketAddress): SocketFile | null {
  // A UNIX socket without a name, from which nobody can be answered.
  if (local.family === 'UNIX' && local.path === '') return null;
  const size = encodeSockaddr(sys.abi, zoneResolved(local, sys), name);
  let result = sys.bind(fd, name, size);
  if (result === -sys.abi.errno.EADDRINUSE && hasFile(local)) {
    const bindAnew = (): void => {
      sys.unlink(local.path);
      result = sys.bind(fd, name, encodeSockaddr(sys.abi, local, name));
    };
    ifLeftBehind(local, sys, bindAnew, 'SOCK_DGRAM');
  }
  if (result < 0) throw sysError(sys, result, 'bind', 'receive datagrams on', local);
  return SocketFile.of(local, sys);
}

function connect(sys: Sys, fd: number, peer: SocketAddress): void {
  const size = encodeSockaddr(sys.abi, zoneResolved(peer, sys), name);
  const result = sys.connect(fd, name, size);
  if (result < 0) throw sysError(sys, result, 'connect', 'connect to', peer);
}

function ownName(sys: Sys, fd: number, local?: SocketAddress): DatagramAddress {
  length[0] = name.length;
  const result = sys.getsockname(fd, name, length);
  if (result < 0) throw sysError(sys, result, 'getsockname', `use descriptor ${fd}`, local);
  return addressFrom(sys.abi, name.slice(0, length[0]));
}

function peerName(sys: Sys, fd: number): DatagramAddress | null {
  length[0] = name.length;
  const result = sys.getpeername(fd, name, length);
  return result < 0 ? null : addressFrom(sys.abi, name.slice(0, length[0]));
}

/** Checks that `fd` is a socket of datagrams, or of records, that the loop does not have. */
function takeOver(loop: Loop, fd: number, options: DatagramOptions): OpenedSocket {
  const { sys, backend } = loop;
  const { host, port, path } = options;
  if (host !== undefined || port !== undefined || path !== undefined) throw severalPlaces();
  requireWhole('a descriptor', fd, 0, 2 ** 31 - 1);
  const { F_GETFD, SOCK_DGRAM, SOCK_SEQPACKET } = sys.abi.constants;
  const attempt = `receive datagrams on descriptor ${fd}`;
  const open = sys.fcntl(fd, F_GETFD, 0);
  if (open < 0) throw sysError(sys, open, 'fcntl', attempt);
  const type = typeOf(sys, fd, attempt);
  if (type !== SOCK_DGRAM && type !== SOCK_SEQPACKET) {
    throw refusal(sys, 'EPROTOTYPE', attempt, 'it is of neither SOCK_DGRAM nor SOCK_SEQPACKET');
  }
  if (fd >= backend.fdLimit) throw tooHigh(fd, backend);
  if (loop.fds().includes(fd)) throw refusal(sys, 'EEXIST', attempt, 'the loop has it already');
  const own = ownName(sys, fd);
  const { connect: target } = options;
  const sequenced = type === SOCK_SEQPACKET;
  if (target !== undefined && !sequenced) {
    const [peer] = addressesOf(sys, target, false).filter(({ family }) => family === own.family);
    if (peer === undefined) throw new RangeError(`cannot connect: ${own} is of another family`);
    connect(sys, fd, peer);
  }
  const peer = peerName(sys, fd);
  if (peer === null && sequenced) {
    throw refusal(sys, 'ENOTCONN', attempt, 'a socket of SOCK_SEQPACKET has to be connected');
  }
  const prepared = prepareSocket(sys, fd);
  if (prepared < 0) throw sysError(sys, prepared, 'fcntl', attempt);
  setOptions(sys, fd, options, 'UNIX');
  return { fd, own, peer, file: null, sequenced };
}

function typeOf(sys: Sys, fd: number, attempt: string): number {
  const { SOL_SOCKET } = sys.abi.constants;
  const value = new Int32Array(1);
  length[0] = value.byteLength;
  const bytes = new Uint8Array(value.buffer);
  const result = sys.getsockopt(fd, SOL_SOCKET, sys.abi.options['SO_TYPE'] ?? 0, bytes, length);
  if (result < 0) throw sysError(sys, result, 'getsockopt', attempt);
  return value[0] ?? 0;
}

function refusal(sys: Sys, code: string, attempt: string, reason: string): SysError {
  const errno = sys.abi.errno[code] ?? 0;
  return sysError(sys, -errno, 'getsockopt', attempt, undefined, reason);
}

/** What is missing without harm: a kernel in user space (gVisor, qemu) knows neither option. */
function askIfKnown(sys: Sys, fd: number, option: 'SO_RXQ_OVFL' | 'UDP_GRO'): void {
  if (!Object.hasOwn(sys.abi.options, option)) return;
  try {
    writeNamed(sys, fd, option, true);
  } catch (error) {
    if (!(error instanceof SysError && MISSING.has(error.code))) throw error;
  }
}

const MISSING: ReadonlySet<string> = new Set(['ENOPROTOOPT', 'EOPNOTSUPP']);

/** Asks the kernel for what `options` want to know of each datagram. */
export function askForInfo(
  sys: Sys,
  { fd, own }: OpenedSocket,
  options: DatagramOptions,
  settings: DatagramSettings,
): void {
  const { abi } = sys;
  const has = (option: string): boolean => Object.hasOwn(abi.options, option);
  const ask = (option: Parameters<typeof writeNamed>[2]): void => {
    if (has(option)) writeNamed(sys, fd, option, true as never);
  };
  askIfKnown(sys, fd, 'SO_RXQ_OVFL');
  const info = options.info ?? [];
  if (info.includes('timestamp')) ask(has('SO_TIMESTAMPNS') ? 'SO_TIMESTAMPNS' : 'SO_TIMESTAMP');
  if (own.family === 'UNIX') return;
  if (settings.gro) askIfKnown(sys, fd, 'UDP_GRO');
  const isIPv6 = own.family === 'IPv6';
  if (info.includes('local')) {
    ask(isIPv6 ? 'IPV6_RECVPKTINFO' : has('IP_PKTINFO') ? 'IP_PKTINFO' : 'IP_RECVDSTADDR');
  }
  const both = isIPv6 && abi.behaviours.ipv4OptionsOnIPv6;
  const ofEach = (ipv6: Parameters<typeof ask>[0], ipv4: Parameters<typeof ask>[0]): void => {
    if (isIPv6) ask(ipv6);
    if (!isIPv6 || both) ask(ipv4);
  };
  if (info.includes('ecn')) ofEach('IPV6_RECVTCLASS', 'IP_RECVTOS');
  if (info.includes('ttl')) ofEach('IPV6_RECVHOPLIMIT', 'IP_RECVTTL');
  if (settings.errorQueue) ofEach('IPV6_RECVERR', 'IP_RECVERR');
}
