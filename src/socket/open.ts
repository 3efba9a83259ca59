import { shown } from '../base/arguments.ts';
import { openSocket, openSocketPair } from '../sys/descriptors.ts';
import { type AddressFamily, familyNumber } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { withArticle } from './address.ts';
import type { SocketType } from './settings.ts';

// socket(2) and socketpair(2) by the names of types and protocols.

/**
 * A new socket.
 *
 * @throws SysError, RangeError for what the platform lacks, or for another type or protocol.
 */
export function openedSocket(
  sys: Sys,
  family: AddressFamily,
  type: SocketType,
  protocol?: 'IPPROTO_MPTCP',
): number {
  const domain = familyNumber(sys.abi, family);
  requireType(sys, family, type);
  const number = protocolNumber(sys, protocol);
  const fd = openSocket(sys, domain, sys.abi.constants[type], number, false);
  if (fd >= 0) return fd;
  throw sysError(sys, fd, 'socket', `open ${withArticle(family)} socket${suffix(type, protocol)}`);
}

/** Two UNIX sockets of a type, connected to each other. Throws as {@link openedSocket}. */
export function openedPair(sys: Sys, type: SocketType): [left: number, right: number] {
  requireType(sys, 'UNIX', type);
  const fds = new Int32Array(2);
  const result = openSocketPair(sys, sys.abi.constants[type], fds);
  if (result < 0) {
    throw sysError(sys, result, 'socketpair', `open a pair of UNIX sockets${suffix(type)}`);
  }
  const [left = -1, right = -1] = fds;
  return [left, right];
}

const TYPES: readonly string[] = ['SOCK_STREAM', 'SOCK_SEQPACKET', 'SOCK_DGRAM'];

function requireType({ abi }: Sys, family: AddressFamily, type: SocketType): void {
  if (!TYPES.includes(type)) {
    throw new RangeError(`a type is one of ${TYPES.join(', ')}, not ${shown(type)}`);
  }
  if (type === 'SOCK_SEQPACKET' && family === 'UNIX' && !abi.behaviours.unixSeqpacket) {
    throw new RangeError(`SOCK_SEQPACKET of UNIX does not exist on ${abi.platform}`);
  }
}

function protocolNumber({ abi }: Sys, protocol: string | undefined): number {
  if (protocol === undefined) return 0;
  if (protocol !== 'IPPROTO_MPTCP') {
    throw new RangeError(`a protocol is IPPROTO_MPTCP, or left out, not ${shown(protocol)}`);
  }
  const number = abi.constants.IPPROTO_MPTCP;
  if (number !== undefined) return number;
  throw new RangeError(`IPPROTO_MPTCP does not exist on ${abi.platform}`);
}

/** What an error says of a socket that is no ordinary stream. */
function suffix(type: SocketType, protocol?: string): string {
  if (protocol !== undefined) return ` of ${protocol}`;
  return type === 'SOCK_STREAM' ? '' : ` of ${type}`;
}
