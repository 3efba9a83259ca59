// Goal: a server that stops, drains or is restarted keeps its promises for every seed, on every
// backend: clients get their bytes or a reason, by the deadline, and nothing is left.
// Method: servers of one port follow each other over a simulated kernel, faults by seed. SIM_SEEDS
// is the number of seeds of each target, SIM_SEED and SIM_TARGET choose one, SIM_KINDS, SIM_FAULTS
// and SIM_WITHOUT what of it is played.

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
import { runRestarts } from './restart-game.ts';
import type { RestartBug } from './restart-servers.ts';
import type { TargetName } from './targets.ts';

const SMOKE_SEEDS = 8;
const seeds = askedSeeds(SMOKE_SEEDS);

for (const target of askedTargets) {
  test(`sim restarts: ${target} drains, stops and hands over`, async (t) => {
    leakCheck(t);
    let servers = 0;
    let handedOver = 0;
    for (const seed of seeds) {
      const options = askedOptions();
      const run = await outOfJobs(() => runRestarts(target, seed, options));
      assert.equal(run.violation, null, `seed ${seed}: SIM_SEED=${seed} SIM_TARGET=${target}`);
      servers += run.servers;
      handedOver += run.handedOver;
    }
    t.diagnostic(`${seeds.length} seeds: ${servers} servers, ${handedOver} took a socket over`);
    if (!isReplay) assert.ok(handedOver > 0 && servers > seeds.length + handedOver);
  });
}

testAlso('sim restarts: the same seed is the same run', async (t) => {
  leakCheck(t);
  for (const target of askedTargets) {
    const first = await outOfJobs(() => runRestarts(target, 3));
    const again = await outOfJobs(() => runRestarts(target, 3, { traceLines: TRACE_LINES }));
    assert.deepEqual(again, first, target);
  }
});

/** Each bug with its target and the number of seeds that find it. */
const canaries: readonly (readonly [bug: RestartBug, target: TargetName, seeds: number])[] = [
  ['closes instead of lingering', 'io_uring', 40],
  ['hands nothing over', 'epoll', 20],
  ['ends later than its deadline', 'poll', 60],
  ['leaves a timer', 'kqueue-macos', 5],
];

for (const [bug, target, seedsMax] of canaries) {
  testAlso(`sim restarts: a server that ${bug} is found within ${seedsMax} seeds`, async (t) => {
    leakCheck(t);
    const find = (): number => {
      let seed = 1;
      while (seed <= seedsMax && runRestarts(target, seed, { bug }).violation === null) seed += 1;
      return seed;
    };
    const seed = await outOfJobs(find);
    assert.ok(seed <= seedsMax, 'it was not found');
    t.diagnostic(`first seed ${seed}`);
  });
}
