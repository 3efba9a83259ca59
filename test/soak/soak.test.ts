// Goal: no server leaks or loses anything under the mixed load of `make soak`, in its short form; a
// leak of each kind is found; docs/soak.md has every server.
// Method: the servers of subjects.ts with few short rounds; planted leaks; lines of known slopes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Random } from '#src/base/random.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutLoop } from '#test/harness/loops.js';
import { reasonWithoutProc } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import type { Plant } from './loop-child.ts';
import { slopeOf } from './slope.ts';
import { type SoakPlan, soak } from './soak-subject.ts';
import { loopSubject, subjectPlans } from './subjects.ts';

const timeout = 120_000;
const SHORT = {
  warmUps: 2,
  rounds: 5,
  roundMs: 60,
  seed: 1,
  judgesRss: false,
};
/** Where each round starts a process or a thread. */
const SHORTER = { ...SHORT, warmUps: 1, rounds: 2 };

for (const plan of subjectPlans.filter(({ short }) => short)) {
  const missing = plan.loop === null ? false : reasonWithoutLoop(plan.loop);
  const skip = missing === false ? reasonWithoutProc : missing;
  test(`soak: ${plan.name}`, { skip, timeout }, async (t) => {
    leakCheck(t);
    const form = /threads that end|SIGUSR2/.test(plan.name) ? SHORTER : SHORT;
    const { faults, ledger } = await soak(t, plan, form);
    assert.deepEqual(faults, []);
    assert.ok(ledger.connections + ledger.datagrams > 0);
  });
}

const PLANTS: readonly (readonly [readonly Plant[], readonly RegExp[], Partial<SoakPlan>])[] = [
  [
    ['descriptor', 'timer', 'node timer'],
    [/^descriptors: .*\/dev\/null/, /^the loop still waits/, /^handles: .*Timeout/],
    { roundMs: 20 },
  ],
  [['buffer'], [/^what buffers take grows/], { roundMs: 150, clients: 16 }],
  [['byte'], [/wrong byte|own client: \d+ of \d+ bytes/], { roundMs: 20 }],
];

for (const [plants, expected, also] of PLANTS) {
  const skip = reasonWithoutProc;
  const title = `soak: a planted leak is found: ${plants.join(', ')}`;
  test(title, { skip, timeout }, async (t) => {
    leakCheck(t);
    const subject = loopSubject('poll', plants);
    const { faults } = await soak(t, subject, { ...SHORT, ...also });
    for (const one of expected) {
      assert.ok(
        faults.some((fault) => one.test(fault)),
        `no ${one}: ${faults.join('; ')}`,
      );
    }
  });
}

test('soak: the interval of a slope has the slope of the line in it', () => {
  const random = new Random(3);
  let within = 0;
  const lines = 400;
  for (let line = 0; line < lines; line += 1) {
    const noise = (): number => random.fraction() + random.fraction() + random.fraction() - 1.5;
    const points = Array.from({ length: 8 }, (_, x) => [x, 5 + 3 * x + noise()] as const);
    const { perX, halfWidth } = slopeOf(points);
    if (Math.abs(perX - 3) <= halfWidth) within += 1;
  }
  assert.ok(within > 0.97 * lines && within < lines, `${within} of ${lines}`);
  assert.equal(slopeOf([[0, 1]]).halfWidth, Number.POSITIVE_INFINITY);
  const exact = slopeOf([
    [0, 1],
    [1, 3],
    [2, 5],
  ]);
  assert.deepEqual(exact, { perX: 2, halfWidth: 0 });
});

test('docs/soak.md has every server', () => {
  const page = readFileSync(`${root}docs/soak.md`, 'utf8');
  for (const { name } of subjectPlans) assert.ok(page.includes(`| ${name} |`), name);
});
