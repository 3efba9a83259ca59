// Goal: the flags of `sockloop load` mean what the help text says, and contradictions are refused.
// Method: command lines, read as the command reads them, beside the plans that they stand for.

import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { Command } from 'commander';
import { declareLoadFlags, type LoadFlags } from '#tools/cli/load/flags.js';
import { planOf } from '#tools/cli/load/plan.js';
import type { LoadPlan } from '#tools/load/plan.js';

/** A quarter past two in the afternoon, local time. */
const NOW_MS = new Date(2026, 4, 6, 14, 15, 16).getTime();
const LOCAL = '127.0.0.1';

function planFor(line: string, nowMs: number = NOW_MS): LoadPlan {
  const command = declareLoadFlags(new Command('load').argument('[arguments...]')).exitOverride();
  command.parse(line.split(' ').filter(Boolean), { from: 'user' });
  return planOf(command.args, command.opts<LoadFlags>(), nowMs);
}

const open = { kind: 'open', arrivals: 'uniform' } as const;

/** That each line of flags stands for what is beside it. */
function assertPlans(table: readonly (readonly [flags: string, plan: Partial<LoadPlan>])[]): void {
  for (const [flags, expected] of table) {
    const plan = planFor(`h 1 ${flags}`);
    const actual = Object.fromEntries(
      Object.keys(expected).map((key) => [key, plan[key as keyof LoadPlan]]),
    );
    assert.deepEqual(actual, expected, flags);
  }
}

test('load flags: quantities with units', () => {
  assertPlans([
    ['--warmup 0s --timeout 500ms', { warmupMs: 0, timeoutMs: 500 }],
    ['--duration 1h30m --ramp 1.5s', { durationMs: 5_400_000, rampMs: 1500, warmupMs: 2500 }],
    ['--size 64k', { message: { kind: 'bytes', bytes: 65_536 } }],
    ['--size 1MB', { message: { kind: 'bytes', bytes: 1_000_000 } }],
    ['--connections 1k --churn 2M', { connections: 1000, messagesPerConnection: 2_000_000 }],
    ['--rate 20k', { model: { ...open, stages: [{ durationMs: 10_000, ratePerSecond: 20_000 }] } }],
    [
      '--stages 500ms@1.5k,1m@2',
      {
        model: {
          ...open,
          stages: [
            { durationMs: 500, ratePerSecond: 1500 },
            { durationMs: 60_000, ratePerSecond: 2 },
          ],
        },
        durationMs: 60_500,
      },
    ],
    ['--start-at +2m', { startAtMs: NOW_MS + 120_000 }],
  ]);
});

test('load flags: each ends up in its place of the plan', () => {
  const table: [flags: string, plan: Partial<LoadPlan>][] = [
    ['', { endpoint: { host: 'h', port: 1 }, connections: 50, threads: 1, loop: 'auto' }],
    ['', { model: { kind: 'closed', pipeline: 1 }, message: { kind: 'bytes', bytes: 64 } }],
    ['', { mode: 'echo', idleConnections: 0, messagesPerConnection: null }],
    ['', { sourceAddresses: [], sourcePorts: null }],
    ['', { durationMs: 10_000, warmupMs: 1000, rampMs: 0, timeoutMs: 5000, startAtMs: null }],
    ['--threads max', { threads: availableParallelism() }],
    ['--threads max --connections 1', { threads: 1 }],
    ['--idle 9 --churn 7', { idleConnections: 9, messagesPerConnection: 7 }],
    ['--pipeline 4', { model: { kind: 'closed', pipeline: 4 } }],
    ['--rate 2.5', { model: { ...open, stages: [{ durationMs: 10_000, ratePerSecond: 2.5 }] } }],
    [
      '--rate 9 --arrivals poisson --duration 0.5',
      {
        model: {
          kind: 'open',
          arrivals: 'poisson',
          stages: [{ durationMs: 500, ratePerSecond: 9 }],
        },
        durationMs: 500,
      },
    ],
    [
      '--stages 10s@1000,0.25@5.5',
      {
        model: {
          ...open,
          stages: [
            { durationMs: 10_000, ratePerSecond: 1000 },
            { durationMs: 250, ratePerSecond: 5.5 },
          ],
        },
        durationMs: 10_250,
      },
    ],
    ['--ramp 3', { rampMs: 3000, warmupMs: 4000 }],
    ['--ramp 3 --warmup 3', { rampMs: 3000, warmupMs: 3000 }],
    ['--warmup 0 --timeout 0.01', { warmupMs: 0, timeoutMs: 10 }],
    ['--message hi', { message: { kind: 'given', base64: 'aGk=', source: '--message' } }],
    [
      '--message hi --mode line',
      { message: { kind: 'given', base64: 'aGkK', source: '--message' }, mode: 'line' },
    ],
    ['--seed 5 --mode once', { seed: 5, mode: 'once' }],
    ['--source-addresses 127.0.0.9', { sourceAddresses: ['127.0.0.9'] }],
    [
      '--source-addresses 127.0.0.254-127.0.1.1,::1',
      { sourceAddresses: ['127.0.0.254', '127.0.0.255', '127.0.1.0', '127.0.1.1', '::1'] },
    ],
    ['--source-ports 5-5', { sourcePorts: [5, 5] }],
  ];
  assertPlans(table);
  assert.deepEqual(planFor('--unix /a').endpoint, { path: '/a' });
  assert.deepEqual(planFor('--unix @a').endpoint, { path: '\0a' });
});

