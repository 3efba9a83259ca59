import { existsSync } from 'node:fs';
import type { Sys } from 'sockloop/sys';
import { type BackendEntry, backends } from '#src/loop/backends.js';
import { openStream } from '#src/sys/descriptors.js';
import { sysError } from '#src/sys/sys-error.js';

/** Whether this machine has a loop. */
export interface LoopFacts {
  readonly name: BackendEntry['name'] | 'threads' | 'blocking';
  readonly available: boolean;
  /** Why not, and what to do about it; null if available. */
  readonly reason: string | null;
}

/** What each loop offers. */
export const LOOP_WORDS: Readonly<Record<LoopFacts['name'], string>> = {
  io_uring: 'one thread, any number of clients; the kernel makes the calls',
  epoll: 'one thread, any number of clients',
  kqueue: 'one thread, any number of clients',
  poll: 'one thread; a wait costs more with each client',
  select: 'one thread; only descriptors below FD_SETSIZE',
  threads: 'a thread for each client, blocking calls',
  blocking: 'one client at a time, blocking calls',
};

/** All loops, best first: one thread for all clients, then a thread per client. */
export function loopFacts(sys: Sys): LoopFacts[] {
  const events = backends.map(({ name, available }): LoopFacts => {
    const answer = available(sys);
    if (answer === true) return yes(name);
    return no(name, name === 'kqueue' ? answer.reason + namedLibrary() : answer.reason);
  });
  const reason = reasonWithoutSockets(sys);
  const blocking = (name: 'threads' | 'blocking'): LoopFacts =>
    reason === null ? yes(name) : no(name, reason);
  return [...events, blocking('threads'), blocking('blocking')];
}

/** The loop that `auto` takes: the first available event loop; null if there is none. */
export function autoLoop(loops: readonly LoopFacts[]): LoopFacts['name'] | null {
  const automatic = new Set<string>(backends.map(({ name }) => name));
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

/** Why no blocking socket can be opened; null if one can. */
function reasonWithoutSockets(sys: Sys): string | null {
  const fd = openStream(sys, sys.abi.constants.AF_INET);
  if (fd < 0) return sysError(sys, fd, 'socket', 'open an IPv4 socket').message;
  sys.close(fd);
  return null;
}
