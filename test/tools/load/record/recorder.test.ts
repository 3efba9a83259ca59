// Goal: every message counts once, in the phase and the second that are its own, to the edge.
// Method: a recorder by hand at the very times where a second, the warm-up and the run end.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Recorder } from '#tools/load/record/recorder.js';
import { SilenceWatch } from '#tools/load/record/silence-watch.js';
import type { IntervalCounts } from '#tools/load/record/thread-messages.js';

const BYTES = 10;
const START_MS = 5000;

/** What was reported: the second, its messages, errors, and the longest response in ms. */
type Told = [index: number, messages: number, errors: number, maxMs: number];

function recording(seconds: number, isOpen = false) {
  const told: Told[] = [];
  const all: IntervalCounts[] = [];
  const recorder = new Recorder(isOpen, BYTES, (counts) => {
    all.push(counts);
    const { index, messages, errors, response } = counts;
    told.push([index, messages, errors, Math.round(response.maxNs / 1e6)]);
  });
  recorder.setWindow(START_MS, START_MS + 1000 * seconds);
  return { recorder, told, all };
}

const at = (ms: number): number => START_MS + ms;

test('recorder: a second ends at its end, before the reply that comes then', () => {
  const { recorder, told } = recording(3);
  recorder.replied(at(0), at(0), at(999));
  assert.deepEqual(told, [], 'the second is not over');
  recorder.replied(at(990), at(990), at(1000));
  assert.deepEqual(told, [[0, 1, 0, 999]], 'a reply at its end is of the next');
  recorder.rotate(at(1999.999));
  assert.equal(told.length, 1);
  recorder.rotate(at(2000));
  assert.deepEqual(told, [
    [0, 1, 0, 999],
    [1, 1, 0, 10],
  ]);
});

test('recorder: a failure at the end of a second is of the next one', () => {
  const { recorder, told } = recording(3);
  recorder.failed('reset', at(0), at(999.9));
  recorder.failed('reset', at(0), at(1000));
  recorder.failed('reset', at(0), at(2000));
  recorder.flush();
  assert.deepEqual(told, [
    [0, 0, 1, 0],
    [1, 0, 1, 0],
    [2, 0, 1, 0],
  ]);
});

test('recorder: a silence is the time between two replies, and goes on through failures', () => {
  const { recorder } = recording(5);
  // The first one begins with the measured time.
  recorder.replied(at(-10), at(-10), at(300));
  assert.deepEqual(recorder.silence.longest(at(5000), false), { startMs: 0, durationMs: 300 });
  recorder.replied(at(300), at(300), at(1000));
  assert.deepEqual(recorder.silence.longest(at(5000), false), { startMs: 300, durationMs: 700 });
  recorder.failed('timeout', at(1000), at(1500));
  // Something is due, and none was awaited: what has failed was.
  recorder.silence.expecting(at(1900));
  recorder.replied(at(1900), at(1900), at(2000));
  assert.deepEqual(recorder.silence.longest(at(5000), false), { startMs: 1000, durationMs: 1000 });
  assert.equal(recorder.connections, 0);
});

test('recorder: seconds without a message are passed over, and keep their numbers', () => {
  const { recorder, told } = recording(10);
  recorder.replied(at(1), at(1), at(2));
  recorder.replied(at(4500), at(4500), at(4600));
  recorder.failed('timeout', at(4700), at(7000));
  recorder.flush();
  assert.deepEqual(told, [
    [0, 1, 0, 1],
    [4, 1, 0, 100],
    [7, 0, 1, 0],
  ]);
});

test('recorder: late replies are of the last second, for 100 ms', () => {
  const { recorder, told } = recording(2);
  recorder.replied(at(1500), at(1500), at(1600));
  for (const ms of [2000, 2050, 2099.9]) recorder.replied(at(1900), at(1900), at(ms));
  assert.deepEqual(told, [], 'they belong together');
  recorder.rotate(at(2099.9));
  assert.deepEqual(told, []);
  recorder.rotate(at(2100));
  assert.deepEqual(told, [[1, 4, 0, 200]]);
});

test('recorder: what is due counts in its phase, at the edges too', () => {
  const { recorder } = recording(1, true);
  const end = 1000;
  for (const due of [-1, -0.001, 0, end - 0.001, end, end + 1]) {
    recorder.scheduled(at(due));
    recorder.begun(at(due), at(due + 1));
    recorder.sent(at(due), at(due + 2), true);
    recorder.replied(at(due), at(due + 2), at(due + 3));
    recorder.connected(at(due), at(due + 1), false);
    recorder.failed('reset', at(due), at(due + 3));
    recorder.lost('closed', at(due));
    recorder.replaced(at(due));
  }
  assert.deepEqual([recorder.due, recorder.messages, recorder.errorCount], [2, 2, 2]);
  assert.deepEqual([recorder.sentBytes, recorder.receivedBytes], [2 * BYTES, 2 * BYTES]);
  assert.deepEqual(
    [recorder.lag.total, recorder.connectionWait.total, recorder.connect.total],
    [2, 2, 2],
  );
  // By when they came: those due up to 3 ms before the beginning, and not those of the last 3 ms.
  assert.equal(recorder.repliesInTime, 3);
  for (const trouble of [recorder.trouble, recorder.warmup]) {
    const { errors, lost, replaced } = trouble;
    assert.deepEqual([errors.reset, lost.closed, replaced], [2, 2, 2]);
    const others = [...Object.values(errors), ...Object.values(lost)];
    assert.equal(
      others.reduce((sum, one) => sum + one, 0),
      4,
      'and nothing else',
    );
  }
  recorder.replied(at(999), at(999), at(1000));
  assert.equal(recorder.repliesInTime, 3, 'the end is not in it');
  recorder.replied(at(-9), at(-9), at(0));
  assert.equal(recorder.repliesInTime, 4, 'the beginning is');
  recorder.connected(at(-100), at(1), true);
  assert.equal(recorder.connect.total, 3, 'all are asked for');
});

