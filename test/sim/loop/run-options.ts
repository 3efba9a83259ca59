import type { FaultKind } from '#sim/faults.js';
import type { PlantedBug } from './planted-bugs.ts';
import type { WorldSize } from './world-size.ts';

/** What of a seed is played. */
export interface PlayOptions {
  readonly kinds?: readonly FaultKind[];
  /** That of the seed if left out. */
  readonly size?: WorldSize;
  readonly traceLines?: number;
  /** The most faults that happen. */
  readonly faultsMax?: number;
  /** What does not take part, by its name: {@link SeedRun.parts}. */
  readonly without?: ReadonlySet<string>;
}

export interface RunOptions extends PlayOptions {
  readonly bug?: PlantedBug;
}

/** The outcome of one seed. */
export interface SeedRun {
  /** The violation with the last calls; null if there is none. */
  readonly violation: string | null;
  readonly traceHash: string;
  readonly virtualMs: number;
  /** Who and what took part. */
  readonly parts: readonly string[];
  readonly fired: Readonly<Record<FaultKind, number>>;
}

/** The outcome of a seed of a loop. */
export interface LoopRun extends SeedRun {
  readonly turns: number;
}

/** What a replay plays: SIM_KINDS, SIM_FAULTS, SIM_WITHOUT and SIM_SIZE of the environment. */
export function replayed(): PlayOptions {
  const { env } = process;
  const { SIM_KINDS: kinds, SIM_FAULTS: faultsMax, SIM_WITHOUT: without, SIM_SIZE: size } = env;
  return {
    ...(kinds === undefined ? {} : { kinds: kinds.split(',') as FaultKind[] }),
    ...(faultsMax === undefined ? {} : { faultsMax: Number(faultsMax) }),
    ...(without === undefined ? {} : { without: new Set(without.split(',')) }),
    ...(size === undefined ? {} : { size: size as WorldSize }),
  };
}
