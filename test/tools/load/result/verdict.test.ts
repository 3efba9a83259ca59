import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadCounts, ThreadFacts } from '#tools/load/document.js';
import { TurnWatch } from '#tools/load/engine/turn-watch.js';
import { distributionOf } from '#tools/load/record/distribution.js';
import { LatencyCounts } from '#tools/load/record/latency-counts.js';
import { Recorder } from '#tools/load/record/recorder.js';
import { SilenceWatch } from '#tools/load/record/silence-watch.js';
import { silenceOf } from '#tools/load/record/silences.js';
import type { IntervalCounts } from '#tools/load/record/thread-messages.js';
import { judge } from '#tools/load/result/verdict.js';
import { noTrouble, openLoop, planFixture } from '../document-fixture.ts';

const thread: ThreadFacts = {
  messages: 1000,
  cpuShare: 0.5,
  waitedShare: 0.001,
  oversleptShare: 0,
  scheduleLagP99Us: 20,
  scheduleLagMaxUs: 400,
  connectionWaitP99Us: 0,
  turnMaxMs: 3,
};

function counted(messages: number, changes: Partial<LoadCounts> = {}): LoadCounts {
  const bytes = messages * 64;
  return {
    messages,
    sentBytes: bytes,
    receivedBytes: bytes,
    connections: 4,
    ...noTrouble(),
    ...changes,
  };
}

function failing(messages: number, errors: Partial<LoadCounts['errors']>): LoadCounts {
  return counted(messages, { errors: { ...noTrouble().errors, ...errors } });
}

function responseOf(ms: number) {
  const counts = new LatencyCounts();
  for (let i = 0; i < 1000; i += 1) counts.record(ms);
  return distributionOf(counts.read());
}

type Evidence = Parameters<typeof judge>[0];

/** A valid run of 1,000 messages in a second, in an open loop. */
const good: Evidence = {
  plan: planFixture({ model: openLoop(1000) }),
  counts: counted(1000),
  response: responseOf(1),
  service: responseOf(1),
  generator: {
    threads: [thread],
    cpuUsPerMessage: 5,
    achievedPerSecond: 1000,
    askedPerSecond: 1000,
    throttled: null,
  },
  silence: null,
  awaitingEnd: 0,
  measuredMs: 1000,
  cores: 2,
  due: 1000,
  endedEarly: false,
  startLateMs: 0,
  failures: [],
};

const closed: Evidence = { ...good, plan: planFixture(), due: null };

function threads(of: Evidence, ...changes: Partial<ThreadFacts>[]): Evidence {
  const all = changes.map((each) => ({ ...thread, ...each }));
  return { ...of, generator: { ...of.generator, threads: all } };
}

function achieved(achievedPerSecond: number, changes: Partial<Evidence> = {}): Evidence {
  return { ...good, generator: { ...good.generator, achievedPerSecond }, ...changes };
}

const outage = { startMs: 3200, durationMs: 2200 };

test('a run without a flaw is valid, without words', () => {
  assert.deepEqual(judge(good), { valid: true, reasons: [] });
  assert.deepEqual(judge(closed), { valid: true, reasons: [] });
});

