// Goal: what is not answered is exactly what its limits say, by address, by port and in all.
// Method: a clock of numbers; counts at the edge of each limit.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyGuard } from '#tools/echo/datagrams/reply-guard.js';

function answers(guard: ReplyGuard, count: number, host: string, nowMs: number): number {
  let allowed = 0;
  for (let one = 0; one < count; one += 1) if (guard.allows(host, 40_000, nowMs)) allowed += 1;
  return allowed;
}

test('reply guard: so many answers a second to one address, and no more', () => {
  const guard = new ReplyGuard({ perSecond: 10, limitsLoopback: false });
  assert.equal(answers(guard, 25, '192.0.2.1', 5000), 10);
  assert.equal(answers(guard, 5, '192.0.2.1', 5099), 0, 'a tenth of a second is not over');
  assert.equal(answers(guard, 5, '192.0.2.1', 5100), 1);
  assert.equal(answers(guard, 25, '192.0.2.1', 6100), 10);
  assert.equal(answers(guard, 25, '192.0.2.1', 9100), 10, 'no more after a longer pause');
  assert.equal(answers(guard, 10, '192.0.2.2', 9100), 10, 'another address has its own');
  assert.deepEqual(guard.counts, { port: 0, rate: 15 + 5 + 4 + 15 + 15, rateInAll: 0 });
});

test('reply guard: a home of IPv6 is one address, and a port is none', () => {
  const guard = new ReplyGuard({ perSecond: 2, limitsLoopback: false });
  const all = ['2001:db8::1', '2001:db8::2', '2001:db8::ffff:1', '2001:db8:0:1::1'];
  assert.deepEqual(
    all.map((host) => guard.allows(host, 40_000, 0)),
    [true, true, false, true],
  );
  assert.equal(guard.allows('192.0.2.1', 1025, 0), true);
  assert.equal(guard.allows('192.0.2.1', 1026, 0), true);
  assert.equal(guard.allows('192.0.2.1', 1027, 0), false, 'whatever the port');
});

test('reply guard: services are not answered, whoever they are, without counting a rate', () => {
  const services = [
    ...[0, 1, 7, 9, 11, 13, 15, 17, 19, 37, 53, 69, 111, 123, 137, 138, 161, 389, 520],
    ...[1900, 5353, 11_211],
  ];
  for (const perSecond of [null, 1]) {
    const guard = new ReplyGuard({ perSecond, limitsLoopback: true });
    const refused: number[] = [];
    for (let port = 0; port < 65_536; port += 1) {
      if (!guard.allows(`10.${port >> 8}.${port & 255}.1`, port, 0)) refused.push(port);
    }
    assert.deepEqual(refused, services);
    assert.deepEqual(guard.counts, { port: services.length, rate: 0, rateInAll: 0 });
  }
});

test('reply guard: this machine is limited only if asked for, and no limit is none', () => {
  const own = ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1'];
  for (const host of own) {
    const free = new ReplyGuard({ perSecond: 1, limitsLoopback: false });
    assert.equal(answers(free, 50, host, 0), 50, host);
    const limited = new ReplyGuard({ perSecond: 1, limitsLoopback: true });
    assert.equal(answers(limited, 50, host, 0), 1, host);
  }
  const others = ['128.0.0.1', '12.7.0.1', '::2', '::ffff:128.0.0.1'];
  for (const host of others) {
    const guard = new ReplyGuard({ perSecond: 1, limitsLoopback: false });
    assert.equal(answers(guard, 50, host, 0), 1, host);
  }
  const unlimited = new ReplyGuard({ perSecond: null, limitsLoopback: true });
  assert.equal(answers(unlimited, 500, '192.0.2.1', 0), 500);
});

test('reply guard: 100,000 a second in all, and 10,000 addresses remembered, the newest', () => {
  const guard = new ReplyGuard({ perSecond: 60_000, limitsLoopback: false });
  assert.equal(answers(guard, 60_000, '192.0.2.1', 0), 60_000);
  assert.equal(answers(guard, 60_000, '192.0.2.2', 0), 40_000);
  assert.deepEqual(guard.counts, { port: 0, rate: 0, rateInAll: 20_000 });
  assert.equal(answers(guard, 200, '192.0.2.3', 1), 100, 'a thousandth of a second');

  const memory = new ReplyGuard({ perSecond: 1, limitsLoopback: false });
  const host = (number: number): string => `10.0.${number >> 8}.${number & 255}`;
  for (let number = 0; number < 10_000; number += 1) {
    assert.equal(memory.allows(host(number), 40_000, 0), true);
  }
  assert.equal(memory.allows(host(0), 40_000, 0), false, 'all 10,000 are remembered');
  assert.equal(memory.allows(host(10_000), 40_000, 0), true);
  assert.equal(memory.allows(host(1), 40_000, 0), false, 'only the oldest is forgotten');
  assert.equal(memory.allows(host(0), 40_000, 0), true);
});
