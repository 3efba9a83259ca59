// Goal: a correct loop survives every seed on every backend, and one with a bug does not.
// Method: servers, clients and outward connections over the simulated kernel, faults by seed.
// SIM_SEEDS is the number of seeds of each target. SIM_SEED runs one seed, SIM_TARGET one target,
// SIM_KINDS with these faults only, SIM_FAULTS with so many at most, SIM_WITHOUT without these
// parts, SIM_SIZE a small or a large world. A failure shows the last calls.

import assert from 'node:assert/strict';
import { execFileSync, type StdioOptions } from 'node:child_process';
import { test } from 'node:test';
import type { FaultKind } from '#sim/faults.js';
import { askedSeeds, askedTargets, isReplay, TRACE_LINES, testAlso } from './asked-seeds.ts';
import { runLoop } from './environment.ts';
import type { PlantedBug } from './planted-bugs.ts';
import { type LoopRun, type RunOptions, replayed } from './run-options.ts';
import { faultsOf, type TargetName } from './targets.ts';

/** For each target: every fault happens in several of them. */
const SMOKE_SEEDS = 80;
/** Every so many seeds have a large world. */
const LARGE_EVERY = 10;
const HASHED_SEEDS = 10;

/** Seeds that found a bug, each with that bug. They always run. */
const regressions: readonly (readonly [seed: number, target: TargetName, bug: string])[] = [
  [4, 'epoll', 'one descriptor that epoll had no room for (ENOSPC) ended the whole loop'],
  [4, 'kqueue-macos', 'one descriptor that a kqueue had no memory for ended the whole loop'],
  [73, 'epoll', 'a server whose listener epoll had no room for gave up instead of waiting'],
  [525, 'kqueue-macos', 'a stream failed after its reset, in the handler where a write had failed'],
  [158, 'completions', 'a simulated accept that completed after its listener closed stayed open'],
  [15, 'epoll', 'a timer that epoll had no room for (ENOSPC) was left open, and the loop with it'],
  [17958815293159, 'epoll', 'a watch that epoll had no room for was never tried again'],
  [17958861560238, 'io_uring', 'a lack of descriptors was told of a listener that is paused'],
  [77, 'poll', 'a look-up started by a timer waited for the whole turn'],
];

/** Runs a seed again and returns its failure with the last calls. */
function story(target: TargetName, seed: number, options: RunOptions = {}): string {
  const { violation } = runLoop(target, seed, { ...options, traceLines: TRACE_LINES });
  const size = options.size === undefined ? '' : ` SIM_SIZE=${options.size}`;
  const variables = `SIM_SEED=${seed} SIM_TARGET=${target}${size}`;
  return `${violation}\nreplay: ${variables} node --test build/test/sim/loop/loop.test.js`;
}

/** Runs one seed, and fails if it has a violation. */
function survive(target: TargetName, seed: number, given: RunOptions = {}): LoopRun {
  const options = isReplay ? replayed() : given;
  const run = runLoop(target, seed, options);
  if (run.violation === null) return run;
  assert.fail(`${target}, seed ${seed}: ${story(target, seed, options)}`);
}

for (const target of askedTargets) {
  test(`sim loop: ${target} survives whatever goes wrong`, (t) => {
    const seeds = askedSeeds(SMOKE_SEEDS);
    const kinds = faultsOf(target);
    const seedsWith = new Map<FaultKind, number>(kinds.map((kind) => [kind, 0]));
    const begin = performance.now();
    let turns = 0;
    let virtualMs = 0;
    for (const seed of seeds) {
      const run = survive(target, seed, seed % LARGE_EVERY === 0 ? { size: 'large' } : {});
      turns += run.turns;
      virtualMs += run.virtualMs;
      for (const kind of kinds) {
        if (run.fired[kind] > 0) seedsWith.set(kind, (seedsWith.get(kind) ?? 0) + 1);
      }
    }
    const seconds = (performance.now() - begin) / 1000;
    t.diagnostic(
      `${seeds.length} seeds in ${seconds.toFixed(1)} s: ` +
        `${(seeds.length / seconds).toFixed(0)} a second, ` +
        `${(turns / seeds.length).toFixed(0)} turns each, ` +
        `${(virtualMs / 1000).toFixed(0)} virtual seconds`,
    );
    t.diagnostic([...seedsWith].map(([kind, count]) => `${kind} ${count}`).join(', '));
    const silent = kinds.filter((kind) => seedsWith.get(kind) === 0);
    if (seeds.length >= SMOKE_SEEDS) assert.deepEqual(silent, [], 'faults that never fired');
  });

  testAlso(`sim loop: on ${target} the same seed is the same run`, () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= HASHED_SEEDS; seed += 1) {
      const first = runLoop(target, seed);
      const again = runLoop(target, seed, { traceLines: TRACE_LINES });
      assert.deepEqual(again, first, `seed ${seed} ran differently the second time`);
      hashes.add(first.traceHash);
    }
    assert.equal(hashes.size, HASHED_SEEDS, 'and another seed is another run');
  });
}

testAlso('sim loop: seeds that found a bug', () => {
  for (const [seed, target] of regressions) {
    survive(target, seed);
    survive(target, seed, { size: 'large' });
  }
});

testAlso('sim loop: without faults nothing breaks', () => {
  for (const target of askedTargets) {
    for (let seed = 1; seed <= HASHED_SEEDS; seed += 1) {
      const { violation, fired } = runLoop(target, seed, { kinds: [] });
      assert.equal(violation, null, `${target}, seed ${seed}`);
      assert.ok(Object.values(fired).every((count) => count === 0));
    }
  }
});

testAlso('sim loop: the seed of this commit', (t) => {
  let hash = '';
  try {
    const stdio: StdioOptions = ['ignore', 'pipe', 'ignore'];
    hash = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8', stdio }).trim();
  } catch {
    t.skip('this is no git checkout, so there is no commit to take a seed from');
    return;
  }
  const seed = Number.parseInt(hash.slice(0, 12), 16);
  t.diagnostic(`seed ${seed}`);
  for (const target of askedTargets) survive(target, seed);
});

/** Each bug with its target and the number of seeds that find it. */
const canaries: readonly (readonly [bug: PlantedBug, target: TargetName, seeds: number])[] = [
  ['drops the rest of a partial send', 'epoll', 20],
  ['takes EAGAIN for the end', 'epoll', 50],
  ['forgets close(2)', 'select', 20],
  ['takes EMFILE for the end of the listener', 'epoll', 50],
  ['reports a close inside of the call', 'poll', 20],
  ['receives while it is paused', 'kqueue-macos', 20],
  ['sends the FIN before the queue', 'kqueue-freebsd', 50],
  ['forgets to wait for writing', 'kqueue-libkqueue', 20],
  ['counts timers from the beginning of the turn', 'epoll', 20],
  ['has tokens without a generation', 'completions', 100],
  ['takes a multishot that has ended for going on', 'io_uring', 20],
  ['overlooks a short write', 'io_uring', 20],
  ['closes before the ring has let go', 'io_uring', 20],
];

for (const [bug, target, seedsMax] of canaries) {
  testAlso(`sim loop: a canary that ${bug} is found within ${seedsMax} seeds`, (t) => {
    let seed = 1;
    while (seed <= seedsMax && runLoop(target, seed, { bug }).violation === null) seed += 1;
    assert.ok(seed <= seedsMax, 'it was not found');
    const words = story(target, seed, { bug }).split('\n')[0];
    t.diagnostic(`${target}: first seed ${seed}: ${words}`);
  });
}
