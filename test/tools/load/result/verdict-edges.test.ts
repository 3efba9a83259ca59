// Goal: each limit of the verdict is where it is said to be: what is at it is right, what is beyond
// it is not.
// Method: runs without a flaw, with one figure at a limit and a trifle beyond it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GeneratorFacts, LoadCounts, ThreadFacts } from '#tools/load/document.js';
import type { LoadPlan } from '#tools/load/plan.js';
import { distributionOf } from '#tools/load/record/distribution.js';
import { NO_COUNTS } from '#tools/load/record/latency-counts.js';
import { judge } from '#tools/load/result/verdict.js';
import { noTrouble, openLoop, planFixture } from '../document-fixture.ts';

type Evidence = Parameters<typeof judge>[0];

const THREAD: ThreadFacts = {
  messages: 1000,
  cpuShare: 0.5,
  waitedShare: 0,
  oversleptShare: 0,
  scheduleLagP99Us: 0,
  scheduleLagMaxUs: 0,
  connectionWaitP99Us: 0,
  turnMaxMs: 1,
};

/** Times of `ms` at one percentile, and others that must not be taken for it. */
function timesOf(ms: number, at = 99): Evidence['response'] {
  const others = distributionOf(NO_COUNTS);
  const percentiles = others.percentiles.map(({ percentile }) => ({
    percentile,
    us: percentile === at ? ms * 1000 : 7e9,
  }));
  return { ...others, percentiles };
}

const serviceOf = (ms: number): Evidence['service'] => timesOf(ms, 50);

interface Change {
  readonly thread?: Partial<ThreadFacts>;
  readonly other?: Partial<ThreadFacts>;
  readonly generator?: Partial<GeneratorFacts>;
  readonly counts?: Partial<LoadCounts>;
  readonly errors?: Partial<LoadCounts['errors']>;
  readonly plan?: Partial<LoadPlan>;
  readonly of?: Partial<Evidence>;
}

/** 10,000 messages in ten seconds, of an open loop or a closed one. */
function run(isOpen: boolean, change: Change = {}): Evidence {
  const model = isOpen ? openLoop(1000) : ({ kind: 'closed', pipeline: 1 } as const);
  const trouble = noTrouble();
  const threads = [
    { ...THREAD, ...change.thread },
    { ...THREAD, ...change.other },
  ];
  return {
    plan: planFixture({ model, ...change.plan }),
    counts: {
      messages: 10_000,
      sentBytes: 640_000,
      receivedBytes: 640_000,
      connections: 4,
      ...trouble,
      errors: { ...trouble.errors, ...change.errors },
      ...change.counts,
    },
    response: timesOf(1),
    service: serviceOf(1),
    generator: {
      threads,
      cpuUsPerMessage: 5,
      achievedPerSecond: 1000,
      askedPerSecond: isOpen ? 1000 : null,
      throttled: null,
      ...change.generator,
    },
    silence: null,
    awaitingEnd: 0,
    measuredMs: 10_000,
    cores: 2,
    due: isOpen ? 10_000 : null,
    endedEarly: false,
    startLateMs: 0,
    failures: [],
    ...change.of,
  };
}

const open = (change: Change): Evidence => run(true, change);
const closed = (change: Change): Evidence => run(false, change);

/** What is said of a figure of the first thread, and of the second. */
function bothThreads(make: typeof open, figures: Partial<ThreadFacts>): Evidence[] {
  return [make({ thread: figures }), make({ other: figures })];
}

function silent(durationMs: number, change: Change = {}): Evidence {
  return closed({ ...change, of: { silence: { startMs: 100, durationMs }, ...change.of } });
}

const churn = { messagesPerConnection: 5 } as const;

