// Goal: what a program hands in wrongly is an error that shows it as it was given, at the call, and
// leaves nothing open.
// Method: tables of calls with values that JavaScript lets through.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { createConnection, createServer, EventLoop, Interest, resolve, Socket } from 'sockloop';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';

/** A value of a type that TypeScript would not have let through. */
const given = (value: unknown): never => value as never;

type Attempt = readonly [call: () => unknown, kind: typeof TypeError, message: string | RegExp];

function assertRefused(attempts: readonly Attempt[]): void {
  for (const [call, kind, message] of attempts) {
    assert.throws(call, (error) => {
      assert.ok(error instanceof kind, `${String(error)} is no ${kind.name}`);
      if (typeof message === 'string') assert.equal(error.message, message);
      else assert.match(error.message, message);
      return true;
    });
  }
}

test('arguments: a loop that there is not', (t) => {
  leakCheck(t);
  for (const [name, words] of [
    ['bogus', 'the string "bogus"'],
    ['', 'the string ""'],
    [7, '7'],
    [null, 'null'],
  ] as const) {
    assert.throws(() => new EventLoop({ backend: given(name) }), {
      name: 'RangeError',
      message: `there is no loop called ${words}, only auto, io_uring, epoll, kqueue, poll, select`,
    });
  }
});

test('arguments: batch is a flag', (t) => {
  leakCheck(t);
  assertRefused([
    [() => new EventLoop({ batch: given(0) }), TypeError, 'batch is true or false, not 0'],
    [() => new EventLoop({ batch: given(null) }), TypeError, 'batch is true or false, not null'],
    [
      () => new EventLoop({ backend: 'poll', batch: given('no') }),
      TypeError,
      'batch is true or false, not the string "no"',
    ],
  ]);
  for (const batch of [true, false, undefined]) new EventLoop({ batch: given(batch) }).close();
});

test('arguments: chunks are owned or borrowed', (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const to = { host: '127.0.0.1', port: 0, handlers: {} };
  for (const [chunks, shown, kind] of [
    ['copied', 'the string "copied"', TypeError],
    ['', 'the string ""', TypeError],
    [null, 'null', TypeError],
    [true, 'true', TypeError],
    [1, '1', RangeError],
  ] as const) {
    const message = `chunks is 'owned' or 'borrowed', not ${shown}`;
    assertRefused([
      [() => loop.listen({ ...to, chunks: given(chunks) }), kind, message],
      [() => loop.connect({ ...to, port: 1, chunks: given(chunks) }), kind, message],
    ]);
  }
  for (const chunks of ['owned', 'borrowed', undefined] as const) {
    loop.listen({ ...to, chunks: given(chunks) }).close();
  }
});

test('arguments: ports and hosts', (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const handlers = {};
  const host = '127.0.0.1';
  const ways: ((to: { host: string | null; port: number }) => unknown)[] = [
    (to) => loop.listen({ ...to, handlers }),
    (to) => loop.connect({ ...to, handlers }),
    (to) => createServer(to),
    (to) => createConnection(to),
    (to) => resolve(to.host, to.port),
  ];
  const rule = 'a port is a number from 0 to 65535, not';
  for (const way of ways) {
    assertRefused([
      [() => way({ host, port: given('7000') }), TypeError, `${rule} the string "7000"`],
      [() => way({ host: null, port: given('7000') }), TypeError, `${rule} the string "7000"`],
      [() => way({ host, port: given(undefined) }), TypeError, `${rule} undefined`],
      [() => way({ host, port: given(7000n) }), TypeError, `${rule} the bigint 7000n`],
      [() => way({ host, port: 65536 }), RangeError, `${rule} 65536`],
      [() => way({ host, port: Number.NaN }), RangeError, `${rule} NaN`],
      [() => way({ host, port: 0.5 }), RangeError, `${rule} 0.5`],
      [() => way({ host: given(7), port: 1 }), TypeError, /^a host is .*, not 7$/],
      [() => way({ host: given(undefined), port: 1 }), TypeError, /^a host is .*, not undefined$/],
    ]);
  }
  const local = { host, port: 1, handlers };
  assertRefused([
    [() => loop.connect({ ...local, localPort: given('80') }), TypeError, /the string "80"$/],
    [() => loop.connect({ ...local, localAddress: given(7) }), TypeError, /^localAddress is a str/],
    [() => loop.listen({ path: given(7), handlers }), TypeError, 'a UNIX path is a string, not 7'],
    [() => loop.connect({ path: given(7), handlers }), TypeError, 'a UNIX path is a string, not 7'],
    [() => createServer(given(7000)), TypeError, 'an endpoint is an object, not 7000'],
    [() => createConnection(given(null)), TypeError, 'an endpoint is an object, not null'],
  ]);
});