test('load flags: without --seed every run has its own', () => {
  const seeds = new Set(Array.from({ length: 10 }, () => planFor(`${LOCAL} 1`).seed));
  assert.ok(seeds.size > 1);
  for (const seed of seeds) assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
});

test('load flags: --start-at is the next such time', () => {
  const at = (hour: number, minute: number, second: number, day = 6): number =>
    new Date(2026, 4, day, hour, minute, second).getTime();
  const table: [text: string, startMs: number, nowMs?: number][] = [
    ['+5', NOW_MS + 5000],
    ['+0.25s', NOW_MS + 250],
    ['14:16', at(14, 16, 0)],
    ['14:15:17', at(14, 15, 17)],
    ['00:01', at(0, 1, 0, 7)],
    ['00:01', at(0, 1, 0, 7), at(23, 59, 59)],
    ['2026-05-06T20:00', at(20, 0, 0)],
    ['2026-05-06T20:00:01.500', at(20, 0, 1) + 500],
    [new Date(NOW_MS + 1000).toISOString(), NOW_MS + 1000],
  ];
  for (const [text, startMs, nowMs] of table) {
    assert.equal(planFor(`h 1 --start-at ${text}`, nowMs).startAtMs, startMs, text);
  }
});

const FORM = '127.0.0.2,127.0.0.3 or 127.0.0.2-127.0.0.9';
const BOTH = 'both say how many messages are due: leave out one of them';
const RATES = 'messages per second, above 0 and up to 10000000, such as 500 or 20k';
const refused: [line: string, why: string][] = [
  ['', 'load takes a HOST and a PORT, or --unix PATH'],
  ['h', 'load takes a HOST and a PORT, or --unix PATH'],
  ['h 0', 'PORT takes a number from 1 to 65535, not "0"'],
  ['h 1 x', 'load takes a HOST and a PORT, not "x" as well'],
  ['--unix a h', 'load takes a HOST and a PORT or --unix PATH, not "h" as well'],
  ['h 1 --threads 0', '--threads takes a number from 1 to 256, or max, not "0"'],
  [
    'h 1 --threads 5 --connections 4',
    '--threads 5 takes as many connections at least, not --connections 4',
  ],
  ['h 1 --connections 0', '--connections takes a number from 1 to 1000000, not "0"'],
  ['h 1 --idle -1', '--idle takes a number from 0 to 1000000, such as 50 or 20k, not "-1"'],
  ['h 1 --pipeline 0', '--pipeline takes a number from 1 to 4096, not "0"'],
  ['h 1 --churn 0', `--churn takes a number from 1 to ${2 ** 53 - 1}, not "0"`],
  ['h 1 --loop best', '--loop takes auto, io_uring, epoll, kqueue, poll, select, not "best"'],
  ['h 1 --mode shout', '--mode takes echo, line, once, not "shout"'],
  ...['0', '-5', 'fast', '1e3', '10000001'].map((rate): [string, string] => [
    `h 1 --rate ${rate}`,
    `--rate takes ${RATES}, not "${rate}"`,
  ]),
  ['h 1 --rate 1 --arrivals x', '--arrivals takes uniform or poisson, not "x"'],
  ['h 1 --arrivals poisson', '--arrivals belongs to an open loop: give --rate or --stages as well'],
  [
    'h 1 --rate 1 --pipeline 2',
    '--rate is an open loop and --pipeline belongs to a closed one: leave out one of them',
  ],
  ['h 1 --rate 1 --stages 1s@1', `--rate and --stages ${BOTH}`],
  ['h 1 --stages 1s@1 --duration 1', '--stages say how long they last: leave out --duration'],
  ['h 1 --stages 10@5,10s', '--stages takes a list like 10s@1000,20s@5000, and "10s" is no stage'],
  [
    'h 1 --stages 0s@5',
    'a stage takes a time above 0 and up to 2592000 s, such as 10, 500ms or 2m, not "0s"',
  ],
  ['h 1 --stages 1s@0', `a stage takes ${RATES}, not "0"`],
  ['h 1 --stages 2592000@1,1@1', '--stages last up to 2592000 seconds together'],
  [
    'h 1 --duration 0',
    '--duration takes a time above 0 and up to 2592000 s, such as 10, 500ms or 2m, not "0"',
  ],
  [
    'h 1 --warmup -1',
    '--warmup takes a time from 0 and up to 2592000 s, such as 10, 500ms or 2m, not "-1"',
  ],
  [
    'h 1 --warmup 1 --ramp 2',
    '--ramp is a part of the warm-up: --ramp 2 does not fit into --warmup 1',
  ],
  [
    'h 1 --timeout 0',
    '--timeout takes a time above 0 and up to 3600 s, such as 10, 500ms or 2m, not "0"',
  ],
  [
    'h 1 --timeout 3601',
    '--timeout takes a time above 0 and up to 3600 s, such as 10, 500ms or 2m, not "3601"',
  ],
  ['h 1 --size 0', '--size takes a size from 1 to 16777216 bytes, such as 512, 64k or 1M, not "0"'],
  [
    'h 1 --size 100000000',
    '--size takes a size from 1 to 16777216 bytes, such as 512, 64k or 1M, not "100000000"',
  ],
  [
    'h 1 --size 5 --message x',
    '--message, --file and --size each say what a message is: give one of them',
  ],
  ['h 1 --message=', '--message takes a text of at least one character'],
  ['h 1 --seed x', '--seed takes a number from 0 to 4294967295, such as 50 or 20k, not "x"'],
  [
    'h 1 --mode once --churn 1',
    '--mode once takes a new connection for every message: leave out --churn',
  ],
  [
    'h 1 --mode once --pipeline 2',
    '--mode once has one message on a connection: leave out --pipeline',
  ],
  [
    '--unix a --source-ports 1-2',
    'a UNIX socket has no source addresses and ports: leave them out with --unix',
  ],
  ...['x', '127.0.0.256', '127.0.0.1-', '1-2', '127.0.0.1-127.0.0.2-127.0.0.3', ''].map(
    (text): [string, string] => [
      `h 1 --source-addresses=${text}`,
      `--source-addresses takes ${FORM}, not "${text}"`,
    ],
  ),
  [
    'h 1 --source-addresses 127.0.0.9-127.0.0.2',
    '--source-addresses: 127.0.0.2 comes before 127.0.0.9',
  ],
  [
    'h 1 --source-addresses 127.0.0.0-127.255.255.255',
    '--source-addresses: 127.0.0.0-127.255.255.255 are 16777216, of at most 65536',
  ],
  [
    'h 1 --source-addresses 127.0.0.2,127.0.0.1-127.0.0.3',
    '--source-addresses names 127.0.0.2 twice',
  ],
  ['h 1 --source-ports 5', '--source-ports takes a range like 20000-29999, not "5"'],
  ['h 1 --source-ports 5-4', '--source-ports: 4 comes before 5'],
  ['h 1 --source-ports 0-4', '--source-ports takes a number from 1 to 65535, not "0"'],
  ...['25:00', '1:2', '10:60', 'noon', '+', '2026-13-01T00:00'].map((text): [string, string] => [
    `h 1 --start-at ${text}`,
    `--start-at takes HH:MM, HH:MM:SS, an ISO time or +30s, +2m from now, not "${text}"`,
  ]),
  ['h 1 --start-at 14:15:15', '--start-at "14:15:15" has passed, 1 s ago: it takes a time to come'],
  [
    'h 1 --start-at 2026-05-06T14:15',
    '--start-at "2026-05-06T14:15" has passed, 16 s ago: it takes a time to come',
  ],
  ['h 1 --start-at +90000', '--start-at "+90000" is 25 hours ahead: 12 at the most'],
];

test('load flags: what is refused, and why', () => {
  for (const [line, message] of refused) {
    assert.throws(() => planFor(line), { name: 'UsageError', message }, line);
  }
});
