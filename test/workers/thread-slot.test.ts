// Goal: the owner of a thread knows what it holds, replaces it with nothing left of it, and takes
// it for stuck after the time that it was told.
// Method: one thread, looked at on a clock of the test's own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { type SlotEnd, ThreadSlot } from '#src/workers/thread-slot.js';
import { leakCheck } from '#test/harness/leaks.js';

const sys = nativeSys();

const SERVES = `export function serve(thread) {
  thread.onMessage((word) => {
    if (word === 'listen') thread.listen({ handlers: {} });
    if (word === 'throw') setImmediate(() => { throw new Error('in the thread'); });
  });
}`;

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 1));
}

test('thread slot: one thread, and the one that replaces it', { timeout: 60_000 }, async (t) => {
  leakCheck(t);
  const settings = { startTimeoutMs: 50_000, stallMs: null as number | null };
  const ends: (SlotEnd & { untaken: readonly number[] })[] = [];
  let ready = 0;
  const slot = new ThreadSlot(
    {
      index: 0,
      threads: 1,
      module: `data:text/javascript,${encodeURIComponent(SERVES)}`,
      backend: 'auto',
      batch: true,
      address: { family: 'IPv4', address: '127.0.0.1', port: 1 },
      fd: null,
      options: undefined,
      counters: [],
    },
    settings,
    1024,
    sys,
    {
      ready: () => {
        ready += 1;
      },
      hungry: () => undefined,
      posted: () => undefined,
      ended: (_, end, untaken) => void ends.push({ ...end, untaken }),
    },
  );
  const post = (message: string): void => slot.tell({ kind: 'posted', message, from: null });
  slot.start(0);
  await until(() => ready === 1);
  // Nobody minds how long it takes for a turn; then somebody does, from its last beat on.
  slot.look(1, 500);
  slot.look(2, 1e9);
  settings.stallMs = 1000;
  const { beats } = slot.state;
  await until(() => slot.state.beats !== beats);
  slot.look(3, 500);
  slot.look(4, 500);
  assert.equal(slot.phase, 'serving');
  // It has taken a connection and serves it: its own, and no longer to be handed to another.
  const [ours, peer] = Socket.pair();
  t.after(() => peer.close());
  slot.hand(ours.detach());
  assert.equal(slot.load, 1);
  post('listen');
  await until(() => slot.state.open === 1);
  assert.deepEqual([slot.load, slot.accepted], [1, 1], 'it is open');
  post('throw');
  await until(() => ends.length === 1);
  const [first] = ends;
  assert.deepEqual([first?.reason, first?.untaken], ['error', []]);
  assert.match(String(first?.error), /in the thread/);
  peer.setTimeout(5000);
  assert.equal(peer.recv(new Uint8Array(1)), 0, 'what it has left is closed');
  slot.start(5);
  assert.deepEqual([slot.load, slot.accepted], [0, 1]);
  await until(() => ready === 2);
  slot.shutdown(10, 1000);
  slot.shutdown(10, 1_000_000);
  await until(() => ends.length === 2);
  const { reason, error, counts } = ends[1] as SlotEnd;
  assert.deepEqual([reason, error, counts], ['shutdown', null, { ended: 0, reset: 0 }]);
});
