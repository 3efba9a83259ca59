// Goal: an address is in a list exactly where its blocks say so, whatever its form, and the table
// of addresses holds no more than there are connections.
// Method: any blocks and addresses against the BlockList of node:net; thousands of addresses.

import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { TokenBucket } from '#src/base/token-bucket.js';
import { AddressRanges, addressWords } from '#src/net/guards/address-ranges.js';
import { AddressTable, keyOf } from '#src/net/guards/address-table.js';
import { leakCheck } from '#test/harness/leaks.js';

/** Few different bits, so that blocks nest and addresses hit them. */
const bytes = fc.constantFrom(0, 1, 10, 127, 128, 192, 254, 255);
const ipv4 = fc.array(bytes, { minLength: 4, maxLength: 4 }).map((four) => four.join('.'));
const ipv6 = fc
  .array(fc.tuple(bytes, bytes), { minLength: 8, maxLength: 8 })
  .map((words) => words.map(([high, low]) => (high * 256 + low).toString(16)).join(':'))
  // Mapped addresses are IPv4 ones here.
  .filter((text) => !text.startsWith('0:0:0:0:0:ffff:'));
const blocks4 = fc.tuple(ipv4, fc.integer({ min: 0, max: 32 }));
const blocks6 = fc.tuple(ipv6, fc.integer({ min: 0, max: 128 }));

function words(text: string): readonly number[] {
  const found = addressWords(text);
  assert.ok(found !== null, text);
  return found;
}

test('addresses: a list has what the BlockList of Node has', (t) => {
  leakCheck(t);
  const all = fc.tuple(
    fc.array(blocks4, { maxLength: 12 }),
    fc.array(blocks6, { maxLength: 12 }),
    fc.array(ipv4, { maxLength: 10 }),
    fc.array(ipv6, { maxLength: 10 }),
  );
  fc.assert(
    fc.property(all, ([four, six, addresses4, addresses6]) => {
      // One for both would see IPv4 addresses in blocks of IPv6 such as ::/0.
      const known = { ipv4: new BlockList(), ipv6: new BlockList() };
      for (const [address, prefix] of four) known.ipv4.addSubnet(address, prefix, 'ipv4');
      for (const [address, prefix] of six) known.ipv6.addSubnet(address, prefix, 'ipv6');
      const list = [...four, ...six].map(([address, prefix]) => `${address}/${prefix}`);
      const ranges = new AddressRanges('deny', list);
      const own = [...four, ...six].map(([address]) => address);
      for (const address of [...addresses4, ...addresses6, ...own]) {
        const family = address.includes(':') ? 'ipv6' : 'ipv4';
        assert.equal(
          ranges.has(words(address)),
          known[family].check(address, family),
          `${address} ${list}`,
        );
      }
      for (const address of addresses4) {
        assert.equal(ranges.has(words(`::ffff:${address}`)), known.ipv4.check(address), address);
      }
    }),
    { numRuns: 300 },
  );
});

test('addresses: the forms of a block, one by one', (t) => {
  leakCheck(t);
  const has = (block: string, address: string): boolean =>
    new AddressRanges('allow', [block]).has(words(address));
  assert.ok(has('192.0.2.1', '192.0.2.1'));
  assert.ok(!has('192.0.2.1', '192.0.2.2'));
  assert.ok(has('192.0.2.77/24', '192.0.2.255'), 'bits behind the prefix do not count');
  assert.ok(!has('192.0.2.0/24', '192.0.3.0'));
  assert.ok(has('0.0.0.0/0', '255.255.255.255'));
  assert.ok(!has('0.0.0.0/0', '::1'), 'IPv6 is another family');
  assert.ok(!has('::/0', '127.0.0.1'));
  assert.ok(has('::/0', 'ff02::1'));
  assert.ok(has('::ffff:192.0.2.0/120', '192.0.2.9'), 'a mapped block is one of IPv4');
  assert.ok(has('192.0.2.0/24', '::ffff:c000:0209'));
  assert.ok(has('2001:DB8::/33', '2001:db8:7fff::1'));
  assert.ok(!has('2001:db8::/33', '2001:db8:8000::1'));
  for (const wrong of [
    '',
    '192.0.2',
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/-1',
    '192.0.2.0/8.0',
    '192.0.2.0/24/8',
    '::/129',
    '::ffff:192.0.2.0/95',
    'fe80::1%eth0',
    'localhost',
    ' 192.0.2.1',
  ]) {
    assert.throws(() => new AddressRanges('allow', [wrong]), {
      name: 'RangeError',
      message: /in allow is no address and no CIDR block/,
    });
  }
  for (const wrong of ['192.0.2.1', 5, null, [5]]) {
    assert.throws(() => new AddressRanges('deny', wrong as unknown as string[]), TypeError);
  }
});

test('addresses: any text is a block or refused by its name', (t) => {
  leakCheck(t);
  const part = fc.constantFrom(
    '192.0.2.1',
    '::1',
    '::ffff:',
    '/',
    '/24',
    '-',
    '1',
    '%',
    ' ',
    '.',
    ':',
  );
  const text = fc.oneof(
    fc.array(part, { maxLength: 5 }).map((all) => all.join('')),
    fc.string(),
  );
  fc.assert(
    fc.property(text, ipv4, (block, address) => {
      try {
        new AddressRanges('allow', [block]).has(words(address));
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
        assert.match(error.message, /in allow is no address and no CIDR block/);
      }
    }),
    { numRuns: 500 },
  );
});

test('addresses: 100,000 addresses that come and go leave a table of nothing', (t) => {
  leakCheck(t);
  const table = new AddressTable();
  const key = (index: number): number | string =>
    index % 2 === 0
      ? keyOf(words(`10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`))
      : keyOf(words(`2001:db8:${(index >> 8).toString(16)}:${(index & 255).toString(16)}::1`));
  for (let index = 0; index < 100_000; index++) {
    table.add(key(index));
    table.add(key(index));
    if (index >= 10) {
      table.remove(key(index - 10));
      table.remove(key(index - 10));
    }
    assert.ok(table.size <= 11);
  }
  assert.equal(table.count(key(99_999)), 2);
  assert.equal(keyOf(words('2001:db8::1')), keyOf(words('2001:db8::ffff:1')), 'one /64');
  assert.notEqual(keyOf(words('2001:db8::1')), keyOf(words('2001:db8:0:1::1')));
});

test('token bucket: the burst at once, then the rate, whatever the steps', (t) => {
  leakCheck(t);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 200 }),
      (perSecond, burst, steps) => {
        const bucket = new TokenBucket({ perSecond, burst }, 0);
        let nowMs = 0;
        let taken = 0;
        for (const step of steps) {
          nowMs += step;
          taken += bucket.take(nowMs);
          assert.ok(taken <= burst + (nowMs * perSecond) / 1000 + 1e-6);
        }
      },
    ),
  );
  const bucket = new TokenBucket({ perSecond: 10, burst: 2 }, 0);
  const at = [0, 0, 0, 99, 100, 100, 1000, 1000, 1000].map((nowMs) => bucket.take(nowMs));
  assert.deepEqual(at, [1, 1, 0, 0, 1, 0, 1, 1, 0]);
});