test('each flaw makes it invalid, and says what to do', () => {
  const once = planFixture({ mode: 'once' });
  const cases: readonly (readonly [Evidence, RegExp])[] = [
    [{ ...good, counts: counted(0) }, /no message came back .* let it run longer than one takes/],
    [{ ...good, counts: counted(0), due: 0 }, /none was due: let it run longer/],
    [{ ...good, counts: failing(0, { refused: 3 }) }, /no message came back .*refused 3/],
    [
      { ...closed, plan: once, counts: counted(0), awaitingEnd: 4 },
      /4 connections wait for the server to end them .*--mode/,
    ],
    [{ ...good, counts: counted(0), measuredMs: 0 }, /it was ended before that began/],
    [threads(closed, {}, { cpuShare: 0.95 }), /1 thread .*95 %.*more threads/],
    [threads(closed, { turnMaxMs: 51 }), /held up for 51.0 ms/],
    // With four busy programs on its core it had a fifth of it.
    [threads(closed, { waitedShare: 0.64 }), /waited 64 % of the time for a CPU .*core of its own/],
    [threads(good, { waitedShare: 0.64 }), /waited 64 % of the time for a CPU/],
    [
      threads(closed, { waitedShare: 0.5 }, {}, {}, {}),
      /waited 50 % .*\(4 threads share 2 cores.*fewer threads/,
    ],
    [threads(closed, { oversleptShare: 0.2 }), /slept on for 20 % of the time/],
    [
      { ...closed, generator: { ...closed.generator, throttled: { periods: 448, ms: 7100 } } },
      /CPU quota .* used up 448 times.*stopped its threads for 7.10 s.*raise the quota/,
    ],
    [threads(good, { scheduleLagP99Us: 1200, cpuShare: 0.3 }), /1.20 ms .*wakes .*quieter/],
    [threads(good, { scheduleLagP99Us: 110, messages: 1 }), /more than a tenth.*quieter/],
    [
      threads(good, { scheduleLagP99Us: 1200, cpuShare: 1, messages: 50_000 }),
      /50,000\/s are much for a thread: use more threads, or a lower rate/,
    ],
    [
      threads(
        { ...good, plan: { ...good.plan, messagesPerConnection: 1 } },
        { connectionWaitP99Us: 5000 },
      ),
      /waited 5.00 ms for a connection .* carries 1 message: use more connections/,
    ],
    [achieved(992), /1,000\/s were due and 992\/s came back.*does not keep up/],
    [achieved(1008), /1,000\/s were due and 1,008\/s came back: .* longer warm-up/],
    [
      achieved(900, { counts: failing(900, { timeout: 100 }) }),
      /for 100 messages failed \(timeout/,
    ],
    [{ ...good, failures: ['thread 2 failed: out of memory'] }, /^thread 2 failed/],
  ];
  for (const [evidence, words] of cases) {
    const { valid, reasons } = judge(evidence);
    assert.equal(valid, false, String(words));
    assert.equal(reasons.length, 1, reasons.join('\n'));
    assert.match(reasons[0] ?? '', words);
  }
});

test('an outage is told from a server that is slow, and from a generator that is', () => {
  const short = judge({ ...closed, silence: outage });
  assert.equal(short.valid, true);
  assert.match(short.reasons.join(), /^the server, .* was out for 2.20 s: .* from 3.2 s to 5.4 s/);
  // Messages that waited meanwhile are no reason for more connections or threads.
  const open = judge({
    ...threads(achieved(800, { silence: outage }), { connectionWaitP99Us: 2e6 }),
    counts: counted(800),
    generator: {
      ...achieved(800).generator,
      threads: [{ ...thread, connectionWaitP99Us: 2e6 }],
    },
  });
  assert.equal(open.valid, false);
  assert.match(
    open.reasons.join('; '),
    /not there all the time: see below; the server, .* out for/,
  );
  assert.doesNotMatch(open.reasons.join(), /more connections|more threads|keep up|lower rate/);
  const slow = judge({ ...closed, silence: outage, service: responseOf(1500) });
  assert.deepEqual(slow, { valid: true, reasons: [] });
  const stopped = judge(threads({ ...closed, silence: outage }, { turnMaxMs: 2100 }));
  assert.match(stopped.reasons.join(), /^the generator was held up for 2.10 s/);
  assert.equal(stopped.reasons.length, 1);
});

test('a server that replies and does not end the connection is no outage', () => {
  const plan = planFixture({ mode: 'once' });
  const words = /^4 connections wait for the server to end them behind its reply, and it does not/;
  const waiting = judge({ ...closed, plan, counts: counted(4), silence: outage, awaitingEnd: 4 });
  assert.equal(waiting.valid, false);
  assert.equal(waiting.reasons.length, 1, waiting.reasons.join());
  assert.match(waiting.reasons.join(), words);
  const counts = failing(20, { notClosed: 4 });
  assert.match(judge({ ...closed, plan, counts }).reasons.join(), words);
  // A few of many are errors as any others are.
  const few = judge({ ...closed, plan, counts: failing(1000, { notClosed: 4 }), awaitingEnd: 1 });
  assert.deepEqual(few, { valid: true, reasons: [] });
  const { plan: openly } = good;
  const late = achieved(4, { plan: { ...openly, mode: 'once' }, silence: outage, awaitingEnd: 4 });
  assert.doesNotMatch(judge(late).reasons.join(), /out for|not there|more connections|lower one/);
});

test('what is no flaw', () => {
  // An open loop spins to be punctual.
  assert(judge(threads(good, { cpuShare: 1 })).valid);
  assert(judge(achieved(994)).valid);
  const early = judge({ ...closed, endedEarly: true });
  assert.deepEqual(early, { valid: true, reasons: ['it was ended before its time'] });
  const short = judge({ ...good, counts: failing(999, { resources: 1 }) });
  assert(short.valid);
  assert.match(short.reasons[0] ?? '', /failed 1 time for lack of .*--source-addresses/);
  const some = judge(threads(closed, { waitedShare: 0.05 }));
  assert(some.valid);
  assert.match(some.reasons.join(), /waited 5 % of the time .*the longest times may be its own/);
  const throttled = { periods: 1, ms: 3 };
  const once = judge({ ...closed, generator: { ...closed.generator, throttled } });
  assert(once.valid);
  assert.match(once.reasons.join(), /used up 1 time,/);
  // A system without these figures.
  assert.deepEqual(judge(threads(closed, { waitedShare: null })), { valid: true, reasons: [] });
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
  own.failed('reset', 900, 900); // Before it began.
  own.failed('timeout', 999, 1500); // Due before it began, whenever it was given up.
  own.failed('reset', 1400, 1500);
  own.failed('reset', 1400, 1500);
  own.failed('refused', 3500, 3500); // Behind the end.
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
  assert.deepEqual([own.trouble.errors.reset, own.trouble.errors.timeout], [2, 0]);
  assert.deepEqual([own.warmup.errors.reset, own.warmup.errors.timeout], [1, 1]);
  assert.deepEqual([own.errorCount, own.trouble.errors.refused], [2, 0]);
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

test('the lag of the schedule, and beside it what waited for a connection', () => {
  const { own } = recorder();
  own.begun(999, 1200);
  own.begun(1000, 1003);
  own.sent(1000, 1003, false);
  own.begun(1010, 1011);
  own.sent(1010, 1500, true);
  own.scheduled(1000);
  own.scheduled(3500);
  assert.equal(own.lag.total, 2);
  assert.equal(own.lag.read().maxNs, 3e6);
  assert.deepEqual([own.connectionWait.total, own.connectionWait.read().maxNs], [1, 490e6]);
  assert.equal(own.due, 1);
  const inClosed = recorder(false).own;
  inClosed.sent(1000, 1000, false);
  assert.equal(inClosed.lag.total, 0);
  assert.equal(inClosed.due, 1);
});

test('what was lost and replaced counts in its phase, connects in that where they began', () => {
  const { own } = recorder();
  for (const nowMs of [900, 1000, 3499, 3500]) {
    own.lost('reset', nowMs);
    own.replaced(nowMs);
  }
  assert.deepEqual([own.warmup.lost.reset, own.warmup.replaced], [1, 1]);
  assert.deepEqual([own.trouble.lost.reset, own.trouble.replaced], [2, 2]);
  own.connected(900, 1100, false);
  own.connected(3400, 3600, false);
  assert.equal(own.connect.total, 1);
  own.connected(900, 1100, true);
  assert.equal(own.connect.total, 2);
});

test('the longest silence is one in which something was awaited', () => {
  const silence = new SilenceWatch();
  silence.begin(1000);
  silence.broken(900);
  silence.expecting(1500);
  silence.broken(1600);
  // Nothing was due from here on.
  silence.expecting(4000);
  silence.broken(4200);
  assert.deepEqual(silence.longest(5000, false), { startMs: 3000, durationMs: 200 });
  // A failed message was awaited, so a later one does not begin a new silence.
  silence.failed();
  silence.expecting(6000);
  silence.broken(6200);
  assert.deepEqual(silence.longest(6100, false), { startMs: 3200, durationMs: 1900 });
  assert.deepEqual(silenceOf([]), null);
  const at = (startMs: number, durationMs: number) => ({ startMs, durationMs });
  assert.deepEqual(silenceOf([at(100, 500), at(300, 900)]), at(300, 300));
  assert.equal(silenceOf([at(100, 100), at(300, 900)]), null);
});

test('a wait that lasts too long is one whatever came meanwhile, in the measured time only', () => {
  const watch = new TurnWatch();
  watch.setWindow(1000, 5000);
  watch.turned(990, 20);
  watch.turned(1009, 20);
  assert.deepEqual([watch.longestMs, watch.oversleptMs], [0, 0]);
  watch.working(2009); // Something came, a second after the wait had begun.
  watch.turned(2010, 20);
  assert.deepEqual([watch.longestMs, watch.oversleptMs], [981, 980]);
  watch.turned(2031, 20); // The rounding of a loop.
  assert.equal(watch.oversleptMs, 980);
  watch.working(4000);
  watch.turned(5500, 3000); // A turn that took long.
  assert.deepEqual([watch.longestMs, watch.oversleptMs], [1000, 980]);
  watch.turned(8000, 20); // Behind the end.
  assert.deepEqual([watch.longestMs, watch.oversleptMs], [1000, 980]);
});
