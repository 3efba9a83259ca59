// Goal: a correct server survives every seed, and one with a bug does not.
// Method: an echo server over the simulated kernel, clients that compare each byte, faults by seed.
// SIM_SEEDS is the number of seeds; SIM_SEED runs one, and a failure shows its last calls.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FaultKind, FaultPlan } from '#sim/faults.js';
import { SimSys } from '#sim/sim-sys.js';
import { Arm } from './arm.ts';
import { type EchoRun, echoFaults, runEcho } from './echo-environment.ts';
import type { PlantedBug } from './echo-server.ts';

const SEEDS = Number(process.env['SIM_SEEDS'] ?? 300);
const ONE_SEED = process.env['SIM_SEED'];
const TRACE_LINES = 200;

/** Enough for every fault to happen in several of them. */
const FEW_SEEDS = 100;

/** Runs a seed again and returns its failure with the last calls. */
function story(seed: number, bug: PlantedBug = 'none'): string {
  const { violation } = runEcho(seed, bug, echoFaults, TRACE_LINES);
  return `${violation}\nreplay: SIM_SEED=${seed} node --test build/test/sim/echo.test.js`;
}

test('sim echo: every byte comes back, whatever goes wrong', (t) => {
  const seeds =
    ONE_SEED === undefined
      ? Array.from({ length: SEEDS }, (_, index) => index + 1)
      : [Number(ONE_SEED)];
  const begin = performance.now();
  let turns = 0;
  let virtualMs = 0;
  for (const seed of seeds) {
    const run = runEcho(seed);
    assert.equal(run.violation, null, story(seed));
    turns += run.turns;
    virtualMs += run.virtualMs;
  }
  const seconds = (performance.now() - begin) / 1000;
  t.diagnostic(
    `${seeds.length} seeds in ${seconds.toFixed(1)} s: ${(seeds.length / seconds).toFixed(0)} a ` +
      `second, ${(turns / seeds.length).toFixed(0)} turns each, ${(virtualMs / 1000).toFixed(0)} ` +
      'virtual seconds',
  );
});

test('sim echo: the same seed is the same run', () => {
  const hashes = new Set<string>();
  for (let seed = 1; seed <= FEW_SEEDS; seed += 1) {
    const first: EchoRun = runEcho(seed);
    const again = runEcho(seed, 'none', echoFaults, TRACE_LINES);
    assert.deepEqual(again, first, `seed ${seed} ran differently the second time`);
    hashes.add(first.traceHash);
  }
  assert.equal(hashes.size, FEW_SEEDS, 'and another seed is another run');
});

/** Connects to a port without a listener. Returns whether it was refused at once. */
function answeredAtOnce(seed: number): boolean {
  const sys = new SimSys({ seed, faults: FaultPlan.seeded(seed, ['connectAtOnce']) });
  const arm = new Arm(sys, false, 'client');
  const result = arm.connect(arm.socket(), { family: 'IPv4', address: '127.0.0.1', port: 7 });
  const { EINPROGRESS, ECONNREFUSED } = sys.abi.errno;
  const atOnce = sys.kernel.faults.fired.connectAtOnce > 0;
  assert.equal(result, atOnce ? -ECONNREFUSED : -EINPROGRESS);
  return atOnce;
}

test('sim echo: every fault happens', (t) => {
  const seedsWith = Object.fromEntries(echoFaults.map((kind) => [kind, 0])) as Record<
    FaultKind,
    number
  >;
  for (let seed = 1; seed <= FEW_SEEDS; seed += 1) {
    const { fired } = runEcho(seed);
    for (const kind of echoFaults) seedsWith[kind] += fired[kind] > 0 ? 1 : 0;
    // Only a connect of the process can be answered at once, and here the peers connect.
    seedsWith.connectAtOnce += answeredAtOnce(seed) ? 1 : 0;
  }
  const words = echoFaults.map((kind) => `${kind} ${seedsWith[kind]}`);
  t.diagnostic(`of ${FEW_SEEDS} seeds: ${words.join(', ')}`);
  assert.deepEqual(
    echoFaults.filter((kind) => seedsWith[kind] === 0),
    [],
  );
});

test('sim echo: without faults nothing breaks', () => {
  for (let seed = 1; seed <= FEW_SEEDS; seed += 1) {
    const { violation, fired } = runEcho(seed, 'none', []);
    assert.equal(violation, null);
    assert.ok(Object.values(fired).every((count) => count === 0));
  }
});

const bugs: readonly PlantedBug[] = [
  'drops the rest of a partial send',
  'takes EAGAIN for the end',
  'forgets to close',
  'takes EINTR for a failure',
  'retries an interrupted close',
  'never accepts again',
];

const CANARY_SEEDS = 100;

for (const bug of bugs) {
  test(`sim echo: a canary that ${bug} is found`, (t) => {
    let seed = 1;
    while (seed <= CANARY_SEEDS && runEcho(seed, bug).violation === null) seed += 1;
    assert.ok(seed <= CANARY_SEEDS, 'the bug went unnoticed');
    t.diagnostic(`seed ${seed}: ${story(seed, bug).split('\n')[0]}`);
  });
}
