// Goal: an acceptor hands each connection to one thread, for every seed on every backend, and none
// is lost when a thread is full, paused, throws, ends or is terminated, nor when it retires.
// Method: the owner and its threads are loops over one simulated kernel, turned in the order of
// the seed, faults by seed. SIM_SEEDS is the number of seeds of each target, SIM_SEED and
// SIM_TARGET choose one, SIM_KINDS, SIM_FAULTS and SIM_WITHOUT what of it is played.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leakCheck } from '#test/harness/leaks.js';
import {
  askedOptions,
  askedSeeds,
  askedTargets,
  isReplay,
  TRACE_LINES,
  testAlso,
} from './asked-seeds.ts';
import { outOfJobs } from './promise-jobs.ts';
import type { TargetName } from './targets.ts';
import { runThreads, type ThreadBug } from './thread-game.ts';

const SMOKE_SEEDS = 8;
const seeds = askedSeeds(SMOKE_SEEDS);

for (const target of askedTargets) {
  test(`sim threads: ${target} hands each connection to one thread`, async (t) => {
    leakCheck(t);
    const seen = { served: 0, handedBack: 0, ends: 0 };
    for (const seed of seeds) {
      const options = askedOptions();
      const run = await outOfJobs(() => runThreads(target, seed, options));
      assert.equal(run.violation, null, `seed ${seed}: SIM_SEED=${seed} SIM_TARGET=${target}`);
      seen.served += run.served;
      seen.handedBack += run.handedBack;
      seen.ends += run.ends;
    }
    const { served, handedBack, ends } = seen;
    t.diagnostic(`${served} served, ${handedBack} of them handed back by ${ends} that ended`);
    if (isReplay) return;
    assert.ok(served > seeds.length && (target === 'completions') === (ends === 0));
  });
}

/** Seeds that found a bug, each with that bug. They always run. */
const regressions: readonly (readonly [seed: number, target: TargetName, bug: string])[] = [
  [25, 'io_uring', 'behind a handler of open that threw, maxConnections did not hold'],
];

testAlso('sim threads: seeds that found a bug', async (t) => {
  leakCheck(t);
  for (const [seed, target] of regressions) {
    const { violation } = await outOfJobs(() => runThreads(target, seed));
    assert.equal(violation, null, `${target}, seed ${seed}`);
  }
});

testAlso('sim threads: the same seed is the same run', async (t) => {
  leakCheck(t);
  for (const target of askedTargets) {
    const first = await outOfJobs(() => runThreads(target, 3));
    const again = await outOfJobs(() => runThreads(target, 3, { traceLines: TRACE_LINES }));
    assert.deepEqual(again, first, target);
  }
});

/** Each bug with its target and the number of seeds that find it. */
const canaries: readonly (readonly [bug: ThreadBug, target: TargetName, seeds: number])[] = [
  ['forgets what was not taken', 'epoll', 30],
  ['hands over twice', 'io_uring', 30],
  ['does not say that it is hungry', 'poll', 30],
  ['drops what waits when it retires', 'kqueue-macos', 30],
];

for (const [bug, target, seedsMax] of canaries) {
  testAlso(`sim threads: a hand-over that ${bug} is found within ${seedsMax} seeds`, async (t) => {
    leakCheck(t);
    const find = (): number => {
      let seed = 1;
      while (seed <= seedsMax && runThreads(target, seed, { bug }).violation === null) seed += 1;
      return seed;
    };
    const seed = await outOfJobs(find);
    assert.ok(seed <= seedsMax, 'it was not found');
    t.diagnostic(`first seed ${seed}`);
  });
}
