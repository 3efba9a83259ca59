// Goal: a wait is never shorter than asked, attempts share a time alike, and calls that end early
// again and again rest. Method: the parts of waiting over a clock and a poll(2) that are made up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restIfHurried, TimeShares, waitFor } from '#src/socket/wait.js';
import { nativeSys } from '#src/sys/native.js';
import { standIn } from '#test/sys/stand-in.js';

/** A Sys with a clock of its own, which only a poll moves, and the timeouts of all polls. */
function stopped() {
  const asked: number[] = [];
  const clock = { nowMs: 1000 };
  const sys = standIn(nativeSys(), {
    monotonicMs: () => clock.nowMs,
    poll: (_fds, _count, timeoutMs) => {
      asked.push(timeoutMs);
      clock.nowMs += timeoutMs;
      return 0;
    },
  });
  return { sys, clock, asked };
}

test('wait: a part of a millisecond is a whole one', () => {
  const { sys, asked } = stopped();
  for (const timeoutMs of [0.001, 0.5, 1, 1.001, 0, null, 1e12]) waitFor(sys, 0, 1, timeoutMs);
  assert.deepEqual(asked, [1, 1, 1, 2, 0, -1, 2 ** 31 - 1]);
});

test('wait: each attempt gets its share of what the ones before it have left', () => {
  const { sys, clock } = stopped();
  const shares = new TimeShares(sys, 900, 3);
  const took = [300, 100, 0];
  const given = took.map((tookMs) => {
    const share = shares.next();
    clock.nowMs += tookMs;
    return share;
  });
  assert.deepEqual(given, [300, 300, 500]);
  assert.equal(new TimeShares(sys, null, 3).next(), null);
  assert.equal(new TimeShares(sys, 0.5, 1).next(), 0.5);
  const late = new TimeShares(sys, 10, 2);
  clock.nowMs += 20;
  assert.equal(late.next(), 1, 'the last attempt is made all the same');
});

test('wait: the sixteenth call that ends early at once is followed by a rest', () => {
  const { sys, clock, asked } = stopped();
  for (let call = 1; call < 16; call += 1) restIfHurried(sys);
  assert.deepEqual(asked, []);
  restIfHurried(sys);
  assert.deepEqual(asked, [5]);
  // Those that are a millisecond apart have waited.
  for (let call = 0; call < 40; call += 1) {
    clock.nowMs += 1;
    restIfHurried(sys);
  }
  assert.deepEqual(asked, [5]);
});