test('arguments: times, counts, flags and handlers', (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const to = { host: '127.0.0.1', port: 0, handlers: {} };
  const out = { ...to, port: 1 };
  const path = `${scratch(t)}/socket`;
  const most = 'above 0 and at most 2147483647 ms, not';
  assertRefused([
    [() => loop.listen({ ...to, idleTimeoutMs: given('9') }), TypeError, /the string "9"$/],
    [() => loop.listen({ ...to, idleTimeoutMs: Number.NaN }), RangeError, /not NaN$/],
    [() => loop.connect({ ...out, timeoutMs: Number.NaN }), RangeError, `a timeout is ${most} NaN`],
    [
      () => loop.connect({ ...out, timeoutMs: Number.POSITIVE_INFINITY }),
      RangeError,
      `a timeout is ${most} Infinity`,
    ],
    [() => createConnection(out, { timeoutMs: 0 }), RangeError, `a timeout is ${most} 0`],
    [() => createConnection(out, { timeoutMs: given('5') }), TypeError, /the string "5"$/],
    [() => loop.connect({ ...out, attemptDelayMs: Number.POSITIVE_INFINITY }), RangeError, /Inf/],
    [() => loop.connect({ ...out, attemptDelayMs: given('1') }), TypeError, /the string "1"$/],
    [() => loop.connect({ ...out, lookup: given(7) }), TypeError, 'lookup is a function, not 7'],
    [() => loop.connect({ ...out, onError: given(7) }), TypeError, 'onError is a function, not 7'],
    [
      () => loop.connect(given({ host: 'x', port: 1 })),
      TypeError,
      /^handlers is an object, not un/,
    ],
    [() => loop.listen({ ...to, noDelay: given(1) }), TypeError, 'noDelay is true or false, not 1'],
    [() => loop.listen({ ...to, reusePort: given(1) }), TypeError, /^reusePort is true or false/],
    [() => loop.listen({ ...to, maxConnections: Number.NaN }), RangeError, /not NaN$/],
    [() => loop.listen({ ...to, maxConnections: given('5') }), TypeError, /the string "5"$/],
    [() => loop.listen({ ...to, backlog: given('5') }), TypeError, /^a backlog is .*"5"$/],
    [() => createServer({ path }, { backlog: -1 }), RangeError, /^a backlog is .* -1$/],
    [() => loop.setTimer(given('5'), () => undefined), TypeError, /not the string "5"$/],
    [() => new Socket(given('ipv4')), RangeError, /^a family is .*, not the string "ipv4"$/],
  ]);
  assert.equal(existsSync(path), false, 'no name is left behind');
});

test('arguments: what is no object, no descriptor and no interest', (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const nothing = (): void => undefined;
  const anObject = 'options is an object, not';
  assertRefused([
    [() => new EventLoop(given(null)), TypeError, `${anObject} null`],
    [() => new EventLoop(given('epoll')), TypeError, `${anObject} the string "epoll"`],
    [() => loop.listen(given(undefined)), TypeError, `${anObject} undefined`],
    [() => loop.connect(given(7000)), TypeError, `${anObject} 7000`],
    [
      () => loop.watch(given('0'), Interest.read, nothing),
      TypeError,
      'a descriptor is a whole number, not the string "0"',
    ],
    [() => loop.watch(0.5, Interest.read, nothing), RangeError, /^a descriptor is .*, not 0.5$/],
    [
      () => loop.watch(0, given('read'), nothing),
      TypeError,
      'an interest is a number from 0 to 3, not the string "read"',
    ],
    [() => loop.watch(0, given(4), nothing), RangeError, /^an interest is .*, not 4$/],
  ]);
  assert.equal(loop.alive, false);
});

test('arguments: the zone of an address', {
  skip: process.platform === 'linux' ? false : 'the name of the loopback interface differs',
}, async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const nowhere = /"nosuch0"$/;
  using socket = new Socket('IPv6');
  assert.throws(() => socket.bind({ address: 'fe80::1%nosuch0', port: 0 }), nowhere);
  const errors: string[] = [];
  loop.connect({
    host: 'fe80::1%nosuch0',
    port: 1,
    handlers: {},
    onError: (error) => errors.push('code' in error ? String(error.code) : error.message),
  });
  await loop.run();
  assert.deepEqual(errors, ['ENOTFOUND']);
  const to = { host: '::1', port: 1, handlers: {} };
  assert.throws(() => loop.connect({ ...to, localAddress: 'fe80::1%nosuch0' }), nowhere);
});
