import type { FaultKind } from '#sim/faults.js';
import type { PlantedBug } from './planted-bugs.ts';

export interface RunOptions {
  readonly bug?: PlantedBug;
  readonly kinds?: readonly FaultKind[];
  readonly traceLines?: number;
  /** The most faults that happen. */
  readonly faultsMax?: number;
  /** What does not take part, by its name: {@link LoopRun.parts}. */
  readonly without?: ReadonlySet<string>;
}

/** The outcome of one seed. */
export interface LoopRun {
  /** The violation with the last calls; null if there is none. */
  readonly violation: string | null;
  readonly traceHash: string;
  readonly turns: number;
  readonly virtualMs: number;
  /** Who and what took part besides the server. */
  readonly parts: readonly string[];
  readonly fired: Readonly<Record<FaultKind, number>>;
}
