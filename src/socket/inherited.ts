import { requireWhole } from '../base/arguments.ts';
import { prepareSocket } from '../sys/descriptors.ts';
import { decodeSockaddr, SOCKADDR_BYTES_MAX, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { writeNamed } from './options/calls.ts';
import { optionNumbers } from './options/table.ts';

// Sockets that another program, or another part of this one, has opened.

/** What is done with the descriptor of such a socket. */
type Purpose = 'adopt' | 'listen on';

const value = new Uint8Array(4);
const length = new Int32Array(1);
const name = new Uint8Array(SOCKADDR_BYTES_MAX);

/**
 * Checks that `fd` is a stream socket that listens (`listen on`) or is connected (`adopt`), changes
 * nothing, and returns its own address. The descriptor stays the caller's.
 *
 * @throws SysError that says what it is instead, RangeError or TypeError for no descriptor.
 */
export function inheritedAddress(sys: Sys, fd: number, purpose: Purpose): SocketAddress {
  requireWhole('a descriptor', fd, 0, 2 ** 31 - 1);
  const { F_GETFD, SOCK_STREAM } = sys.abi.constants;
  check(sys, fd, purpose, 'fcntl', sys.fcntl(fd, F_GETFD, 0));
  if (readInteger(sys, fd, purpose, 'SO_TYPE') !== SOCK_STREAM) {
    throw refusal(sys, fd, purpose, 'EPROTOTYPE', 'it is no stream socket');
  }
  const address = ownAddress(sys, fd, purpose);
  const listens = readInteger(sys, fd, purpose, 'SO_ACCEPTCONN') !== 0;
  if (purpose === 'listen on') {
    if (!listens) throw refusal(sys, fd, purpose, 'EINVAL', 'it is no listening socket');
    return address;
  }
  if (listens) throw refusal(sys, fd, purpose, 'EINVAL', 'it listens: pass it to listen()');
  length[0] = name.length;
  check(sys, fd, purpose, 'getpeername', sys.getpeername(fd, name, length));
  return address;
}

/** Makes the socket one that a loop can hold: non-blocking, closed on exec, never a SIGPIPE. */
export function prepareInherited(sys: Sys, fd: number, purpose: Purpose, noDelay: boolean): void {
  check(sys, fd, purpose, 'fcntl', prepareSocket(sys, fd));
  if (noDelay) writeNamed(sys, fd, 'TCP_NODELAY', true);
}

function ownAddress(sys: Sys, fd: number, purpose: Purpose): SocketAddress {
  length[0] = name.length;
  check(sys, fd, purpose, 'getsockname', sys.getsockname(fd, name, length));
  try {
    return decodeSockaddr(sys.abi, name, length[0]);
  } catch {
    throw refusal(sys, fd, purpose, 'EAFNOSUPPORT', 'it is neither of TCP nor a UNIX socket');
  }
}

function readInteger(
  sys: Sys,
  fd: number,
  purpose: Purpose,
  option: 'SO_TYPE' | 'SO_ACCEPTCONN',
): number {
  const { level, name: number } = optionNumbers(sys.abi, option);
  length[0] = value.length;
  check(sys, fd, purpose, 'getsockopt', sys.getsockopt(fd, level, number, value, length));
  return new DataView(value.buffer).getInt32(0, true);
}

function check(sys: Sys, fd: number, purpose: Purpose, syscall: string, result: number): void {
  if (result < 0) throw sysError(sys, result, syscall, `${purpose} descriptor ${fd}`);
}

function refusal(
  sys: Sys,
  fd: number,
  purpose: Purpose,
  code: 'EPROTOTYPE' | 'EINVAL' | 'EAFNOSUPPORT',
  reason: string,
): Error {
  const errno = sys.abi.errno[code] ?? 0;
  return sysError(sys, -errno, 'getsockopt', `${purpose} descriptor ${fd}`, undefined, reason);
}
