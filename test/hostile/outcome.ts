import type { Attack } from './attack.ts';
import type { Conditions, LoopName } from './conditions.ts';
import type { Measured } from './journal.ts';

/** An attack on a loop, under conditions. */
export interface Cell {
  readonly attack: Attack;
  readonly conditions: Conditions;
  readonly loop: LoopName;
}

/** What a cell has come to. */
export interface Outcome {
  readonly cell: Cell;
  /** What must not be; none if all is well. */
  readonly findings: readonly string[];
  /** The good clients without the attack, and beside it; null where they take turns. */
  readonly quiet: Measured | null;
  readonly beside: Measured | null;
  /** How long a new client waited for all it wanted, the attack over. */
  readonly visitMs: number;
  readonly memory: { readonly peakBytes: number; readonly maxBytes: number };
  readonly sockets: { readonly before: number; readonly most: number; readonly after: number };
  /** The share of a core while only stuck peers are there; null where they are not stuck. */
  readonly cpuShare: number | null;
}

export function nameOf({ attack, conditions, loop }: Cell): string {
  return `${attack.name} | ${loop} | ${conditions.name}`;
}
