import { parentPort, workerData } from 'node:worker_threads';
import { runDatagrams } from '#test/sim/loop/datagram-game.js';
import { runLoop } from '#test/sim/loop/environment.js';
import type { TargetName } from '#test/sim/loop/targets.js';
import { shrink, told } from './story.ts';
import type { Counted } from './tally.ts';

// A thread of a campaign: every `step`th seed from `first` on, over one target after the other,
// until it is told to stop or has run `most` of them.

/** What a thread is given. */
export interface SeedsTask {
  readonly first: number;
  readonly step: number;
  readonly most: number;
  readonly targets: readonly TargetName[];
  /** A word of shared memory: not 0 ends it. */
  readonly stop: Int32Array;
}

/** What a thread says of a seed. */
export interface SeedReport {
  readonly game: string;
  readonly counted: Counted;
  /** Null if it holds. */
  readonly failure: string | null;
}

/** Datagrams are played with every so many seeds. */
const DATAGRAMS_EVERY = 10;

function loopReport(target: TargetName, seed: number): SeedReport {
  const { violation, virtualMs, fired } = runLoop(target, seed);
  const story = violation === null ? null : shrink(target, seed);
  const failure = story === null ? violation : told(target, seed, story);
  return { game: target, counted: { virtualMs, fired }, failure };
}

function datagramReport(target: TargetName, seed: number): SeedReport {
  const game = `datagrams on ${target}`;
  try {
    const { fired, virtualMs } = runDatagrams(target, seed);
    return { game, counted: { virtualMs, fired }, failure: null };
  } catch (error) {
    const variables = `SIM_SEED=${seed} SIM_TARGET=${target}`;
    const command = `${variables} node --test build/test/sim/loop/datagrams.test.js`;
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const failure = `${game}, seed ${seed}: ${words}\n  repeat: ${command}`;
    return { game, counted: { virtualMs: 0, fired: {} }, failure };
  }
}

function run({ first, step, most, targets, stop }: SeedsTask): void {
  for (let count = 0; count < most && Atomics.load(stop, 0) === 0; count += 1) {
    const seed = first + Math.floor(count / targets.length) * step;
    const target = targets[count % targets.length] as TargetName;
    parentPort?.postMessage(loopReport(target, seed));
    if (count % DATAGRAMS_EVERY === 0) parentPort?.postMessage(datagramReport(target, seed));
  }
}

run(workerData as SeedsTask);
