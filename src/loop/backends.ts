import { shown } from '../base/arguments.ts';
import { pollers } from '../poller/pollers.ts';
import { ringAvailable } from '../ring/probe.ts';
import type { Sys } from '../sys/sys.ts';
import type { Backend } from './backend.ts';
import { ReadinessBackend } from './readiness-backend.ts';
import { RingBackend } from './ring-backend.ts';

/** The name of a loop that can be asked for; `auto` is the best that this machine has. */
export type LoopName = 'auto' | BackendEntry['name'];

/** One backend: whether it is there, and how it begins. */
export interface BackendEntry {
  readonly name: 'io_uring' | 'epoll' | 'kqueue' | 'poll' | 'select';
  /** Tries the calls: true, or why it cannot be had here. */
  available(sys: Sys): true | { readonly reason: string };
  /** Opens one. Throws a SysError (`EMFILE`). */
  create(sys: Sys): Backend;
}

const ring: BackendEntry = {
  name: 'io_uring',
  available: ringAvailable,
  create: (sys) => new RingBackend(sys),
};

/** Every backend, best first, available or not. */
export const backends: readonly BackendEntry[] = [
  ring,
  ...pollers.map(
    (poller): BackendEntry => ({
      name: poller.name,
      available: (sys) => poller.available(sys),
      create: (sys) => new ReadinessBackend(sys, poller.create(sys)),
    }),
  ),
];

/**
 * The backend of that name. Throws a RangeError for a name that is none, an Error that says why
 * where this machine cannot have it.
 *
 * `auto` takes the first of the table that is available.
 */
export function createBackend(name: LoopName, sys: Sys): Backend {
  requireLoopName(name);
  const reasons: string[] = [];
  for (const entry of backends) {
    if (name !== 'auto' && entry.name !== name) continue;
    const available = entry.available(sys);
    if (available === true) return entry.create(sys);
    reasons.push(name === 'auto' ? `${entry.name}: ${available.reason}` : available.reason);
  }
  const what = name === 'auto' ? 'any event loop' : `the loop ${name}`;
  throw new Error(`cannot use ${what}: ${reasons.join('; ')}`);
}

function requireLoopName(name: unknown): void {
  if (name === 'auto' || backends.some((entry) => entry.name === name)) return;
  const names = backends.map((entry) => entry.name).join(', ');
  throw new RangeError(`there is no loop called ${shown(name)}, only auto, ${names}`);
}
