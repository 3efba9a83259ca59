import { test } from 'node:test';
import { type PlayOptions, replayed } from './run-options.ts';
import { targetNames } from './targets.ts';

// What a test of a game plays, as the environment asks: SIM_SEEDS seeds of each target, or the seed
// SIM_SEED; SIM_TARGET alone.

const { SIM_SEED: one, SIM_SEEDS: count, SIM_TARGET: target } = process.env;

/** Whether one seed is played, and nothing else. */
export const isReplay = one !== undefined;

/** The calls that a failing replay shows. */
export const TRACE_LINES = 120;

/** The seeds to play: `smoke` of them unless it is said. */
export function askedSeeds(smoke: number): number[] {
  if (one !== undefined) return [Number(one)];
  return Array.from({ length: Number(count ?? smoke) }, (_, at) => at + 1);
}

export const askedTargets = targetNames.filter((name) => target === undefined || name === target);

/** What of a seed is played: all of it, unless it is a replay. */
export function askedOptions(): PlayOptions {
  return isReplay ? { ...replayed(), traceLines: TRACE_LINES } : {};
}

/** A test that a replay leaves out. */
export const testAlso: typeof test | (() => void) = isReplay ? () => undefined : test;
