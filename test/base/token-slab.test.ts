// Goal: a token names one occupant only; that of a former one finds nothing.
// Method: random calls to a slab and to a map; a slot that is used again and again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '#src/base/random.js';
import { NO_TOKEN, type Occupant, TokenSlab } from '#src/base/token-slab.js';

const GENERATIONS = 2 ** 11;

test('token slab: what is allocated is found by its token until it is freed', () => {
  const random = new Random(5);
  const slab = new TokenSlab<Occupant>();
  const here = new Map<number, Occupant>();
  const gone: number[] = [];
  for (let step = 0; step < 4000; step += 1) {
    const [first] = here.keys();
    if (first !== undefined && random.chance(0.48)) {
      slab.free(first);
      here.delete(first);
      gone.push(first);
      // A second time is nothing, and takes nothing from a later occupant.
      slab.free(first);
    } else {
      const occupant = { token: NO_TOKEN };
      slab.allocate(occupant);
      assert.ok(!here.has(occupant.token) && occupant.token !== NO_TOKEN);
      here.set(occupant.token, occupant);
    }
    assert.equal(slab.size, here.size);
    for (const token of gone.slice(-20)) assert.equal(slab.get(token), here.get(token));
  }
  for (const [token, occupant] of here) assert.equal(slab.get(token), occupant);
  assert.deepEqual(new Set(slab.values()), new Set(here.values()));
  assert.equal(slab.get(NO_TOKEN), undefined);
});

test('token slab: 2,048 occupants of one slot have tokens of their own', () => {
  const slab = new TokenSlab<Occupant>();
  const tokens = new Set<number>();
  const occupant = { token: NO_TOKEN };
  for (let count = 0; count < GENERATIONS; count += 1) {
    slab.allocate(occupant);
    tokens.add(occupant.token);
    slab.free(occupant.token);
  }
  assert.equal(tokens.size, GENERATIONS);
  const last = { token: NO_TOKEN };
  slab.allocate(last);
  assert.ok(tokens.has(last.token), 'the first one comes again');
});
