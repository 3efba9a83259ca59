// Goal: the laws of datagrams, D1 to D7, hold for every seed on every backend.
// Method: numbered datagrams over the simulated kernel, faults by seed; what the kernel gives is
// written down beside what is delivered. SIM_SEEDS is the number of seeds of each target, SIM_SEED
// and SIM_TARGET choose one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { datagramFaults, type FaultKind } from '#sim/faults.js';
import { askedOptions, askedSeeds, askedTargets, isReplay } from './asked-seeds.ts';
import { type DatagramBug, runDatagrams } from './datagram-game.ts';

const SMOKE_SEEDS = 20;
/** A bug is found by one of these. */
const SEEDS_WITH_BUG = [1, 2, 3];
const seeds = askedSeeds(SMOKE_SEEDS);

for (const target of askedTargets) {
  test(`sim datagrams: ${target} keeps the laws whatever the network does`, (t) => {
    const seedsWith = new Map<FaultKind, number>(datagramFaults.map((kind) => [kind, 0]));
    let received = 0;
    let dropped = 0;
    for (const seed of seeds) {
      const run = runDatagrams(target, seed, askedOptions());
      const { violation } = run;
      assert.equal(violation, null, `seed ${seed}: SIM_SEED=${seed} SIM_TARGET=${target}`);
      received += run.received;
      dropped += run.dropped;
      for (const kind of datagramFaults) {
        if (run.fired[kind] > 0) seedsWith.set(kind, (seedsWith.get(kind) ?? 0) + 1);
      }
    }
    t.diagnostic(`${received} received, ${dropped} dropped`);
    t.diagnostic([...seedsWith].map(([kind, count]) => `${kind} ${count}`).join(', '));
    if (isReplay) return;
    const asked = datagramFaults.filter((kind) => kind !== 'controlCut');
    const silent = asked.filter((kind) => seedsWith.get(kind) === 0);
    assert.deepEqual(silent, [], 'every fault happens');
    assert.ok(dropped > 0, 'the kernel drops some');
  });
}

test('sim datagrams: a seed is one run', () => {
  assert.equal(runDatagrams('epoll', 3).traceHash, runDatagrams('epoll', 3).traceHash);
});

for (const bug of ['loses one', 'cuts one', 'gives one twice'] as const satisfies DatagramBug[]) {
  test(`sim datagrams: a kernel side that ${bug} is found`, () => {
    for (const target of askedTargets) {
      const found = SEEDS_WITH_BUG.some((seed) => runDatagrams(target, seed, { bug }).violation);
      assert.ok(found, target);
    }
  });
}
