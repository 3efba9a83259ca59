import type { PollerName } from '../poller/poller.ts';
import { pollers } from '../poller/pollers.ts';
import type { Sys } from '../sys/sys.ts';
import type { Backend } from './backend.ts';
import { ReadinessBackend } from './readiness-backend.ts';

/** The name of a loop that can be asked for; `auto` is the best that this machine has. */
export type LoopName = 'auto' | PollerName;

/**
 * The backend of that name. Throws an Error that says why where this machine cannot have it.
 *
 * `auto` takes the first of the table that is available: the pollers are listed best first.
 */
export function createBackend(name: LoopName, sys: Sys): Backend {
  const reasons: string[] = [];
  for (const entry of pollers) {
    if (name !== 'auto' && entry.name !== name) continue;
    const available = entry.available(sys);
    if (available === true) return new ReadinessBackend(sys, entry.create(sys));
    reasons.push(name === 'auto' ? `${entry.name}: ${available.reason}` : available.reason);
  }
  const what = name === 'auto' ? 'any event loop' : `the loop ${name}`;
  throw new Error(`cannot use ${what}: ${reasons.join('; ')}`);
}
