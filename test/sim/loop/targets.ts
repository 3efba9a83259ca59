import { type FaultKind, type FaultPlan, streamFaults } from '#sim/faults.js';
import type { SimLimits } from '#sim/kernel.js';
import { SimBackend } from '#sim/sim-backend.js';
import type { SimSys } from '#sim/sim-sys.js';
import { Random } from '#src/base/random.js';
import type { Backend } from '#src/loop/backend.js';
import { createBackend } from '#src/loop/backends.js';
import { ReadinessBackend } from '#src/loop/readiness/backend.js';
import { loopPollers } from '#src/poller/pollers.js';
import type { Abi } from '#src/sys/abi/abi.js';
import { abiFor } from '#src/sys/abi/index.js';
import { BareSlab, BuggyBackend, MisreadSys, type PlantedBug } from './planted-bugs.ts';

/** The platform and the backend of a simulated loop. */
interface LoopTarget {
  readonly platform: string;
  /** null is the simulated completion backend. */
  readonly poller: 'epoll' | 'poll' | 'select' | 'kqueue' | null;
  /** The faults that cannot happen there. */
  readonly without: readonly FaultKind[];
}

const table = {
  epoll: { platform: 'linux', poller: 'epoll', without: [] },
  poll: { platform: 'linux', poller: 'poll', without: ['shuffledEvents', 'changeError'] },
  select: { platform: 'linux', poller: 'select', without: ['shuffledEvents', 'changeError'] },
  'kqueue-macos': { platform: 'darwin', poller: 'kqueue', without: [] },
  'kqueue-freebsd': { platform: 'freebsd', poller: 'kqueue', without: [] },
  'kqueue-libkqueue': { platform: 'linux', poller: 'kqueue', without: [] },
  // It registers nothing and has no events of the kernel.
  completions: { platform: 'linux', poller: null, without: ['shuffledEvents', 'changeError'] },
} as const satisfies Record<string, LoopTarget>;

export type TargetName = keyof typeof table;

export const targetNames = Object.keys(table) as readonly TargetName[];

/** The faults that can happen on a target. */
export function faultsOf(name: TargetName): FaultKind[] {
  const { without }: LoopTarget = table[name];
  return streamFaults.filter((kind) => !without.includes(kind));
}

export interface SysOptions {
  readonly seed: number;
  readonly faults: FaultPlan;
  readonly limits: Partial<SimLimits>;
  readonly traceLines: number;
}

/** The kernel of a target. */
export function createSys(name: TargetName, options: SysOptions): MisreadSys {
  return new MisreadSys({ ...options, abi: platformOf(name) });
}

/** The table of the platform of a target. */
export function platformOf(name: TargetName): Abi {
  const abi = abiFor(table[name].platform, 'x64');
  if (abi === null) throw new Error(`there is no table for ${table[name].platform}`);
  return abi;
}

/** The backend of a target over any simulated kernel. */
export function createBackendOf(name: TargetName, sys: SimSys): Backend {
  const { poller }: LoopTarget = table[name];
  if (poller !== null) return createBackend(poller, sys);
  const pass = (timeMs: number): void => {
    sys.poll(new Uint8Array(sys.abi.structs.pollfd.size), 0, timeMs);
  };
  return new SimBackend(sys, new Random(sys.kernel.seed, 'backend'), pass);
}

/** The backend of a target. Throws a SysError if it gets no descriptor. */
export function createTarget(name: TargetName, sys: MisreadSys, bug: PlantedBug | null): Backend {
  const { poller }: LoopTarget = table[name];
  if (poller === null) {
    const pass = (timeMs: number): void => {
      sys.poll(new Uint8Array(sys.abi.structs.pollfd.size), 0, timeMs);
    };
    const random = new Random(sys.kernel.seed, 'backend');
    return bug === 'has tokens without a generation'
      ? new SimBackend(sys, random, pass, new BareSlab())
      : new SimBackend(sys, random, pass);
  }
  const entry = loopPollers.find((one) => one.name === poller);
  if (entry === undefined) throw new Error(`there is no poller ${poller}`);
  const made = entry.create(sys);
  return bug === null ? new ReadinessBackend(sys, made) : new BuggyBackend(sys, made, bug);
}
