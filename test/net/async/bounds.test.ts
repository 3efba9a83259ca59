// Goal: what is held for a consumer is bounded in bytes and chunks, and what was paused goes on.
// Method: chunks that are pushed by hand, and a connection that counts its pauses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReceivedChunks } from '#src/net/async/received-chunks.js';
import { RECEIVED_BYTES_HIGH, RECEIVED_CHUNKS_HIGH } from '#src/net/limits.js';
import { leakCheck } from '#test/harness/leaks.js';

/** Chunks of a connection that says `paused` or `resumed` in `calls`. */
function held(): { chunks: ReceivedChunks; calls: string[] } {
  const calls: string[] = [];
  const connection = {
    isOpen: true,
    pause: () => void calls.push('paused'),
    resume: () => void calls.push('resumed'),
  };
  return { chunks: new ReceivedChunks(connection as never), calls };
}

for (const [what, count, bytes] of [
  ['many small chunks', RECEIVED_CHUNKS_HIGH, 1],
  ['a few long chunks', 4, RECEIVED_BYTES_HIGH / 4],
] as const) {
  test(`async: ${what} pause the connection, half of them resume it`, (t) => {
    leakCheck(t);
    const { chunks, calls } = held();
    const push = (): void => {
      chunks.push(new Uint8Array(bytes));
      chunks.bound();
    };
    for (let pushed = 1; pushed < count; pushed++) push();
    assert.deepEqual(calls, []);
    push();
    assert.deepEqual(calls, ['paused']);
    push();
    assert.deepEqual(calls, ['paused'], 'once');
    for (let left = count + 1; left > count / 2 + 1; left--) chunks.take();
    assert.deepEqual(calls, ['paused']);
    chunks.take();
    assert.deepEqual(calls, ['paused', 'resumed']);
    for (let left = count / 2; left > 0; left--) assert.equal(chunks.take()?.done, false);
    assert.equal(chunks.take(), null, 'there may be more');
    chunks.end(null);
    assert.equal(chunks.take()?.done, true);
  });
}

test('async: an error stands behind what was received, unless that was dropped', (t) => {
  leakCheck(t);
  const { chunks } = held();
  chunks.push(new Uint8Array(1));
  chunks.end(new Error('broken'));
  assert.equal(chunks.take()?.value?.length, 1);
  assert.throws(() => chunks.take(), /^Error: broken$/);
  const dropped = held().chunks;
  dropped.push(new Uint8Array(1));
  dropped.drop();
  dropped.push(new Uint8Array(1));
  dropped.end(new Error('broken'));
  assert.equal(dropped.take()?.done, true);
});
