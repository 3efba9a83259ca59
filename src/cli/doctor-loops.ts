import { existsSync } from 'node:fs';
import type { PollerName } from '../poller/poller.ts';
import { pollers } from '../poller/pollers.ts';
import { openStream } from '../sys/descriptors.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { readProcFile, readProcNumber } from './proc.ts';

/** A loop of sockloop on this machine. */
export interface LoopFacts {
  readonly name: PollerName | 'io_uring' | 'threads' | 'blocking';
  readonly available: boolean;
  /** Why not, and what to do; null where it is available. */
  readonly reason: string | null;
}

/** What each loop is for, where it is available. */
export const LOOP_WORDS: Readonly<Record<LoopFacts['name'], string>> = {
  io_uring: 'the kernel makes the calls, in batches',
  epoll: 'one thread, any number of clients',
  kqueue: 'one thread, any number of clients',
  poll: 'one thread; a wait costs more with each client',
  select: 'one thread; only descriptors below FD_SETSIZE',
  threads: 'a thread for each client, blocking calls',
  blocking: 'one client at a time, blocking calls',
};

/** Every loop, best first: those that share a thread, then those that block one. */
export function loopFacts(sys: Sys): LoopFacts[] {
  const events = pollers.map(({ name, available }): LoopFacts => {
    const answer = available(sys);
    if (answer === true) return yes(name);
    return no(name, name === 'kqueue' ? answer.reason + namedLibrary() : answer.reason);
  });
  const reason = reasonWithoutSockets(sys);
  const blocking = (name: 'threads' | 'blocking'): LoopFacts =>
    reason === null ? yes(name) : no(name, reason);
  return [no('io_uring', ringReason(sys)), ...events, blocking('threads'), blocking('blocking')];
}

/** The loop that `auto` takes: the first poller there is. Null where there is none. */
export function autoLoop(loops: readonly LoopFacts[]): LoopFacts['name'] | null {
  const automatic = new Set<string>(pollers.map(({ name }) => name));
  return loops.find(({ name, available }) => available && automatic.has(name))?.name ?? null;
}

function yes(name: LoopFacts['name']): LoopFacts {
  return { name, available: true, reason: null };
}

function no(name: LoopFacts['name'], reason: string): LoopFacts {
  return { name, available: false, reason };
}

function namedLibrary(): string {
  const file = process.env['SOCKLOOP_LIBKQUEUE'];
  if (file === undefined || file === '') return '';
  const state = file.includes('/') && !existsSync(file) ? ', which does not exist' : '';
  return ` (SOCKLOOP_LIBKQUEUE is "${file}"${state})`;
}

/** Why a blocking socket cannot be had; null where it can. */
function reasonWithoutSockets(sys: Sys): string | null {
  const fd = openStream(sys, sys.abi.constants.AF_INET);
  if (fd < 0) return sysError(sys, fd, 'socket', 'open an IPv4 socket').message;
  sys.close(fd);
  return null;
}

/** Why there is no io_uring, and what this kernel would say if there were. */
function ringReason(sys: Sys): string {
  const missing = 'not in this version yet';
  if (!sys.abi.platform.startsWith('linux-')) return `${missing}, and only Linux has it`;
  return `${missing}; ${ringPermission()}${seccomp()}`;
}

/** See the kernel's documentation of sysctls, kernel.io_uring_disabled. */
function ringPermission(): string {
  const disabled = readProcNumber('/proc/sys/kernel/io_uring_disabled');
  if (disabled === null) {
    return 'this kernel has no sysctl kernel.io_uring_disabled (Linux 6.6 and newer have it)';
  }
  const setting = `kernel.io_uring_disabled is ${disabled}`;
  if (disabled === 0) return `this kernel allows it (${setting})`;
  if (disabled === 2) return `this kernel forbids it: ${setting}, set it to 0`;
  const group = readProcNumber('/proc/sys/kernel/io_uring_group');
  const members = group === null || group < 0 ? '' : ` and to group ${group}`;
  return `this kernel allows it to root${members} alone: ${setting}, set it to 0`;
}

/** Containers forbid calls by a filter, whatever the sysctls say: seccomp(2), mode 2. */
function seccomp(): string {
  const status = readProcFile('/proc/self/status') ?? '';
  if (!/^Seccomp:\s*2$/m.test(status)) return '';
  return '; a seccomp filter is in force, as in containers, and may forbid it';
}
