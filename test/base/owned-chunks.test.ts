// Goal: an owned copy is nobody else's, and holds no more memory than documented.
// Method: copies of every length around the limits, kept and written to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownCopy } from '#src/base/owned-chunks.js';
import { leakCheck } from '#test/harness/leaks.js';

const LENGTHS = [
  1, 7, 8, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097, 16_383, 16_384, 16_385, 65_536,
];

test('owned chunks: a copy holds at most 16 KiB or 64 times its length', (t) => {
  leakCheck(t);
  for (const length of LENGTHS) {
    for (let round = 0; round < 40; round++) {
      const held = ownCopy(new Uint8Array(length)).buffer.byteLength;
      assert.ok(held <= Math.max(16 * 1024, 64 * length), `${length} bytes hold ${held}`);
      if (length > 16 * 1024) assert.equal(held, length);
    }
  }
});

test('owned chunks: copies of any lengths do not overlap, and begin at multiples of 8', (t) => {
  leakCheck(t);
  const copies: Uint8Array[] = [];
  for (let round = 0; round < 600; round++) {
    const length = LENGTHS[(round * 7) % (LENGTHS.length - 1)] ?? 1;
    const copy = ownCopy(new Uint8Array(length).fill(round & 0xff));
    assert.equal(copy.length, length);
    assert.equal(copy.byteOffset % 8, 0);
    copies.push(copy);
  }
  for (const [round, copy] of copies.entries()) {
    assert.ok(copy.every((byte) => byte === (round & 0xff)));
    copy.fill(0x100 - (round & 0xff));
  }
  for (const [round, copy] of copies.entries()) {
    assert.ok(copy.every((byte) => byte === ((0x100 - (round & 0xff)) & 0xff)));
  }
});

test('owned chunks: a copy that is posted away leaves the others their memory', (t) => {
  leakCheck(t);
  const copies = [ownCopy(new Uint8Array(10).fill(1)), ownCopy(new Uint8Array(10).fill(2))];
  const { port1, port2 } = new MessageChannel();
  try {
    port1.postMessage(copies[0], [copies[0]?.buffer as ArrayBuffer]);
  } catch (error) {
    // Node from 21 on refuses; before, it did as if the buffer was not named.
    assert.equal((error as Error).name, 'DataCloneError');
  }
  port1.close();
  port2.close();
  assert.deepEqual(copies[1], new Uint8Array(10).fill(2));
});