/** Nothing is said of the first ones; the second ones are not valid, and say so. */
const FLAWS: readonly (readonly [RegExp, readonly Evidence[], readonly Evidence[]])[] = [
  [
    /waited 10.* of the time for a CPU .*include/,
    [],
    [
      ...bothThreads(open, { waitedShare: 0.1001 }),
      ...bothThreads(closed, { waitedShare: 0.1001 }),
    ],
  ],
  [/slept on for 10.* of the time/, [], bothThreads(open, { oversleptShare: 0.1001 })],
  [
    /held up for 50/,
    bothThreads(closed, { turnMaxMs: 50 }),
    [...bothThreads(closed, { turnMaxMs: 50.1 }), open({ thread: { turnMaxMs: 50.1 } })],
  ],
  [
    /had no time left/,
    bothThreads(closed, { cpuShare: 0.9 }),
    bothThreads(closed, { cpuShare: 0.9001 }),
  ],
  [
    /sent later than due by 1.00 ms .* more than 1.00 ms/,
    [open({ thread: { scheduleLagP99Us: 1000 }, of: { response: timesOf(11) } })],
    [open({ thread: { scheduleLagP99Us: 1000.1 }, of: { response: timesOf(11) } })],
  ],
  [
    /sent later than due by .* more than a tenth/,
    [open({ thread: { scheduleLagP99Us: 100 } })],
    bothThreads(open, { scheduleLagP99Us: 100.1 }),
  ],
  [
    /waited .* for a connection .* carries 5 messages/,
    [open({ plan: churn, thread: { connectionWaitP99Us: 1000 } })],
    [
      open({ plan: churn, thread: { connectionWaitP99Us: 1000.1 } }),
      open({ plan: churn, other: { connectionWaitP99Us: 1000.1 } }),
    ],
  ],
  [
    /waited .* for a connection .* carries 1 message:/,
    // Where connections stay nothing waits for one, and after losses that is no wonder.
    [
      open({ other: { connectionWaitP99Us: 2000 } }),
      open({
        plan: churn,
        other: { connectionWaitP99Us: 2000 },
        counts: { lost: { ...noTrouble().lost, timeout: 1 } },
      }),
    ],
    [open({ plan: { mode: 'once' }, other: { connectionWaitP99Us: 2000 } })],
  ],
  [
    // 0.5 % of them, and two more.
    /were due and .* came back, more than 0.5 % apart: the server/,
    [open({ generator: { achievedPerSecond: 994.8 } })],
    [open({ generator: { achievedPerSecond: 994.7 } })],
  ],
  [
    /replies to the warm-up came in the measured time/,
    [open({ generator: { achievedPerSecond: 1005.2 } })],
    [open({ generator: { achievedPerSecond: 1005.3 } })],
  ],
  [
    /connections wait for the server to end them/,
    [closed({ errors: { notClosed: 1000 } })],
    [closed({ errors: { notClosed: 1001 } })],
  ],
];

test('verdict: each limit of a flaw is where it is said to be', () => {
  for (const [words, right, wrong] of FLAWS) {
    for (const evidence of right) {
      assert.deepEqual(judge(evidence), { valid: true, reasons: [] }, String(words));
    }
    for (const evidence of wrong) {
      const { valid, reasons } = judge(evidence);
      assert.deepEqual([valid, reasons.length], [false, 1], `${words}: ${reasons.join('\n')}`);
      assert.match(reasons[0] ?? '', words);
    }
  }
});

const throttled = (ms: number): Change => ({ generator: { throttled: { periods: 3, ms } } });

/** Nothing is said of the first ones; the second ones are valid, with a remark. */
const REMARKS: readonly (readonly [RegExp, readonly Evidence[], readonly Evidence[]])[] = [
  [
    /waited .* of the time for a CPU .*may be its own/,
    bothThreads(closed, { waitedShare: 0.02 }),
    [...bothThreads(closed, { waitedShare: 0.0201 }), ...bothThreads(open, { waitedShare: 0.1 })],
  ],
  [
    /slept on for/,
    // What it waited for a CPU is told as such.
    [
      open({ thread: { oversleptShare: 0.02 } }),
      open({ thread: { oversleptShare: 0.03, waitedShare: 0.01 } }),
    ],
    [
      ...bothThreads(open, { oversleptShare: 0.0201 }),
      open({ thread: { oversleptShare: 0.11, waitedShare: 0.01 } }),
      open({ other: { oversleptShare: 0.1, waitedShare: null } }),
    ],
  ],
  [/used up 3 times, .* for 200 ms in all/, [], [closed(throttled(200)), open(throttled(200))]],
  [
    /was out for 500 ms: no reply came from 0.1 s to 0.6 s/,
    [silent(499.9), silent(500, { of: { service: serviceOf(100.1) } })],
    [silent(500), silent(500, { of: { service: serviceOf(100) } })],
  ],
  [/was out for 600 ms/, [], [silent(600, { thread: { turnMaxMs: 50 } })]],
  [
    /it began 100 ms later/,
    [closed({ of: { startLateMs: 100 } })],
    [closed({ of: { startLateMs: 100.1 } })],
  ],
  [/connections failed 1 time for lack/, [], [closed({ errors: { resources: 1 } })]],
  [/^it was ended before its time$/, [], [closed({ of: { endedEarly: true } })]],
];

