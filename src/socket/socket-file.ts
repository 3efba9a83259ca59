import { lstatSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute } from 'node:path';
import type { SocketAddress, UnixAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError, sysError } from '../sys/sys-error.ts';
import { Socket } from './socket.ts';

/** A takeover takes less than a millisecond: a process that holds the lock for so long is stuck. */
const LOCK_WAIT_MS = 2000;
const LOCK_RETRY_MS = 5;

/** An abstract name has at most 107 bytes, and two numbers precede these. */
const LOCK_FILE_CHARACTERS_MAX = 48;

/**
 * The file of a UNIX socket. It outlives its server, and other processes may remove or replace it
 * while the server runs.
 */
export class SocketFile {
  readonly #address: UnixAddress;
  readonly #sys: Sys;
  readonly #device: bigint;
  readonly #inode: bigint;
  /** The error of the removal, null for none; undefined before. */
  #failure: SysError | null | undefined;

  private constructor(address: UnixAddress, sys: Sys, device: bigint, inode: bigint) {
    this.#address = address;
    this.#sys = sys;
    this.#device = device;
    this.#inode = inode;
  }

  /** The file of a socket just bound to `address`; null if it has none. */
  static of(address: SocketAddress, sys: Sys): SocketFile | null {
    if (!hasFile(address)) return null;
    const stat = lstatSync(address.path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : new SocketFile(address, sys, stat.dev, stat.ino);
  }

  /**
   * Removes the file, if the path still leads to it. Call it before the socket is closed: the inode
   * cannot be reused before. Returns the error, null for none; a second call does nothing and
   * returns the same.
   */
  remove(): SysError | null {
    if (this.#failure === undefined) this.#failure = this.#remove();
    return this.#failure;
  }

  #remove(): SysError | null {
    const { path } = this.#address;
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined || stat.dev !== this.#device || stat.ino !== this.#inode) return null;
    const result = this.#sys.unlink(path);
    // ENOENT: another process was faster.
    if (result >= 0 || result === -this.#sys.abi.errno.ENOENT) return null;
    return sysError(this.#sys, result, 'unlink', 'remove', this.#address);
  }
}

/** Whether an address is a path in the file system, not a port or an abstract name. */
export function hasFile(address: SocketAddress): address is UnixAddress {
  return address.family === 'UNIX' && address.path !== '' && !address.path.startsWith('\0');
}

/**
 * Calls `takeOver`, which removes the file, binds and listens, if the server of `address` is dead:
 * one of connections, or with `SOCK_DGRAM` of datagrams. Servers that start at the same time do so
 * one after the other: one wins. Returns whether `takeOver` was called.
 */
export function ifLeftBehind(
  address: UnixAddress,
  sys: Sys,
  takeOver: () => void,
  type: 'SOCK_STREAM' | 'SOCK_DGRAM' = 'SOCK_STREAM',
): boolean {
  const lock = takeLock(address.path, sys);
  if (lock === null) return false;
  try {
    if (!isDead(address, sys, type)) return false;
    takeOver();
    return true;
  } finally {
    lock.close();
  }
}

/**
 * The lock for a takeover of `path`: an abstract name, which one process of a network namespace can
 * hold, and which the kernel releases with it. Platforms without abstract names have no lock.
 */
function takeLock(path: string, sys: Sys): Socket | null {
  const socket = new Socket('UNIX', { sys });
  if (!sys.abi.behaviours.abstractUnixNames) return socket;
  const { dev, ino } = statSync(dirname(path), { bigint: true });
  const file = encodeURIComponent(basename(path)).slice(0, LOCK_FILE_CHARACTERS_MAX);
  const lock = { family: 'UNIX', path: `\0sockloop ${dev} ${ino} ${file}` } as const;
  try {
    for (let waitedMs = 0; waitedMs <= LOCK_WAIT_MS; waitedMs += LOCK_RETRY_MS) {
      if (isBound(socket, lock)) return socket;
      Atomics.wait(PAUSE, 0, 0, LOCK_RETRY_MS);
    }
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.close();
  return null;
}

function isBound(socket: Socket, address: UnixAddress): boolean {
  try {
    socket.bind(address);
    return true;
  } catch (error) {
    if (error instanceof SysError && error.code === 'EADDRINUSE') return false;
    throw error;
  }
}

/** Whether no process receives on the path, or is about to. */
function isDead(address: UnixAddress, sys: Sys, type: 'SOCK_STREAM' | 'SOCK_DGRAM'): boolean {
  // Linux gives ECONNREFUSED for any other file too.
  if (lstatSync(address.path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  using probe = new Socket('UNIX', { sys, type });
  try {
    // Non-blocking: a stopped server whose queue is full is alive.
    probe.setBlocking(false);
    probe.connect(address);
    return false;
  } catch (error) {
    const refused = error instanceof SysError && error.code === 'ECONNREFUSED';
    // One of datagrams has nothing to be about to: it receives once it is bound.
    return refused && (type === 'SOCK_DGRAM' || !isAboutToListen(address.path));
  }
}

/**
 * A line of /proc/net/unix: a socket of streams (0001) or records (0005), unconnected (01), not
 * listening.
 */
const BOUND_ONLY = /^\S+ \S+ \S+ 00000000 000[15] 01 +\d+ (.*)$/;

/** Whether a process has bound the path and not called listen(2) yet. Only Linux tells. */
function isAboutToListen(path: string): boolean {
  let lines: readonly string[] = [];
  try {
    lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
  } catch {
    // Not on this platform: such a server counts as dead.
  }
  return lines.some((line) => {
    const bound = BOUND_ONLY.exec(line)?.[1];
    return bound !== undefined && mayBeSame(bound, path);
  });
}

/**
 * Whether the path `bound` of another process leads to the file of `path`. One that is relative to
 * the unknown directory of that process may, if its last part is the same.
 */
function mayBeSame(bound: string, path: string): boolean {
  if (bound === path) return true;
  if (basename(bound) !== basename(path)) return false;
  if (!isAbsolute(bound)) return true;
  const [one, other] = [bound, path].map((file) => {
    try {
      return lstatSync(file, { bigint: true });
    } catch {
      // Removed, or in a directory of another user: no path of ours.
      return null;
    }
  });
  return one != null && one.dev === other?.dev && one.ino === other.ino;
}

const PAUSE = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
