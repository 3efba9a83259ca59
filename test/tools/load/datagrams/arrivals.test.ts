// Goal: what became of each datagram is counted once, under its own name, and every byte of a reply
// is looked at.
// Method: orders of arrival written by hand, and by chance beside a plain list of what happened.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '#src/base/random.js';
import { leakCheck } from '#test/harness/leaks.js';
import { Arrivals, NO_LATENCY } from '#tools/load/datagrams/arrivals.js';
import { CORRUPTED, FOREIGN, PROBE_BYTES_MIN, ProbeFormat } from '#tools/load/datagrams/probe.js';

function sentTo(arrivals: Arrivals, count: number, dueMs = 0): void {
  for (let index = 0; index < count; index++) arrivals.sent(dueMs);
}

test('arrivals: lost, late, doubled, reordered, foreign', (t) => {
  leakCheck(t);
  const arrivals = new Arrivals(1000);
  sentTo(arrivals, 6);
  assert.equal(arrivals.arrived(0, 5), 5);
  assert.equal(arrivals.arrived(2, 6), 6);
  assert.equal(arrivals.arrived(1, 7), 7); // Behind 2.
  assert.equal(arrivals.arrived(2, 8), NO_LATENCY); // Twice.
  assert.equal(arrivals.arrived(6, 8), NO_LATENCY); // Nobody has sent it.
  assert.equal(arrivals.underWay, 3);
  assert.equal(arrivals.expire(999), 0);
  assert.equal(arrivals.expire(1000), 3);
  assert.equal(arrivals.arrived(4, 1500), NO_LATENCY); // Late.
  assert.equal(arrivals.arrived(4, 1501), NO_LATENCY); // And twice.
  assert.deepEqual(arrivals.counts, {
    sent: 6,
    answered: 3,
    duplicates: 2,
    reordered: 1,
    lost: 3,
    late: 1,
    corrupted: 0,
    foreign: 1,
  });
  assert.equal(arrivals.underWay, 0);
});

test('arrivals: what the warm-up has sent does not count, whenever it comes', (t) => {
  leakCheck(t);
  const arrivals = new Arrivals(1000);
  sentTo(arrivals, 3);
  arrivals.restart();
  sentTo(arrivals, 2, 10);
  for (const number of [0, 1, 1, 2]) assert.equal(arrivals.arrived(number, 20), NO_LATENCY);
  assert.equal(arrivals.arrived(3, 20), 10);
  arrivals.expire(2000);
  const { sent, answered, duplicates, reordered, lost, foreign } = arrivals.counts;
  assert.deepEqual([sent, answered, duplicates, reordered, lost, foreign], [2, 1, 0, 0, 1, 0]);
});

test('arrivals: beyond what is remembered a datagram is lost, and late if it comes', (t) => {
  leakCheck(t);
  const arrivals = new Arrivals(1e9);
  const remembered = 1 << 17;
  sentTo(arrivals, remembered + 5);
  assert.equal(arrivals.counts.lost, 5);
  assert.equal(arrivals.underWay, remembered);
  assert.equal(arrivals.arrived(3, 1), NO_LATENCY);
  assert.equal(arrivals.counts.late, 1);
  assert.equal(arrivals.arrived(remembered + 4, 1), 1);
  assert.equal(arrivals.arrived(5, 1), 1);
  assert.equal(arrivals.counts.reordered, 1);
});

test('arrivals: any order, beside a list of what happened', (t) => {
  leakCheck(t);
  for (let seed = 0; seed < 50; seed++) {
    const random = new Random(seed);
    const arrivals = new Arrivals(100);
    const came = new Map<number, number>();
    let highest = -1;
    let [doubles, behind] = [0, 0];
    for (let step = 0; step < 2000; step++) {
      if (random.chance(0.5) || arrivals.next === 0) {
        arrivals.sent(0);
        continue;
      }
      const number = Math.max(0, arrivals.next - 1 - random.below(8));
      const times = (came.get(number) ?? 0) + 1;
      came.set(number, times);
      if (times > 1) doubles += 1;
      else if (number < highest) behind += 1;
      highest = Math.max(highest, number);
      arrivals.arrived(number, 1);
    }
    arrivals.expire(1000);
    const { sent, answered, duplicates, reordered, lost } = arrivals.counts;
    assert.deepEqual(
      [answered, duplicates, reordered],
      [came.size, doubles, behind],
      `seed ${seed}`,
    );
    assert.equal(answered + lost, sent);
  }
});

test('probe: every byte is its own, and a changed one is seen', (t) => {
  leakCheck(t);
  for (const bytes of [PROBE_BYTES_MIN, 13, 64, 1200]) {
    const format = new ProbeFormat(bytes, new Random(7));
    const probe = new Uint8Array(bytes);
    for (const number of [0, 1, 4095, 2 ** 32 - 1]) {
      format.write(probe, number);
      assert.equal(format.read(probe), number);
      for (let at = 0; at < bytes; at++) {
        const changed = probe.slice();
        changed[at] = (changed[at] ?? 0) ^ 1;
        assert.equal(format.read(changed), CORRUPTED, `byte ${at} of ${bytes}`);
      }
    }
    assert.equal(
      format.read(probe.subarray(0, -1)),
      bytes === PROBE_BYTES_MIN ? FOREIGN : CORRUPTED,
    );
    assert.equal(format.read(Uint8Array.of(1, 2, 3)), FOREIGN);
    const other = new ProbeFormat(bytes, new Random(8));
    other.write(probe, 1);
    assert.equal(format.read(probe), CORRUPTED);
  }
});
