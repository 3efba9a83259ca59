// Goal: the distributions are those that their names promise, near enough for a rate to be right.
// Method: a million draws of fixed seeds, whose mean has an error of a thousandth.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '#src/base/random.js';

const DRAWS = 1_000_000;

test('random: exponential gaps have the mean 1, the variance 1, and the right tail', () => {
  const random = new Random(7, 'gaps');
  const limits = [0.01, 0.1, 0.5, 1, 2, 4, 8];
  const above = limits.map(() => 0);
  let [sum, squares, least] = [0, 0, Number.POSITIVE_INFINITY];
  for (let draw = 0; draw < DRAWS; draw += 1) {
    const gap = random.exponential();
    sum += gap;
    squares += gap * gap;
    least = Math.min(least, gap);
    for (const [index, limit] of limits.entries()) {
      if (gap > limit) above[index] = (above[index] ?? 0) + 1;
    }
  }
  const mean = sum / DRAWS;
  assert.ok(least >= 0);
  // Three standard errors: 1 % off in the mean is ten of them.
  assert.ok(Math.abs(mean - 1) < 0.003, `the mean is ${mean}`);
  const variance = squares / DRAWS - mean * mean;
  assert.ok(Math.abs(variance - 1) < 0.01, `the variance is ${variance}`);
  for (const [index, limit] of limits.entries()) {
    const share = (above[index] ?? 0) / DRAWS;
    const expected = Math.exp(-limit);
    const error = 4 * Math.sqrt((expected * (1 - expected)) / DRAWS);
    assert.ok(Math.abs(share - expected) < error, `${share} are above ${limit}, not ${expected}`);
  }
});

test('random: every integer of a range comes alike, the ends too', () => {
  const random = new Random(8);
  const counts = new Map<number, number>();
  for (let draw = 0; draw < DRAWS / 10; draw += 1) {
    const number = random.between(3, 12);
    counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts.keys()].sort((a, b) => a - b),
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  );
  for (const count of counts.values()) assert.ok(Math.abs(count - DRAWS / 100) < 400, `${count}`);
});

test('random: a chance, a shuffle, and generators of one seed apart', () => {
  const random = new Random(9);
  let hits = 0;
  for (let draw = 0; draw < DRAWS / 10; draw += 1) if (random.chance(0.3)) hits += 1;
  assert.ok(Math.abs(hits - 30_000) < 600, `${hits}`);
  const firsts = new Map<number, number>();
  for (let draw = 0; draw < 6000; draw += 1) {
    const order = random.shuffled([0, 1, 2]);
    assert.deepEqual([...order].sort(), [0, 1, 2]);
    const key = (order[0] ?? 0) * 10 + (order[1] ?? 0);
    firsts.set(key, (firsts.get(key) ?? 0) + 1);
  }
  assert.equal(firsts.size, 6, 'every order comes');
  for (const count of firsts.values()) assert.ok(Math.abs(count - 1000) < 130, `${count}`);
  const [one, two] = [new Random(5, 'one'), new Random(5, 'two')];
  assert.notEqual(one.word(), two.word());
  assert.equal(one.split('two').word(), new Random(5, 'two').word());
  assert.notEqual(new Random(2 ** 32 + 5).word(), new Random(5).word());
});
