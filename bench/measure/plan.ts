import { REST_MS } from '#tools/measure/timed-slice.js';
import type { Case } from './cases.ts';
import type { WarmUp } from './running-servers.ts';

/** How much is measured, so that it ends in time. */

export interface Pace extends WarmUp {
  /** When a server meets a case for the first time: there is code that was not compiled yet. */
  readonly caseWarmUpMs: number;
  /** For slices, over all cases; warming up, connecting and counting calls come on top. */
  readonly slicesMs: number;
  readonly roundsMin: number;
  readonly roundsMax: number;
}

/** About eight minutes with ten peers. */
export const FULL: Pace = {
  messages: 400_000,
  ms: 4000,
  caseWarmUpMs: 400,
  slicesMs: 270_000,
  roundsMin: 5,
  roundsMax: 20,
};

/** Under a minute with four. */
export const QUICK: Pace = {
  messages: 400_000,
  ms: 1000,
  caseWarmUpMs: 150,
  slicesMs: 16_000,
  roundsMin: 2,
  roundsMax: 4,
};

/** A case is left and returned to, so that a drift of the machine spreads over all of them. */
const ROUNDS_PER_PASS = 5;

/** So many rounds fit into the time: a slice of each contender, and one of the reference. */
export function roundsIn(
  pace: Pace,
  contenders: number,
  cases: readonly Case[],
  sliceMs: number,
): number {
  const roundMs = contenders * cases.length * 2 * (sliceMs + REST_MS);
  const rounds = roundMs === 0 ? pace.roundsMax : Math.floor(pace.slicesMs / roundMs);
  return Math.min(Math.max(rounds, pace.roundsMin), pace.roundsMax);
}

/** The rounds of each pass over the cases: as equal as can be. */
export function passesOf(rounds: number): number[] {
  const count = Math.ceil(rounds / ROUNDS_PER_PASS);
  return Array.from({ length: count }, (_, i) => {
    return Math.floor((rounds * (i + 1)) / count) - Math.floor((rounds * i) / count);
  });
}
