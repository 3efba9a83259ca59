import { shown } from '../base/arguments.ts';
import { loopPollers } from '../poller/pollers.ts';
import { whyNoRing } from '../ring/open-ring.ts';
import { ringAvailable } from '../ring/probe.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError } from '../sys/sys-error.ts';
import type { Backend } from './backend.ts';
import { ReadinessBackend } from './readiness/backend.ts';
import { RingBackend } from './ring/backend.ts';

/** The name of a loop; `auto` takes the best one that this machine has. */
export type LoopName = 'auto' | BackendEntry['name'];

/** One backend: whether this machine has it, and how to open it. */
export interface BackendEntry {
  readonly name: 'io_uring' | 'epoll' | 'kqueue' | 'poll' | 'select';
  /** Tries the system calls. Returns true, or why they fail here. Opening one may still fail. */
  available(sys: Sys): true | { readonly reason: string };
  /**
   * Opens one. Throws a SysError (`EMFILE`, `ENOMEM`). Over a poller, `batch` makes the calls of a
   * turn together where the Sys can (default: true).
   */
  create(sys: Sys, batch?: boolean): Backend;
}

/** A loop that cannot be used, and why: the call that failed, and what to do. */
export interface MissingLoop {
  readonly name: BackendEntry['name'];
  readonly reason: string;
  /** The errno of the call (`ENOMEM`), null where none failed. */
  readonly code: string | null;
}

/** An open backend, and the better ones that could not be opened. */
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
  ...loopPollers.map(
    (poller): BackendEntry => ({
      name: poller.name,
      available: (sys) => poller.available(sys),
      create: (sys, batch = true) =>
        new ReadinessBackend(sys, poller.create(sys), { oneByOne: !batch }),
    }),
  ),
];

/**
 * Opens a backend by its name. `auto` takes the first of {@link backends} that can be opened.
 * `batch` is that of {@link BackendEntry.create}.
 *
 * @throws RangeError for an unknown name.
 * @throws Error with the reason if it cannot be opened.
 */
export function chooseBackend(name: LoopName, sys: Sys, batch = true): BackendChoice {
  requireLoopName(name);
  const entries = name === 'auto' ? backends : backends.filter((entry) => entry.name === name);
  const missing: MissingLoop[] = [];
  for (const entry of entries) {
    const opened = open(entry, sys, batch);
    if (!('reason' in opened)) return { backend: opened, missing };
    missing.push({ name: entry.name, ...opened });
  }
  const reasons = missing.map((one) =>
    name === 'auto' ? `${one.name}: ${one.reason}` : one.reason,
  );
  const what = name === 'auto' ? 'any event loop' : `the loop ${name}`;
  throw new Error(`cannot use ${what}: ${reasons.join('; ')}`);
}

/** Opens the backend of {@link chooseBackend}, without the reasons. */
export function createBackend(name: LoopName, sys: Sys): Backend {
  return chooseBackend(name, sys).backend;
}

/** Opens a backend. Returns the reason if that fails. */
function open(
  entry: BackendEntry,
  sys: Sys,
  batch: boolean,
): Backend | Pick<MissingLoop, 'reason' | 'code'> {
  // Only opening a ring tells: the memory may be used up since the last one.
  const isRing = entry === ring;
  const available = isRing && sys.abi.ioUring !== null ? true : entry.available(sys);
  if (available !== true) return { ...available, code: null };
  try {
    return entry.create(sys, batch);
  } catch (error) {
    const code = error instanceof SysError ? error.code : null;
    const ringReason = isRing ? whyNoRing(sys, error) : null;
    if (ringReason !== null) return { reason: ringReason, code };
    // A RangeError: with many open descriptors the waker of select(2) is above FD_SETSIZE.
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
