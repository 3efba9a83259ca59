import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distributionOf } from '#src/load/distribution.js';
import { ERROR_KINDS, type LoadCounts, type ThreadFacts } from '#src/load/document.js';
import { LatencyCounts } from '#src/load/latency-counts.js';
import { Recorder } from '#src/load/recorder.js';
import type { IntervalCounts } from '#src/load/thread-messages.js';
import { judge } from '#src/load/verdict.js';

const thread: ThreadFacts = {
  messages: 1000,
  cpuShare: 0.5,
  scheduleLagP99Us: 20,
  scheduleLagMaxUs: 400,
  turnMaxMs: 3,
};

function counted(messages: number, errors: Partial<LoadCounts['errors']> = {}): LoadCounts {
  const none = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0])) as LoadCounts['errors'];
  const bytes = messages * 64;
  return {
    messages,
    sentBytes: bytes,
    receivedBytes: bytes,
    connections: 4,
    errors: { ...none, ...errors },
  };
}

function responseOf(ms: number) {
  const counts = new LatencyCounts();
  for (let i = 0; i < 1000; i += 1) counts.record(ms);
  return distributionOf(counts.read());
}

/** A run of 1,000 messages in a second, all well, in an open loop. */
const good = {
  counts: counted(1000),
  response: responseOf(1),
  threads: [thread],
  measuredMs: 1000,
  due: 1000,
  achievedPerSecond: 1000,
  endedEarly: false,
  startLateMs: 0,
  failures: [],
};

const closed = { ...good, due: null };

test('a run without a flaw is valid, without words', () => {
  assert.deepEqual(judge(good), { valid: true, reasons: [] });
  assert.deepEqual(judge(closed), { valid: true, reasons: [] });
});

test('each flaw makes it invalid, and says what to do', () => {
  const cases: readonly (readonly [Parameters<typeof judge>[0], RegExp])[] = [
    [{ ...good, counts: counted(0) }, /no message came back .* let it run longer/],
    [{ ...good, counts: counted(0, { refused: 3 }) }, /no message came back .*refused 3/],
    [
      { ...closed, threads: [thread, { ...thread, cpuShare: 0.95 }] },
      /1 thread .*95 %.*more threads/,
    ],
    [{ ...good, threads: [{ ...thread, scheduleLagP99Us: 1200 }] }, /later than due by 1.20 ms/],
    [{ ...good, threads: [{ ...thread, scheduleLagP99Us: 110 }] }, /more than a tenth/],
    [{ ...closed, threads: [{ ...thread, turnMaxMs: 51 }] }, /held up for 51.0 ms/],
    [{ ...good, achievedPerSecond: 992 }, /1,000\/s were due and 992\/s came back/],
    [{ ...good, achievedPerSecond: 1008 }, /1,000\/s were due and 1,008\/s came back/],
    [{ ...good, failures: ['thread 2 failed: out of memory'] }, /^thread 2 failed/],
  ];
  for (const [evidence, words] of cases) {
    const { valid, reasons } = judge(evidence);
    assert.equal(valid, false, String(words));
    assert.equal(reasons.length, 1);
    assert.match(reasons[0] ?? '', words);
  }
});

test('what is no flaw', () => {
  // Spinning for the sake of punctuality is what an open loop does.
  assert(judge({ ...good, threads: [{ ...thread, cpuShare: 1 }] }).valid);
  assert(judge({ ...good, achievedPerSecond: 994 }).valid);
  const early = judge({ ...closed, endedEarly: true });
  assert.deepEqual(early, { valid: true, reasons: ['it was ended before its time'] });
  const short = judge({ ...good, counts: counted(999, { resources: 1 }) });
  assert(short.valid);
  assert.match(short.reasons[0] ?? '', /failed 1 time for lack of .*--source-addresses/);
});

/** A recorder of the seconds from 1000 to 3500 of its clock, and what it told. */
function recorder(isOpen = true): { told: IntervalCounts[]; own: Recorder } {
  const told: IntervalCounts[] = [];
  const own = new Recorder(isOpen, 64, (counts) => told.push(counts));
  own.setWindow(1000, 3500);
  return { told, own };
}

test('only what was due in the measured time counts, and where it belongs', () => {
  const { told, own } = recorder();
  own.replied(999, 999, 1001); // Due before it began.
  own.replied(1000, 1001, 1002);
  own.failed('reset', 1, 900); // Before it began.
  own.failed('reset', 2, 1500);
  own.replied(1900, 1900, 2100); // Belongs to the second in which it came.
  own.replied(3499, 3499, 3550); // Late, but not by much: the last interval's.
  own.replied(3500, 3500, 3550); // Due behind the end.
  own.replied(3400, 3400, 4700); // Long after the end: an interval of its own.
  own.flush();
  assert.deepEqual(
    told.map(({ index, messages, errors }) => [index, messages, errors]),
    [
      [0, 1, 2],
      [1, 1, 0],
      [2, 1, 0],
      [3, 1, 0],
    ],
  );
  assert.equal(own.messages, 4);
  assert.equal(own.receivedBytes, 4 * 64);
  assert.equal(own.errors.reset, 2);
  // Replies in time count whenever they were due: 1001, 1002 and 2100.
  assert.equal(own.repliesInTime, 3);
  assert.equal(told[1]?.response.maxNs, 200e6);
});

test('an end before its time', () => {
  const { own } = recorder();
  own.endNow(2000);
  assert.equal(own.endMs - own.startMs, 1000);
  own.endNow(2500);
  assert.equal(own.endMs, 2000);
  const early = recorder().own;
  early.endNow(500);
  assert.equal(early.endMs - early.startMs, 0);
});

test('the lag of the schedule is recorded of what was sent in the measured time', () => {
  const { own } = recorder();
  own.sent(999, 1200);
  own.sent(1000, 1003);
  own.scheduled(1000);
  own.scheduled(3500);
  assert.equal(own.lag.total, 1);
  assert.equal(own.lag.read().maxNs, 3e6);
  assert.equal(own.due, 1);
  const inClosed = recorder(false).own;
  inClosed.sent(1000, 1000);
  assert.equal(inClosed.lag.total, 0);
  assert.equal(inClosed.due, 1);
});