test('verdict: each limit of a remark is where it is said to be', () => {
  for (const [words, silentOf, told] of REMARKS) {
    for (const evidence of silentOf) {
      assert.deepEqual(judge(evidence), { valid: true, reasons: [] }, String(words));
    }
    for (const evidence of told) {
      const { valid, reasons } = judge(evidence);
      assert.deepEqual([valid, reasons.length], [true, 1], `${words}: ${reasons.join('\n')}`);
      assert.match(reasons[0] ?? '', words);
    }
  }
});

test('verdict: a quota that stops more than 2 % of the time makes it invalid', () => {
  const { valid, reasons } = judge(closed(throttled(200.1)));
  assert.deepEqual([valid, reasons.length], [false, 1]);
  assert.deepEqual(judge(closed({ generator: { throttled: { periods: 0, ms: 0 } } })).reasons, []);
});

test('verdict: a generator that was held up for more than half of a silence has made it', () => {
  const words = (turnMaxMs: number): string => {
    const evidence = silent(1000, { other: { turnMaxMs } });
    return judge(evidence).reasons.join('; ');
  };
  assert.match(words(500), /was out for 1.00 s/);
  assert.doesNotMatch(words(500.1), /was out/);
});

test('verdict: threads that share fewer cores than they are, and those that do not', () => {
  const words = (cores: number): string =>
    judge(closed({ thread: { waitedShare: 0.5 }, of: { cores } })).reasons.join();
  assert.match(words(1), /2 threads share 1 core.*use fewer threads/);
  assert.match(words(2), /other programs.*a core of its own/);
});

test('verdict: the remedy for late messages is for a rate that fills a thread', () => {
  const words = (messages: number, cpuShare: number): string =>
    judge(open({ thread: { scheduleLagP99Us: 2000, messages, cpuShare } })).reasons.join();
  assert.match(words(10_001, 0.81), /are much for a thread/);
  assert.match(words(10_000, 0.81), /wakes the generator late/);
  assert.match(words(10_001, 0.8), /wakes the generator late/);
});

test('verdict: a lower rate is explained by what failed, to the message', () => {
  // 100 are missing, of which 52 need no reason.
  const words = (timeout: number): string =>
    judge(open({ generator: { achievedPerSecond: 990 }, errors: { timeout } })).reasons.join();
  assert.match(words(48), /for 48 messages failed \(timeout 48\)/);
  assert.match(words(47), /does not keep up/);
});

test('verdict: connections that wait for their end are the reason for a silence only', () => {
  const waiting = { of: { awaitingEnd: 1 } };
  assert.deepEqual(judge(closed(waiting)).reasons, []);
  assert.match(judge(silent(600, waiting)).reasons.join(), /^1 connection waits for the server/);
});

test('verdict: a server that was out, or does not end connections, is why they were late', () => {
  const late = { connectionWaitP99Us: 2000 };
  const silence = { startMs: 0, durationMs: 600 };
  const out = judge(open({ plan: churn, other: late, of: { silence } })).reasons;
  assert.deepEqual([out.length, /was out/.test(out[0] ?? '')], [1, true]);
  const once = { plan: { mode: 'once' }, other: late, errors: { notClosed: 1001 } } as const;
  const unended = judge(open(once)).reasons;
  assert.deepEqual([unended.length, /for the server to end/.test(unended[0] ?? '')], [1, true]);
});

test('verdict: one message is something, and one reason for none is one', () => {
  assert.deepEqual(judge(closed({ counts: { messages: 1 } })), { valid: true, reasons: [] });
  const nothing = (change: Change): string =>
    judge(closed({ ...change, counts: { messages: 0 } })).reasons.join('; ');
  assert.match(nothing({ of: { awaitingEnd: 1 } }), /\(1 connection waits for the server/);
  assert.match(nothing({ of: { due: 1 } }), /nothing failed: no reply was there in time/);
  const refused = judge({ ...closed({ errors: { refused: 1 } }), counts: failing({ refused: 1 }) });
  assert.match(refused.reasons.join(), /\(errors: refused 1\)$/);
});

/** No message, and these errors. */
function failing(errors: Partial<LoadCounts['errors']>): LoadCounts {
  const { counts } = closed({ errors });
  return { ...counts, messages: 0 };
}
