import { requireWhole, shown, wrongValue } from '../base/arguments.ts';
import { type Bytes, bytesOf } from '../base/bytes.ts';
import { decodeControl, encodeControl, rightsSpace } from '../sys/control-messages.ts';
import { sendFlags } from '../sys/descriptors.ts';
import { nativeSys } from '../sys/native.ts';
import type { MessageHeader, Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import type { Socket } from './socket.ts';
import { restIfHurried } from './wait.ts';

// Descriptors over UNIX sockets: SCM_RIGHTS of unix(7).

/** The most descriptors of one message: SCM_MAX_FD of Linux, which no header exports. */
const DESCRIPTORS_MAX = 253;

/** Room for the control message that SO_PASSCRED adds. */
const CREDENTIALS_BYTES = 64;

const BYTES_MAX = 65_536;

/** What {@link receiveDescriptors} got. */
export interface ReceivedDescriptors {
  /** The descriptors, closed on exec, which the caller owns; empty where bytes came alone. */
  readonly fds: readonly number[];
  /** The bytes that came with them; empty at the end of the stream. */
  readonly bytes: Uint8Array;
}

/** How descriptors are passed. */
export interface DescriptorOptions {
  /** The system calls to use; those of this machine by default. */
  readonly sys?: Sys;
}

/**
 * sendmsg(2) with SCM_RIGHTS: passes descriptors to the process at the other end of a UNIX socket,
 * which gets descriptors of its own for the same open files. The caller's stay open.
 *
 * @param socket a connected UNIX socket.
 * @param fds the descriptors, 1 to 253 of them.
 * @param bytes what goes with them, at least one byte. Default: one NUL byte.
 * @param options the system calls to use.
 * @returns how many of the bytes were sent: all of a few; the descriptors went with the first.
 * @throws SysError `EBADF` (one of `fds` is not open), `EPIPE`, `EAGAIN` (non-blocking, or a
 *   timeout), `ETOOMANYREFS` (too many are under way).
 * @throws RangeError for a socket of another family, for none or too many descriptors, or no bytes.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { receiveDescriptors, Socket, sendDescriptors } from 'sockloop/socket';
 *
 * const [left, right] = Socket.pair();
 * const [near, far] = Socket.pair();
 * sendDescriptors(left, [far.fileno()], 'take this');
 * far.close();
 * const { fds, bytes } = receiveDescriptors(right, 1);
 * assert.equal(new TextDecoder().decode(bytes), 'take this');
 * using passed = new Socket('UNIX', { fd: fds[0] ?? -1 });
 * passed.sendAll('hello');
 * assert.equal(near.recv(new Uint8Array(16)), 5);
 * for (const socket of [left, right, near]) socket.close();
 * ```
 */
export function sendDescriptors(
  socket: Socket,
  fds: readonly number[],
  bytes: Bytes = '\0',
  { sys = nativeSys() }: DescriptorOptions = {},
): number {
  requireUnix(socket);
  requireDescriptors(fds);
  const buffer = bytesOf(bytes);
  if (buffer.length === 0) throw new RangeError('descriptors go with at least one byte');
  const control = encodeControl(sys.abi, [{ kind: 'SCM_RIGHTS', fds }]);
  const message = messageOf(buffer, control);
  for (;;) {
    const sent = sys.sendmsg(socket.fileno(), message, sendFlags(sys));
    if (sent >= 0) return sent;
    if (sent !== -sys.abi.errno.EINTR) {
      throw sysError(sys, sent, 'sendmsg', `send the descriptors ${fds.join(', ')}`);
    }
    restIfHurried(sys);
  }
}

/**
 * recvmsg(2) with room for SCM_RIGHTS: takes descriptors that {@link sendDescriptors}, or any other
 * program, has sent. Blocks as `recv` of the socket does.
 *
 * @param socket a connected UNIX socket.
 * @param max the most descriptors to take, 1 to 253.
 * @param options the system calls to use.
 * @returns the descriptors, and at most 64 KiB of what came with them.
 * @throws SysError `EMSGSIZE` where more came than `max`, or more than this process can open: those
 *   that did come are closed. `EAGAIN`, `ECONNRESET`, ...
 * @throws RangeError for a socket of another family, or another `max`.
 */
export function receiveDescriptors(
  socket: Socket,
  max: number,
  { sys = nativeSys() }: DescriptorOptions = {},
): ReceivedDescriptors {
  requireUnix(socket);
  requireWhole('the number of descriptors', max, 1, DESCRIPTORS_MAX);
  const control = new Uint8Array(rightsSpace(sys.abi, max) + CREDENTIALS_BYTES);
  const buffer = new Uint8Array(BYTES_MAX);
  const { length, fds, whole } = receive(sys, socket.fileno(), messageOf(buffer, control));
  if (whole && fds.length <= max) return { fds, bytes: buffer.slice(0, length) };
  for (const fd of fds) sys.close(fd);
  const reason = `more came than ${max}, or than can be opened; those that came are closed`;
  const errno = sys.abi.errno['EMSGSIZE'] ?? 0;
  throw sysError(sys, -errno, 'recvmsg', 'receive descriptors', undefined, reason);
}

function receive(sys: Sys, fd: number, message: MessageHeader) {
  const { MSG_CMSG_CLOEXEC = 0, MSG_CTRUNC } = sys.abi.constants;
  const controlRoom = message.controlLength;
  let length = sys.recvmsg(fd, message, MSG_CMSG_CLOEXEC);
  while (length === -sys.abi.errno.EINTR) {
    restIfHurried(sys);
    message.controlLength = controlRoom;
    length = sys.recvmsg(fd, message, MSG_CMSG_CLOEXEC);
  }
  if (length < 0) throw sysError(sys, length, 'recvmsg', 'receive descriptors');
  const control = message.control ?? new Uint8Array(0);
  const messages = decodeControl(sys.abi, control, message.controlLength);
  const fds = messages.flatMap((one) => (one.kind === 'SCM_RIGHTS' ? one.fds : []));
  if (MSG_CMSG_CLOEXEC === 0) for (const passed of fds) closeOnExec(sys, passed);
  return { length, fds, whole: (message.flags & MSG_CTRUNC) === 0 };
}

function closeOnExec(sys: Sys, fd: number): void {
  const { F_SETFD, FD_CLOEXEC } = sys.abi.constants;
  sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
}

function messageOf(buffer: Uint8Array, control: Uint8Array): MessageHeader {
  return {
    name: null,
    nameLength: 0,
    buffer,
    offset: 0,
    length: buffer.length,
    control,
    controlLength: control.length,
    flags: 0,
  };
}

/** Others ignore the control message: the descriptors would be lost without an error. */
function requireUnix({ family }: Socket): void {
  if (family !== 'UNIX') throw wrongValue(family, 'descriptors pass over a socket of UNIX');
}

function requireDescriptors(fds: readonly number[]): void {
  if (!Array.isArray(fds)) throw new TypeError(`descriptors are an array, not ${shown(fds)}`);
  if (fds.length < 1 || fds.length > DESCRIPTORS_MAX) {
    const count = fds.length;
    throw new RangeError(`a message takes 1 to ${DESCRIPTORS_MAX} descriptors, not ${count}`);
  }
  for (const fd of fds) requireWhole('a descriptor', fd, 0, 2 ** 31 - 1);
}
