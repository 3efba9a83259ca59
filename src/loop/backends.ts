import { shown } from '../base/arguments.ts';
import { pollers } from '../poller/pollers.ts';
import { whyNoRing } from '../ring/open-ring.ts';
import { ringAvailable } from '../ring/probe.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError } from '../sys/sys-error.ts';
import type { Backend } from './backend.ts';
import { ReadinessBackend } from './readiness/backend.ts';
import { RingBackend } from './ring/backend.ts';

/** The name of a loop that can be asked for; `auto` is the best that this machine has. */
export type LoopName = 'auto' | BackendEntry['name'];

/** One backend: whether it is there, and how it begins. */
export interface BackendEntry {
  readonly name: 'io_uring' | 'epoll' | 'kqueue' | 'poll' | 'select';
  /** Tries the calls: true, or why it cannot be had here. There may be no room for one now. */
  available(sys: Sys): true | { readonly reason: string };
  /** Opens one. Throws a SysError (`EMFILE`, `ENOMEM`). */
  create(sys: Sys): Backend;
}

/** A loop that cannot be had, and why: the call that failed, and what to do. */
export interface MissingLoop {
  readonly name: BackendEntry['name'];
  readonly reason: string;
  /** The errno of the call (`ENOMEM`), null where none failed. */
  readonly code: string | null;
}

/** A backend that was opened, and the better ones that could not be. */
interface BackendChoice {
  readonly backend: Backend;
  readonly missing: readonly MissingLoop[];
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
 * Opens the backend of that name. `auto` takes the first of the table that can be opened now.
 *
 * @throws RangeError for a name that is none.
 * @throws Error that says why where this machine cannot have it now.
 */
export function chooseBackend(name: LoopName, sys: Sys): BackendChoice {
  requireLoopName(name);
  const entries = name === 'auto' ? backends : backends.filter((entry) => entry.name === name);
  const missing: MissingLoop[] = [];
  for (const entry of entries) {
    const opened = open(entry, sys);
    if (!('reason' in opened)) return { backend: opened, missing };
    missing.push({ name: entry.name, ...opened });
  }
  const reasons = missing.map((one) =>
    name === 'auto' ? `${one.name}: ${one.reason}` : one.reason,
  );
  const what = name === 'auto' ? 'any event loop' : `the loop ${name}`;
  throw new Error(`cannot use ${what}: ${reasons.join('; ')}`);
}

/** The backend of {@link chooseBackend}, for who does not ask for reasons. */
export function createBackend(name: LoopName, sys: Sys): Backend {
  return chooseBackend(name, sys).backend;
}

/** Opens a backend, or says why not. */
function open(entry: BackendEntry, sys: Sys): Backend | Pick<MissingLoop, 'reason' | 'code'> {
  // A ring is opened to find out: there was room for one a moment ago, and may be none now.
  const isRing = entry === ring;
  const available = isRing && sys.abi.ioUring !== null ? true : entry.available(sys);
  if (available !== true) return { ...available, code: null };
  try {
    return entry.create(sys);
  } catch (error) {
    const code = error instanceof SysError ? error.code : null;
    const ringReason = isRing ? whyNoRing(sys, error) : null;
    if (ringReason !== null) return { reason: ringReason, code };
    // select(2) cannot hold its own waker where too many descriptors are open: a RangeError.
    if (code !== null || error instanceof RangeError)
      return { reason: String((error as Error).message), code };
    throw error;
  }
}

function requireLoopName(name: unknown): void {
  if (name === 'auto' || backends.some((entry) => entry.name === name)) return;
  const names = backends.map((entry) => entry.name).join(', ');
  throw new RangeError(`there is no loop called ${shown(name)}, only auto, ${names}`);
}
