import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { nativeSys, type Sys } from 'sockloop/sys';
import { waitFor } from '#src/socket/wait.js';
import { sendFlags } from '#src/sys/descriptors.js';
import { sysError } from '#src/sys/sys-error.js';

/** Writes a prefix of `bytes`. Returns its length, 0 if there is no room. Throws on an error. */
export type WriteSome = (bytes: Uint8Array) => number;

/** PIPE_BUF of POSIX: a pipe that poll(2) calls writable takes this without blocking. */
const PIPE_BYTES = 512;

/**
 * A non-blocking write to `fd`.
 *
 * O_NONBLOCK belongs to the open file description, which other processes may share. So a pipe or
 * terminal is reopened through /proc, for a description of our own (Linux); elsewhere poll(2)
 * precedes each write. A socket takes MSG_DONTWAIT, and a file does not block.
 */
export function logOutput(fd: number, sys: Sys = nativeSys()): WriteSome {
  const stat = fstatSync(fd);
  if (stat.isSocket()) return toSocket(fd, sys);
  if (!stat.isFIFO() && !isatty(fd)) return (bytes) => writeSync(fd, bytes);
  const own = openAgain(fd);
  return own === null ? afterPoll(fd) : toPipe(own);
}

function toSocket(fd: number, sys: Sys): WriteSome {
  const { EAGAIN, EINTR, ENOBUFS, ENOMEM } = sys.abi.errno;
  const flags = sendFlags(sys) | sys.abi.constants.MSG_DONTWAIT;
  return (bytes) => {
    const sent = sys.send(fd, bytes, 0, bytes.length, flags);
    if (sent >= 0) return sent;
    // A lack of memory passes; the words would be lost.
    if ([EAGAIN, EINTR, ENOBUFS, ENOMEM].includes(-sent)) return 0;
    throw sysError(sys, sent, 'send', 'write to a standard stream');
  };
}

/** Reopens `fd` for writing. Stays open until the process ends, as the standard stream does. */
function openAgain(fd: number): number | null {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // No /proc (not Linux), no descriptor left, another user's terminal, or no reader: the write
    // reports it.
    return null;
  }
}

function toPipe(fd: number): WriteSome {
  return (bytes) => {
    try {
      return writeSync(fd, bytes);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
      throw error;
    }
  };
}

function afterPoll(fd: number): WriteSome {
  const sys = nativeSys();
  const write = toPipe(fd);
  return (bytes) => {
    // What is neither writable nor broken has no room.
    if (waitFor(sys, fd, sys.abi.constants.POLLOUT, 0) <= 0) return 0;
    return write(bytes.subarray(0, PIPE_BYTES));
  };
}
