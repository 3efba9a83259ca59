import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nativeSys } from 'sockloop/sys';
import { startLoad } from '#tools/load/engine/run.js';
import { checkPlan, loadLimits } from '#tools/load/plan/check.js';
import type { LoadPlan } from '#tools/load/plan.js';
import { planFor } from './servers.ts';

const plenty = { descriptors: 1e6, portsPerSource: 28_232 };

function open(ratePerSecond: number, durationMs = 300): Partial<LoadPlan> {
  const stages = [{ durationMs, ratePerSecond }];
  return { model: { kind: 'open', arrivals: 'uniform', stages } };
}

function given(text: string, mode: LoadPlan['mode']): Partial<LoadPlan> {
  const base64 = Buffer.from(text).toString('base64');
  return { mode, message: { kind: 'given', base64, source: '--message' } };
}

test('what there cannot be is refused in a sentence', () => {
  const cases: readonly (readonly [Partial<LoadPlan>, RegExp])[] = [
    [{ threads: 0 }, /^RangeError: the number of threads is 1 to 256, not 0$/],
    [{ threads: 5 }, /: 5 threads cannot share 4 connections: each needs one at least$/],
    [{ connections: 0 }, /: the number of connections is 1 to 1000000, not 0$/],
    [{ idleConnections: -1 }, /: the number of idle connections is 0 to 1000000, not -1$/],
    [{ durationMs: 0 }, /: the duration is above 0 and at most \d+ ms, not 0$/],
    [{ timeoutMs: Number.NaN }, /: the timeout is above 0 and at most \d+ ms, not NaN$/],
    [{ warmupMs: -1 }, /: the warm-up is 0 to \d+ ms, not -1$/],
    [{ warmupMs: 5, rampMs: 6 }, /: the ramp is part of the warm-up: 0 to 5 ms, not 6$/],
    [{ startAtMs: Number.NaN }, /: a start is a time in milliseconds, not NaN$/],
    [open(0), /: a rate is above 0 and at most \d+ messages per second, not 0$/],
    [open(-3), /not -3$/],
    [open(5, 200), /: the stages last 200 ms together, and the run is to last 300 ms$/],
    [{ model: { kind: 'closed', pipeline: 0 } }, /messages in flight is 1 to 4096, not 0$/],
    [{ message: { kind: 'bytes', bytes: 0 } }, /size of a message in bytes is 1 to \d+, not 0$/],
    [{ message: { kind: 'bytes', bytes: 2e9 } }, /not 2000000000$/],
    [
      { message: { kind: 'bytes', bytes: 1e6 }, model: { kind: 'closed', pipeline: 100 } },
      /: 100 messages of 1000000 bytes in flight on a connection are more than 67108864 bytes$/,
    ],
    [given('', 'echo'), /: the size of the message from --message is 1 to \d+, not 0$/],
    [given('a', 'line'), /--message does not end with a newline: a server in mode line/],
    [given('a\nb\n', 'once'), /--message has several lines: a server in mode once/],
    [{ messagesPerConnection: 0 }, /: the number of messages per connection is 1 to/],
    [{ seed: 0.5 }, /: a seed is a whole number, not 0.5$/],
    [{ sourceAddresses: ['localhost'] }, /: a source address is numeric, not "localhost"$/],
    [{ sourcePorts: [5, 4] }, /: the last source port is 5 to 65535, not 4$/],
    [{ threads: 3, sourcePorts: [5, 6] }, /: 3 threads need as many source ports, not 2$/],
    [
      { endpoint: { path: '/a' }, sourcePorts: [5, 6] },
      /: a UNIX socket has no source address and no source port$/,
    ],
  ];
  for (const [changes, words] of cases) {
    const plan = planFor(7, changes);
    assert.throws(() => checkPlan(plan, plenty), words, JSON.stringify(changes));
    assert.throws(() => startLoad(plan), RangeError);
  }
});

test('descriptors and ports that do not suffice are refused with the way out', () => {
  const plan = planFor(7, { connections: 30_000, threads: 2 });
  assert.throws(() => checkPlan(plan, plenty), {
    name: 'RangeError',
    message:
      '30000 connections from one source address need as many local ports, and there are ' +
      '28232 for each: give 2 addresses with --source-addresses',
  });
  checkPlan({ ...plan, sourceAddresses: ['127.0.0.2', '127.0.0.3'] }, plenty);
  checkPlan({ ...plan, sourcePorts: [1024, 65_535] }, plenty);
  assert.throws(
    () => checkPlan({ ...plan, sourcePorts: [1001, 11_000] }, plenty),
    /there are 10000 for each: give 3 addresses .*, or more ports with --source-ports$/,
  );
  checkPlan({ ...plan, endpoint: { path: '/a' } }, plenty);
  assert.throws(
    () => checkPlan(plan, { ...plenty, descriptors: 1024 }),
    /: 30000 connections need 30048 descriptors, and this process may have 1024: raise the limit/,
  );
  const idle = planFor(7, { connections: 4, idleConnections: 29_996 });
  assert.throws(() => checkPlan(idle, plenty), /30000 connections from one source address/);
});

test('the limits of this machine are numbers that let a small run be', () => {
  const limits = loadLimits(nativeSys());
  assert(limits.descriptors >= 256);
  assert(limits.portsPerSource > 1000 && limits.portsPerSource <= 65_536);
  checkPlan(planFor(7), limits);
});
