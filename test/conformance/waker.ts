import { workerData } from 'node:worker_threads';
import { type WakeHandle, wake } from '#src/poller/index.js';
import { nativeSys } from '#src/sys/native.js';

// The other thread of the case of waking: it wakes the loop once for each new number in shared
// memory, after varying pauses, so that wakes come before a wait and during one.

const { handle, memory } = workerData as { handle: WakeHandle; memory: Int32Array };

/** A word of shared memory that never changes, for pauses. */
const idle = new Int32Array(new SharedArrayBuffer(4));

for (let seen = 0; ; ) {
  Atomics.wait(memory, 0, seen, 10_000);
  const next = Atomics.load(memory, 0);
  if (next < 0 || next === seen) break;
  seen = next;
  if (seen % 4 !== 0) Atomics.wait(idle, 0, 0, seen % 4);
  wake(nativeSys(), handle);
}
