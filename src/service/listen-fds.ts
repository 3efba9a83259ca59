import { requireFlag, requireObject } from '../base/arguments.ts';
import { inheritedAddress } from '../socket/inherited.ts';
import { readName } from '../socket/names.ts';
import { readNamed } from '../socket/options/calls.ts';
import { nativeSys } from '../sys/native.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError } from '../sys/sys-error.ts';
import {
  type Environment,
  FIRST_FD,
  LISTEN_FDNAMES,
  LISTEN_FDS,
  LISTEN_PID,
  PREDECESSOR,
  wholeNumber,
} from './environment.ts';
import { noteTaken } from './predecessor.ts';

/** The name of a socket that has none. */
const UNNAMED = 'unknown';

/** A socket that the starter of this process has opened for it. */
export interface ActivatedSocket {
  /** Its descriptor, closed on exec, which the caller owns: for `loop.listen({ fd })`, say. */
  readonly fd: number;
  /** Its name: `FileDescriptorName=` of the socket unit; `unknown` without one. */
  readonly name: string;
  /** `stream`: a listening socket of TCP or UNIX. `datagram`: a bound one of UDP or UNIX. */
  readonly type: 'stream' | 'datagram';
  /** Where it listens. */
  readonly address: SocketAddress;
}

/** How {@link listenFds} takes sockets over. */
export interface ListenFdsOptions {
  /**
   * Leaves the variables in place, so that a second call gets the sockets again, and a program that
   * this one starts is told of sockets that it does not have. Default: false, they are removed.
   */
  readonly keepEnvironment?: boolean;
}

/**
 * The sockets with which this process was started: by systemd (a socket unit, or the store for
 * descriptors), or by its predecessor ({@link startSuccessor}).
 *
 * @param options whether to leave the environment as it is.
 * @returns the sockets, in the order of the unit; an empty array for a process that was started
 *   without any, and in a second call.
 * @throws Error where the environment does not tell the truth: `LISTEN_PID` is another process,
 *   fewer descriptors are open than `LISTEN_FDS` says, or one is no socket that listens. Nothing is
 *   changed then.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 * import { listenFds } from 'sockloop/service';
 *
 * using loop = new EventLoop();
 * const [socket] = listenFds();
 * const where = socket === undefined ? { host: '127.0.0.1', port: 0 } : { fd: socket.fd };
 * const listener = loop.listen({ ...where, handlers: {} });
 * assert(listener.address.family === 'IPv4');
 * ```
 */
export function listenFds({ keepEnvironment = false }: ListenFdsOptions = {}): ActivatedSocket[] {
  requireFlag('keepEnvironment', keepEnvironment);
  const { pid, ppid, env } = process;
  const sockets = activatedSockets(nativeSys(), env, { pid, ppid, firstFd: FIRST_FD });
  if (sockets.length > 0) noteTaken(sockets.length);
  if (!keepEnvironment) {
    for (const name of [LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, PREDECESSOR]) delete env[name];
  }
  return sockets;
}

/** The process that reads the environment. */
interface Reader {
  readonly pid: number;
  readonly ppid: number;
  readonly firstFd: number;
}

/** The sockets of `environment`; the work of {@link listenFds}. */
export function activatedSockets(
  sys: Sys,
  environment: Environment,
  reader: Reader,
): ActivatedSocket[] {
  requireObject('the environment', environment);
  const words = environment[LISTEN_FDS];
  if (words === undefined || words === '') return [];
  const refuse = (reason: string): Error =>
    new Error(`cannot take the sockets of ${LISTEN_FDS}=${words}: ${reason}`);
  const count = wholeNumber(words);
  if (count === null) throw refuse('it is not a number');
  const misled = misledReason(environment, reader);
  if (misled !== null) throw refuse(misled);
  const names = namesOf(environment[LISTEN_FDNAMES], count);
  if (names === null) {
    throw refuse(`${LISTEN_FDNAMES}=${environment[LISTEN_FDNAMES]} has another number of names`);
  }
  const sockets: ActivatedSocket[] = [];
  // One by one: of a number that is a lie, only the first that is not open is looked at.
  for (let index = 0; index < count; index++) {
    const fd = reader.firstFd + index;
    try {
      sockets.push({ fd, name: names[index] ?? UNNAMED, ...socketAt(sys, fd) });
    } catch (error) {
      if (error instanceof SysError) throw refuse(`descriptor ${fd} ${wordsFor(error)}`);
      throw error;
    }
  }
  const { F_SETFD, FD_CLOEXEC } = sys.abi.constants;
  for (const { fd } of sockets) sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
  return sockets;
}

/** Why the sockets are not meant for this process; null if they are. */
function misledReason(environment: Environment, { pid, ppid }: Reader): string | null {
  const predecessor = environment[PREDECESSOR];
  if (predecessor !== undefined) {
    if (predecessor === String(ppid)) return null;
    return `${PREDECESSOR} is ${predecessor}, and the parent of this process is ${ppid}`;
  }
  const meant = environment[LISTEN_PID];
  if (meant === undefined) return `${LISTEN_PID} is missing`;
  return meant === String(pid) ? null : `${LISTEN_PID} is ${meant}, and this is process ${pid}`;
}

function namesOf(words: string | undefined, count: number): string[] | null {
  if (words === undefined || words === '') return [];
  const names = words.split(':');
  return names.length === count ? names : null;
}

function socketAt(sys: Sys, fd: number): Pick<ActivatedSocket, 'type' | 'address'> {
  const { SOCK_DGRAM } = sys.abi.constants;
  if (readNamed(sys, fd, 'SO_TYPE') === SOCK_DGRAM) {
    return { type: 'datagram', address: readName(sys, fd, 'getsockname') };
  }
  return { type: 'stream', address: inheritedAddress(sys, fd, 'listen on') };
}

function wordsFor({ code, reason }: SysError): string {
  switch (code) {
    case 'EBADF':
      return 'is not open';
    case 'ENOTSOCK':
      return 'is no socket';
    case 'EINVAL':
      return 'is a socket that does not listen';
    default:
      return `cannot be served: ${reason}`;
  }
}
