import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { OpenLoop } from '#tools/load/plan.js';
import { Recorder } from '#tools/load/record/recorder.js';
import { Pacer } from '#tools/load/traffic/pacer.js';
import { planFor } from '../servers.ts';

// The pacer on a simulated clock: how it sends what is due, and how long it wants to wait.

interface Sent {
  readonly dueMs: number;
  readonly sentMs: number;
  readonly sender: number;
}

interface Setup {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly senders: number;
  readonly loop: 'io_uring' | 'epoll';
  /** The real time of a wait of `waitMs`. */
  readonly sleep: (waitMs: number) => number;
}

/** The times of the messages; a look at the clock takes 1 us. */
function pace({ ratePerSecond, durationMs, senders, loop, sleep }: Setup) {
  const stages = [{ durationMs, ratePerSecond }];
  const model: OpenLoop = { kind: 'open', arrivals: 'uniform', stages };
  const plan = planFor(1, { model, durationMs });
  const sent: Sent[] = [];
  let nowMs = 1000;
  const clock = { monotonicMs: () => (nowMs += 0.001) };
  const slots = Array.from({ length: senders }, (_, sender) => ({
    due: (dueMs: number) => sent.push({ dueMs, sentMs: nowMs, sender }),
  }));
  const pacer = new Pacer(plan, model, { thread: 0, slots, loop });
  const recorder = new Recorder(true, 64, () => undefined);
  recorder.setWindow(nowMs, nowMs + durationMs);
  pacer.begin(nowMs);
  let turns = 0;
  let waited = 0;
  for (const endMs = nowMs + durationMs; !pacer.isDone(endMs); turns += 1) {
    const waitMs = pacer.send(clock.monotonicMs(), clock, recorder);
    if (waitMs > 0) waited += 1;
    nowMs += waitMs > 0 ? sleep(waitMs) : 0.002;
  }
  return { sent, turns, waited, recorder };
}

test('1,000 a second: no bunches, and no message late by more than a look at the clock', () => {
  for (const loop of ['io_uring', 'epoll'] as const) {
    // A timer comes late by up to 60 us, and epoll waits for whole milliseconds.
    const sleep = (waitMs: number): number =>
      (loop === 'epoll' ? Math.ceil(waitMs) : waitMs) + 0.06;
    const { sent, recorder, waited } = pace({
      ratePerSecond: 1000,
      durationMs: 2000,
      senders: 3,
      loop,
      sleep,
    });
    assert.equal(sent.length, 2000);
    assert.equal(recorder.due, 2000);
    for (const [index, { dueMs, sentMs, sender }] of sent.entries()) {
      assert(sentMs >= dueMs, `message ${index} was sent early`);
      assert(sentMs - dueMs < 0.01, `message ${index} was sent ${sentMs - dueMs} ms late`);
      assert.equal(sender, index % 3);
      const gapMs = sentMs - (sent[index - 1]?.sentMs ?? sentMs - 1);
      assert(Math.abs(gapMs - 1) < 0.02, `a gap of ${gapMs} ms`);
    }
    if (loop === 'io_uring') assert(waited >= 1999, 'it spun instead of waiting');
  }
});

test('10 a second: it waits for nearly all of the time', () => {
  for (const loop of ['io_uring', 'epoll'] as const) {
    const { sent, turns } = pace({
      ratePerSecond: 10,
      durationMs: 3000,
      senders: 1,
      loop,
      sleep: (waitMs) => Math.ceil(waitMs),
    });
    assert.equal(sent.length, 30);
    // Spinning is bounded by a millisecond for each message, of some 3 us a turn here.
    assert(turns < 30 * 500, `${turns} turns`);
  }
});

test('after a delay of any length, everything that was due is sent, in order', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.array(fc.double({ min: 0, max: 800, noNaN: true }), { minLength: 1, maxLength: 20 }),
      (ratePerSecond, delaysMs) => {
        let turn = 0;
        const { sent } = pace({
          ratePerSecond,
          durationMs: 1000,
          senders: 2,
          loop: 'io_uring',
          sleep: (waitMs) => waitMs + (delaysMs[turn++ % delaysMs.length] ?? 0),
        });
        assert.equal(sent.length, ratePerSecond);
        const dues = sent.map(({ dueMs }) => dueMs);
        assert.deepEqual(
          dues,
          dues.toSorted((a, b) => a - b),
        );
      },
    ),
    { numRuns: 50 },
  );
});

/** A pacer of 100,000 messages a second that is late by 10 ms: 1,000 of them are due. */
function late() {
  const stages = [{ durationMs: 1000, ratePerSecond: 100_000 }];
  const model: OpenLoop = { kind: 'open', arrivals: 'uniform', stages };
  const plan = planFor(1, { model, durationMs: 1000 });
  const sent: number[] = [];
  const slots = [{ due: (dueMs: number) => sent.push(dueMs) }];
  const pacer = new Pacer(plan, model, { thread: 0, slots, loop: 'epoll' });
  const recorder = new Recorder(true, 64, () => undefined);
  recorder.setWindow(plan.warmupMs, plan.warmupMs + 1000);
  pacer.begin(0);
  const nowMs = plan.warmupMs + 10;
  // What is due in the warm-up comes first.
  const send = (): number => pacer.send(nowMs, { monotonicMs: () => nowMs }, recorder);
  return { send, sent, recorder, nowMs };
}

test('256 messages at a time, however many are due', () => {
  const { send, sent } = late();
  assert.equal(send(), 0, 'it does not wait');
  assert.equal(sent.length, 256);
  send();
  assert.equal(sent.length, 512);
});

test('in a run that was ended early nothing else is due', () => {
  const { send, sent, recorder, nowMs } = late();
  send();
  recorder.endNow(sent.at(-1) ?? nowMs);
  const before = sent.length;
  assert.equal(send(), 250, 'the longest wait');
  assert.equal(sent.length, before);
});
