import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Deque } from '#src/base/deque.js';

// Method: the same random calls to a deque and to an array.

type Call = (deque: Deque<number>, array: number[]) => void;

const calls: fc.Arbitrary<Call> = fc.oneof(
  fc.integer().map(
    (item): Call =>
      (deque, array) => {
        deque.push(item);
        array.push(item);
      },
  ),
  fc.integer().map(
    (item): Call =>
      (deque, array) => {
        deque.unshift(item);
        array.unshift(item);
      },
  ),
  fc.constant<Call>((deque, array) => assert.equal(deque.shift(), array.shift())),
  fc.constant<Call>((deque, array) => assert.equal(deque.pop(), array.pop())),
  fc.constant<Call>((deque, array) => {
    deque.clear();
    array.length = 0;
  }),
);

test('deque: behaves as an array does, at both ends', () => {
  fc.assert(
    fc.property(fc.array(calls, { maxLength: 200 }), (made) => {
      const deque = new Deque<number>();
      const array: number[] = [];
      for (const call of made) {
        call(deque, array);
        assert.equal(deque.peek(), array[0]);
        assert.equal(deque.size, array.length);
      }
      assert.deepEqual([...deque], array);
    }),
  );
});

test('deque: a long queue is emptied in the order in which it was filled', () => {
  const deque = new Deque<number>();
  const count = 100_000;
  for (let item = 0; item < count; item += 1) deque.push(item);
  for (let item = 0; item < count; item += 1) assert.equal(deque.shift(), item);
  assert.equal(deque.shift(), undefined);
});
