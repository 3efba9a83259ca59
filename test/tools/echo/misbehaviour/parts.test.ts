// Goal: what a server that misbehaves does is a function of its seed, in the shares asked for.
// Method: the parts without any I/O, over many messages.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leakCheck } from '#test/harness/leaks.js';
import { bandwidthBucket } from '#tools/echo/misbehaviour/bandwidth.js';
import { ConnectionFate } from '#tools/echo/misbehaviour/fate.js';
import {
  addMisbehaviour,
  type MisbehaviourPlan,
  type MisbehaviourTotals,
  newMisbehaviourTotals,
} from '#tools/echo/misbehaviour/plan.js';
import { AnswerBatch, WaitingAnswers } from '#tools/echo/misbehaviour/waiting-answers.js';

const behaves: MisbehaviourPlan = {
  seed: 1,
  delayMs: 0,
  jitterMs: 0,
  dropShare: 0,
  corruptShare: 0,
  refuseShare: 0,
  closeAfterMessages: null,
  closeAfterBytes: null,
  closeHow: 'fin',
  bandwidthBytesPerSecond: null,
  burstBytes: 1,
};

/** Answers `messages` of 64 zeros. Returns all answers, and what was counted. */
function answer(
  plan: Partial<MisbehaviourPlan>,
  messages: number,
  connection = 1,
): { readonly bytes: Uint8Array; readonly totals: MisbehaviourTotals } {
  const totals = newMisbehaviourTotals();
  const fate = new ConnectionFate({ ...behaves, ...plan }, connection, totals);
  const bytes = new Uint8Array(64 * messages);
  let length = 0;
  for (let message = 0; message < messages && !fate.isOver; message += 1) {
    const answered = fate.take(64);
    fate.corrupt(bytes, length, length + answered);
    fate.dueMs(message);
    length += answered;
  }
  return { bytes: bytes.subarray(0, length), totals };
}

test('the same seed and connection misbehave alike, and others differently', (t) => {
  leakCheck(t);
  const plan = { dropShare: 0.1, corruptShare: 0.001, jitterMs: 5 };
  const first = answer(plan, 1000);
  assert.deepEqual(answer(plan, 1000), first);
  assert.notDeepEqual(answer({ ...plan, seed: 2 }, 1000).bytes, first.bytes);
  assert.notDeepEqual(answer(plan, 1000, 2).bytes, first.bytes);
});

test('one choice does not shift another', (t) => {
  leakCheck(t);
  const drops = { dropShare: 0.1 };
  const { dropped } = answer(drops, 1000).totals;
  const all = { ...drops, corruptShare: 0.01, delayMs: 3, jitterMs: 5 };
  assert.equal(answer(all, 1000).totals.dropped, dropped);
});

test('shares are those asked for', (t) => {
  leakCheck(t);
  const { totals } = answer({ dropShare: 0.01, corruptShare: 0.0001 }, 100_000);
  assert.equal(totals.messages, 100_000);
  // Five standard deviations: 1000 +- 157, and 634 +- 126.
  assert(Math.abs(totals.dropped - 1000) < 157, `${totals.dropped} dropped`);
  assert.equal(totals.droppedBytes, 64 * totals.dropped);
  assert(Math.abs(totals.corruptedBytes - 634) < 126, `${totals.corruptedBytes} corrupted`);
  assert(totals.corrupted <= totals.corruptedBytes);
  let refused = 0;
  for (let connection = 1; connection <= 10_000; connection += 1) {
    const fate = new ConnectionFate({ ...behaves, refuseShare: 0.25 }, connection, totals);
    if (fate.isRefused) refused += 1;
  }
  assert(Math.abs(refused - 2500) < 217, `${refused} refused`);
});

test('none and all', (t) => {
  leakCheck(t);
  const none = answer({}, 100);
  assert.deepEqual(none.totals, { ...newMisbehaviourTotals(), messages: 100 });
  assert(none.bytes.every((byte) => byte === 0));
  assert.equal(answer({ dropShare: 1 }, 100).totals.dropped, 100);
  const all = answer({ corruptShare: 1 }, 100);
  assert.equal(all.totals.corruptedBytes, 6400);
  assert.equal(all.totals.corrupted, 100);
  // One bit of each byte.
  assert(all.bytes.every((byte) => byte !== 0 && (byte & (byte - 1)) === 0));
});

test('which bytes are corrupted does not depend on how they arrive', (t) => {
  leakCheck(t);
  const whole = new Uint8Array(10_000);
  const pieces = new Uint8Array(10_000);
  const plan = { ...behaves, corruptShare: 0.01 };
  new ConnectionFate(plan, 1, newMisbehaviourTotals()).corrupt(whole, 0, whole.length);
  const fate = new ConnectionFate(plan, 1, newMisbehaviourTotals());
  for (let at = 0; at < pieces.length; at += 7) {
    fate.corrupt(pieces, at, Math.min(at + 7, pieces.length));
  }
  assert.deepEqual(pieces, whole);
  assert(whole.some((byte) => byte !== 0));
});

