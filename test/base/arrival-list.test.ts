import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ArrivalList } from '#src/base/arrival-list.js';

// Method: the same random calls to a list and to a Set, whose order is that of arrival too.

interface Guest {
  readonly name: number;
  place: number;
}

type Call = (list: ArrivalList<Guest>, set: Set<Guest>) => void;

/** The guest at a fraction of the way through the set. */
function guestAt(set: Set<Guest>, fraction: number): Guest | undefined {
  return [...set][Math.floor(fraction * set.size)];
}

const fractions = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const calls: fc.Arbitrary<Call> = fc.oneof(
  fc.integer().map(
    (name): Call =>
      (list, set) => {
        const guest = { name, place: -1 };
        list.add(guest);
        set.add(guest);
      },
  ),
  fractions.map(
    (fraction): Call =>
      (list, set) => {
        const guest = guestAt(set, fraction);
        if (guest === undefined) return;
        set.delete(guest);
        list.delete(guest);
        list.delete(guest);
      },
  ),
);

test('arrival list: keeps the order of arrival, whoever leaves', () => {
  fc.assert(
    fc.property(fc.array(calls, { minLength: 1, maxLength: 600 }), (made) => {
      const list = new ArrivalList<Guest>();
      const set = new Set<Guest>();
      for (const call of made) {
        call(list, set);
        assert.equal(list.size, set.size);
      }
      assert.deepEqual([...list.values()], [...set]);
    }),
  );
});

test('arrival list: ten thousand come and go beside one that stays', () => {
  const list = new ArrivalList<Guest>();
  const host = { name: 0, place: -1 };
  list.add(host);
  for (let name = 1; name <= 10_000; name++) {
    const guest = { name, place: -1 };
    list.add(guest);
    list.delete(guest);
  }
  assert.deepEqual([...list.values()], [host]);
  assert.ok(host.place < 100 && list.size === 1);
});

test('arrival list: members that leave during an iteration are skipped', () => {
  const list = new ArrivalList<Guest>();
  const guests = Array.from({ length: 300 }, (_, name) => ({ name, place: -1 }));
  for (const guest of guests) list.add(guest);
  const met: number[] = [];
  for (const { name } of list.values()) {
    met.push(name);
    // All but every hundredth, which also closes the gaps under the iteration.
    for (const guest of guests) if (guest.name % 100 !== 0) list.delete(guest);
    list.add({ name: -1, place: -1 });
  }
  assert.deepEqual(met, [0, 100, 200]);
});