test('recorder: each time is measured from where it begins', () => {
  const { recorder, all } = recording(1, true);
  recorder.begun(at(10), at(11));
  recorder.sent(at(10), at(14), true);
  recorder.sent(at(10), at(15), false);
  recorder.replied(at(10), at(14), at(30));
  recorder.connected(at(3), at(10), false);
  recorder.flush();
  const ms = (counts: { readonly maxNs: number } | null): number => (counts?.maxNs ?? 0) / 1e6;
  const [second] = all;
  assert.deepEqual([ms(second?.response ?? null), ms(second?.service ?? null)], [20, 16]);
  assert.deepEqual([ms(recorder.lag.read()), ms(recorder.connect.read())], [1, 7]);
  assert.deepEqual([recorder.connectionWait.total, ms(recorder.connectionWait.read())], [1, 4]);
  const closed = recording(1, false);
  closed.recorder.sent(at(10), at(14), false);
  closed.recorder.replied(at(10), at(14), at(30));
  closed.recorder.flush();
  assert.equal(closed.all[0]?.service, null);
  assert.deepEqual([closed.recorder.due, closed.recorder.connectionWait.total], [1, 0]);
});

test('recorder: an early end is the end; before the beginning nothing counts', () => {
  const { recorder } = recording(5);
  recorder.replied(at(1), at(1), at(2));
  recorder.endNow(at(1000));
  recorder.replied(at(1000), at(1000), at(1001));
  recorder.replied(at(999), at(999), at(1001));
  assert.deepEqual([recorder.startMs, recorder.endMs, recorder.messages], [at(0), at(1000), 2]);
  recorder.endNow(at(3000));
  assert.equal(recorder.endMs, at(1000));
  const early = recording(5).recorder;
  early.endNow(at(-10));
  early.replied(at(-11), at(-11), at(1));
  early.replied(at(1), at(1), at(1));
  assert.deepEqual([early.startMs, early.endMs, early.messages], [at(-10), at(-10), 0]);
});

test('recorder: whatever comes when, the seconds add up to what was counted', () => {
  const event = fc.tuple(fc.nat(4500), fc.nat(1200), fc.boolean());
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const { recorder, told } = recording(3);
      const inOrder = events
        .map(([dueMs, tookMs, fails]) => ({
          dueMs: dueMs - 500,
          nowMs: dueMs - 500 + tookMs,
          fails,
        }))
        .sort((a, b) => a.nowMs - b.nowMs);
      const expected = new Map<number, [messages: number, errors: number]>();
      for (const { dueMs, nowMs, fails } of inOrder) {
        if (fails) recorder.failed('timeout', at(dueMs), at(nowMs));
        else recorder.replied(at(dueMs), at(dueMs), at(nowMs));
        if (dueMs < 0 || dueMs >= 3000) continue;
        // The last second takes in what comes within 100 ms; later ones have their own numbers.
        const late = nowMs >= 3000 && nowMs < 3100;
        const second = late ? 2 : Math.floor(nowMs / 1000);
        const counts = expected.get(second) ?? [0, 0];
        counts[fails ? 1 : 0] += 1;
        expected.set(second, counts);
      }
      recorder.flush();
      assert.deepEqual(
        told.map(([index, messages, errors]) => [index, messages, errors]),
        [...expected].sort(([a], [b]) => a - b).map(([index, counts]) => [index, ...counts]),
      );
    }),
    { numRuns: 200 },
  );
});

test('silence: of two that are as long the first is told, the last if awaited', () => {
  const watch = (): SilenceWatch => {
    const silence = new SilenceWatch();
    silence.begin(1000);
    return silence;
  };
  const never = watch();
  assert.deepEqual(never.longest(3000, false), { startMs: 0, durationMs: 0 });
  assert.deepEqual(never.longest(3000, true), { startMs: 0, durationMs: 2000 });
  const failing = watch();
  failing.failed();
  assert.deepEqual(failing.longest(3000, false), { startMs: 0, durationMs: 2000 });
  const twice = watch();
  for (const ms of [1100, 1600, 1601, 2101]) twice.broken(ms);
  assert.deepEqual(twice.longest(3000, false), { startMs: 100, durationMs: 500 });
  // A failure is over with the next reply, also one at the same time.
  twice.failed();
  twice.broken(2102);
  twice.expecting(2900);
  assert.deepEqual(twice.longest(3000, true), { startMs: 100, durationMs: 500 });
  assert.deepEqual(twice.longest(4000, true), { startMs: 1900, durationMs: 1100 });
  // What lies behind the end is not in it.
  const late = watch();
  late.broken(1500);
  late.broken(5000);
  assert.deepEqual(late.longest(2000, false), { startMs: 500, durationMs: 500 });
  assert.deepEqual(late.longest(1400, false), { startMs: 500, durationMs: 0 });
});
