import { lstatSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { SocketAddress, UnixAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError, sysError } from '../sys/sys-error.ts';
import { Socket } from './socket.ts';

/** A takeover takes less than a millisecond: who holds the lock for so long is stuck. */
const LOCK_WAIT_MS = 2000;
const LOCK_RETRY_MS = 5;

/** An abstract name has 107 bytes at the most, and two numbers come before these. */
const LOCK_FILE_CHARACTERS_MAX = 48;

/**
 * The name of a UNIX socket in the file system: a file, which outlives its server, and which others
 * may remove and replace while it runs.
 */
export class SocketFile {
  readonly #address: UnixAddress;
  readonly #sys: Sys;
  readonly #device: bigint;
  readonly #inode: bigint;
  /** What came of the removal; undefined before it. */
  #failure: SysError | null | undefined;

  private constructor(address: UnixAddress, sys: Sys, device: bigint, inode: bigint) {
    this.#address = address;
    this.#sys = sys;
    this.#device = device;
    this.#inode = inode;
  }

  /** The file of a socket that was just bound to `address`; null for what has none. */
  static of(address: SocketAddress, sys: Sys): SocketFile | null {
    if (!hasFile(address)) return null;
    const stat = lstatSync(address.path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : new SocketFile(address, sys, stat.dev, stat.ino);
  }

  /**
   * Removes the file, if the path still leads to it. Call it before the socket is closed: until
   * then the kernel gives its inode to no other file. Returns the error, null without one; a second
   * call does nothing and returns the same.
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
    // Gone already: somebody else has tidied up.
    if (result >= 0 || result === -this.#sys.abi.errno.ENOENT) return null;
    return sysError(this.#sys, result, 'unlink', 'remove', this.#address);
  }
}

/** Whether an address is a path of the file system, and not a port or an abstract name. */
export function hasFile(address: SocketAddress): address is UnixAddress {
  return address.family === 'UNIX' && address.path !== '' && !address.path.startsWith('\0');
}

/**
 * Calls `takeOver` if a dead server left the file of `address` behind: it removes the file, binds
 * and listens. Servers that start at the same time do so one after the other, so that one of them
 * wins. Returns whether `takeOver` was called.
 */
export function ifLeftBehind(address: UnixAddress, sys: Sys, takeOver: () => void): boolean {
  const lock = takeLock(address.path, sys);
  if (lock === null) return false;
  try {
    if (!isDead(address, sys)) return false;
    takeOver();
    return true;
  } finally {
    lock.close();
  }
}

/**
 * The right to take a path over: an abstract name, which one process of a network namespace can
 * have, and which goes with it. Where there are no such names there is no lock.
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

/** Whether nobody listens on the path, nor is about to. */
function isDead(address: UnixAddress, sys: Sys): boolean {
  // Linux refuses a connection to any other file with ECONNREFUSED too.
  if (lstatSync(address.path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  using probe = new Socket('UNIX', { sys });
  try {
    // Without a wait: a server that is stopped and whose queue is full is alive as well.
    probe.setBlocking(false);
    probe.connect(address);
    return false;
  } catch (error) {
    const refused = error instanceof SysError && error.code === 'ECONNREFUSED';
    return refused && !isAboutToListen(address.path);
  }
}

/** A line of /proc/net/unix: a stream (0001) without a peer (01) that does not listen yet. */
const BOUND_ONLY = /^\S+ \S+ \S+ 00000000 0001 01 +\d+ (.*)$/;

/** Whether some process has bound the path and not called listen(2) yet. Linux alone tells. */
function isAboutToListen(path: string): boolean {
  let lines: readonly string[] = [];
  try {
    lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
  } catch {
    // Elsewhere nobody can tell it from one that has died.
  }
  return lines.some((line) => BOUND_ONLY.exec(line)?.[1] === path);
}

const PAUSE = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
