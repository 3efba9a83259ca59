// Goal: the load client counts each message once, in the right second and from the time at which it
// was due, and ends in time, whatever the server and the kernel do, on every backend.
// Method: a thread of it on the simulated kernel, with a second book beside its own, faults and
// misdeeds by seed. SIM_SEEDS is the number of seeds of each target; SIM_SEED, SIM_TARGET and the
// others choose as in loop.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leakCheck } from '#test/harness/leaks.js';
import { askedSeeds, askedTargets, isReplay, TRACE_LINES, testAlso } from './asked-seeds.ts';
import type { LoadBug } from './load-bugs.ts';
import { type LoadRun, runLoad } from './load-game.ts';
import { type PlayOptions, replayed } from './run-options.ts';
import type { TargetName } from './targets.ts';

const SMOKE_SEEDS = 25;
/** Every so many seeds have a large world, with a document at its end. */
const LARGE_EVERY = 8;
const seeds = askedSeeds(SMOKE_SEEDS);

/** Seeds that found a bug, each with that bug. */
const regressions: readonly (readonly [seed: number, target: TargetName, bug: string])[] = [
  [260, 'epoll', 'a run that was stopped before it began sent some messages'],
];

/** Runs one seed, and fails if it has a violation. */
function survive(target: TargetName, seed: number, given: PlayOptions = {}): LoadRun {
  const options = isReplay ? replayed() : given;
  const run = runLoad(target, seed, options);
  if (run.violation === null) return run;
  const { violation } = runLoad(target, seed, { ...options, traceLines: TRACE_LINES });
  const size = options.size === undefined ? '' : ` SIM_SIZE=${options.size}`;
  const variables = `SIM_SEED=${seed} SIM_TARGET=${target}${size}`;
  const replay = `replay: ${variables} node --test build/test/sim/loop/load.test.js`;
  assert.fail(`${target}, seed ${seed}: ${violation}\n${replay}`);
}

for (const target of askedTargets) {
  test(`sim load: on ${target} the books agree whatever goes wrong`, (t) => {
    leakCheck(t);
    let answered = 0;
    let failed = 0;
    for (const seed of seeds) {
      const run = survive(target, seed, seed % LARGE_EVERY === 0 ? { size: 'large' } : {});
      answered += run.answered;
      failed += run.failed;
    }
    t.diagnostic(`${answered} answered, ${failed} failed`);
    if (isReplay) return;
    assert.ok(answered > 0 && failed > 0, 'some are answered, and some fail');
  });
}

testAlso('sim load: the same seed is the same run', (t) => {
  leakCheck(t);
  const hashes = new Set<string>();
  for (const target of askedTargets) {
    for (let seed = 1; seed <= 3; seed += 1) {
      const first = runLoad(target, seed);
      assert.deepEqual(runLoad(target, seed, { traceLines: TRACE_LINES }), first);
      hashes.add(first.traceHash);
    }
  }
  assert.equal(hashes.size, 3 * askedTargets.length, 'and another seed is another run');
});

testAlso('sim load: seeds that found a bug', (t) => {
  leakCheck(t);
  for (const [seed, target] of regressions) survive(target, seed);
});

/** Each bug with its target and the number of seeds that find it. */
const canaries: readonly (readonly [bug: LoadBug, target: TargetName, seeds: number])[] = [
  ['measures from the send', 'epoll', 30],
  ['takes any bytes for the reply', 'io_uring', 30],
  ['counts what is lost twice', 'poll', 30],
  ['counts the warm-up', 'select', 30],
  ['leaves out slow replies', 'kqueue-macos', 30],
  ['sends another byte', 'kqueue-freebsd', 30],
  ['gives up too early', 'epoll', 30],
];

for (const [bug, target, seedsMax] of canaries) {
  testAlso(`sim load: a canary that ${bug} is found within ${seedsMax} seeds`, (t) => {
    leakCheck(t);
    let seed = 1;
    while (seed <= seedsMax && runLoad(target, seed, { bug }).violation === null) seed += 1;
    assert.ok(seed <= seedsMax, 'it was not found');
    const [words] = runLoad(target, seed, { bug }).violation?.split('\n') ?? [];
    t.diagnostic(`${target}: first seed ${seed}: ${words}`);
  });
}