test('answers are due in order, at least the delay and at most the jitter later', (t) => {
  leakCheck(t);
  const totals = newMisbehaviourTotals();
  const plan = { ...behaves, delayMs: 5, jitterMs: 2 };
  const fate = new ConnectionFate(plan, 1, totals);
  let last = 0;
  for (let nowMs = 0; nowMs < 1000; nowMs += 10) {
    const dueMs = fate.dueMs(nowMs);
    assert(dueMs >= last && dueMs >= nowMs + 5 && dueMs < nowMs + 7, `${dueMs} at ${nowMs}`);
    // Received at once, and not due before.
    const next = fate.dueMs(nowMs);
    assert(next >= dueMs && next < nowMs + 7);
    last = next;
  }
  assert.equal(totals.delayed, 200);
  const meanUs = totals.delayUs / totals.delayed;
  assert(meanUs > 5700 && meanUs < 6300, `${meanUs} us on average`);
});

test('a connection is over behind its last message or byte', (t) => {
  leakCheck(t);
  assert.equal(answer({ closeAfterMessages: 3 }, 10).bytes.length, 192);
  assert.equal(answer({ closeAfterMessages: 3 }, 10).totals.messages, 3);
  assert.equal(answer({ closeAfterBytes: 100 }, 10).bytes.length, 100);
  assert.equal(answer({ closeAfterBytes: 100 }, 10).totals.messages, 2);
});

test('totals add up', (t) => {
  leakCheck(t);
  const { totals } = answer({ dropShare: 0.5, delayMs: 1 }, 10);
  const sum = newMisbehaviourTotals();
  addMisbehaviour(sum, totals);
  addMisbehaviour(sum, totals);
  assert.equal(sum.messages, 20);
  assert.equal(sum.delayUs, 2 * totals.delayUs);
  assert.equal(sum.dropped, 2 * totals.dropped);
});

/** How many bytes a bucket grants in a second to a sender that is `lateMs` late at each wait. */
function grantedPerSecond(bucket: ReturnType<typeof bandwidthBucket>, lateMs: number): number {
  let sum = 0;
  for (let nowMs = 0; nowMs < 1000; ) {
    const granted = bucket.take(nowMs, 1_000_000);
    sum += granted;
    if (granted === 0) nowMs += bucket.waitMs(1_000_000) + lateMs;
  }
  return sum;
}

test('a bucket of bandwidth gives a burst, and then its rate', (t) => {
  leakCheck(t);
  for (const [rate, burst, lateMs] of [
    [100_000, 5000, 0],
    // Late by less than half a burst: nothing is lost.
    [100_000, 5000, 20],
    [1000, 50, 1],
    [7, 1, 0],
  ] as const) {
    const sum = grantedPerSecond(bandwidthBucket(rate, burst, 0), lateMs);
    const pieces = burst / 2 + (rate * lateMs) / 1000;
    assert(sum <= rate + burst, `${sum} bytes at ${rate}/s`);
    assert(sum >= rate + burst - pieces - 1, `${sum} bytes at ${rate}/s`);
  }
  const bucket = bandwidthBucket(1000, 100, 0);
  assert.equal(bucket.take(0, 60), 60);
  assert.equal(bucket.take(0, 60), 40);
  assert.equal(bucket.take(0, 60), 0);
  assert.equal(bucket.waitMs(60), 25);
  assert.equal(bucket.take(25, 60), 25);
  // After a pause, no more than a burst.
  assert.equal(bucket.take(60_000, 1000), 100);
});

test('answers that wait leave in order, each at its time', (t) => {
  leakCheck(t);
  const waiting = new WaitingAnswers();
  const batch = new AnswerBatch(8);
  batch.append(Uint8Array.of(1, 2), 10);
  batch.append(Uint8Array.of(3), 10);
  batch.append(Uint8Array.of(4), 12);
  waiting.push(batch);
  waiting.push(new AnswerBatch(4));
  assert.deepEqual([waiting.bytes, waiting.dueMs, waiting.dueBytes(9)], [4, 10, 0]);
  // Two entries: those of one time are one.
  assert.equal(waiting.memoryBytes, 4 + 2 * 16);
  assert.equal(waiting.dueBytes(11), 3);
  assert.equal(waiting.dueBytes(12), 4);
  waiting.clear();
  assert.deepEqual([waiting.bytes, waiting.memoryBytes, waiting.dueBytes(99)], [0, 0, 0]);
});
