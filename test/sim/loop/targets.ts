import { type FaultKind, type FaultPlan, ringFaults, streamFaults } from '#sim/faults.js';
import type { SimLimits } from '#sim/kernel.js';
import type { SimRings } from '#sim/ring/ring-calls.js';
import { SimBackend } from '#sim/sim-backend.js';
import type { SimSys } from '#sim/sim-sys.js';
import { Random } from '#src/base/random.js';
import type { Backend } from '#src/loop/backend.js';
import { ReadinessBackend } from '#src/loop/readiness/backend.js';
import { RingBackend } from '#src/loop/ring/backend.js';
import { loopPollers } from '#src/poller/pollers.js';
import type { Abi } from '#src/sys/abi/abi.js';
import { abiFor } from '#src/sys/abi/index.js';
import {
  BareSlab,
  BuggyBackend,
  HastyRingBackend,
  MisreadSys,
  type PlantedBug,
} from './planted-bugs.ts';
import { takeSpareMemory } from './spare-memory.ts';

/** The platform and the backend of a simulated loop. */
interface LoopTarget {
  readonly platform: string;
  /** null is the simulated completion backend. */
  readonly poller: 'io_uring' | 'epoll' | 'poll' | 'select' | 'kqueue' | null;
  /** The faults that cannot happen there. */
  readonly without: readonly FaultKind[];
}

const table = {
  io_uring: { platform: 'linux', poller: 'io_uring', without: ['changeError'] },
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
  const kinds = isRing(name) ? [...streamFaults, ...ringFaults] : streamFaults;
  return kinds.filter((kind) => !without.includes(kind));
}

/** Whether a target has the loop of io_uring. */
export function isRing(name: TargetName): boolean {
  return table[name].poller === 'io_uring';
}

/** Small queues overflow, and an older kernel lacks abilities. */
function ringsOf(seed: number): { readonly rings: SimRings; readonly ringEntriesMax: number } {
  const random = new Random(seed, 'rings');
  const limitedReceives = random.chance(0.7);
  const periodicTimeouts = limitedReceives || random.chance(0.5);
  const noSqArray = periodicTimeouts && random.chance(0.8);
  const ringEntriesMax = random.chance(0.5) ? 32_768 : 2 ** random.between(0, 4);
  return { rings: { limitedReceives, periodicTimeouts, noSqArray }, ringEntriesMax };
}

export interface SysOptions {
  readonly seed: number;
  readonly faults: FaultPlan;
  readonly limits: Partial<SimLimits>;
  readonly traceLines: number;
}

/** The kernel of a target. */
export function createSys(name: TargetName, options: SysOptions): MisreadSys {
  const { rings, ringEntriesMax } = ringsOf(options.seed);
  const limits = { ...options.limits, ringEntriesMax };
  return new MisreadSys({ ...options, limits, rings, abi: platformOf(name) });
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
  if (poller === 'io_uring') return new RingBackend(sys);
  if (poller !== null) return createReadiness(poller, sys, null);
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
  if (poller === 'io_uring') {
    const hasty = bug === 'closes before the ring has let go';
    return hasty ? new HastyRingBackend(sys) : new RingBackend(sys);
  }
  return createReadiness(poller, sys, bug === null ? null : { sys, bug });
}

function createReadiness(
  poller: string,
  sys: SimSys,
  planted: { readonly sys: MisreadSys; readonly bug: PlantedBug } | null,
): Backend {
  const entry = loopPollers.find((one) => one.name === poller);
  if (entry === undefined) throw new Error(`there is no poller ${poller}`);
  const made = entry.create(sys);
  const memory = takeSpareMemory();
  const options = memory === undefined ? {} : { memory };
  return planted === null
    ? new ReadinessBackend(sys, made, options)
    : new BuggyBackend(planted.sys, made, planted.bug, options);
}
