import type { LoadThread } from '#tools/load/engine/thread.js';
import type { LoadPlan } from '#tools/load/plan.js';

/** A bug of the load client, for the simulation to find. */
export type LoadBug =
  | 'measures from the send'
  | 'takes any bytes for the reply'
  | 'counts what is lost twice'
  | 'counts the warm-up'
  | 'leaves out slow replies'
  | 'sends another byte'
  | 'gives up too early';

/** A reply slower than this is left out. */
const SLOW_MS = 3;

const EARLY_MS = 2;

/** The plan as a thread with the bug takes it. */
export function misreadPlan(plan: LoadPlan, bug: LoadBug | undefined): LoadPlan {
  return bug === 'gives up too early' ? { ...plan, timeoutMs: EARLY_MS } : plan;
}

/** Plants a bug into a thread, below what the ledger hears. */
export function plantLoadBug(thread: LoadThread, bug: LoadBug): void {
  const { recorder, pool } = thread;
  if (bug === 'measures from the send') {
    const replied = recorder.replied.bind(recorder);
    recorder.replied = (_dueMs, sentMs, nowMs) => replied(sentMs, sentMs, nowMs);
  } else if (bug === 'takes any bytes for the reply') {
    pool.matches = () => true;
  } else if (bug === 'counts what is lost twice') {
    const failed = recorder.failed.bind(recorder);
    recorder.failed = (kind, dueMs, nowMs) => {
      failed(kind, dueMs, nowMs);
      if (kind === 'lost') failed('timeout', dueMs, nowMs);
    };
  } else if (bug === 'counts the warm-up') {
    const setWindow = recorder.setWindow.bind(recorder);
    recorder.setWindow = (startMs, endMs) => setWindow(startMs - 5, endMs);
  } else if (bug === 'sends another byte') {
    const write = pool.write.bind(pool);
    pool.write = (to, at, count) => {
      const bytes = new Uint8Array(count * pool.messageBytes);
      write({ write: (from, offset = 0) => copied(bytes, from, offset) }, at, count);
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      to.write(bytes);
    };
  } else if (bug === 'leaves out slow replies') {
    const replied = recorder.replied.bind(recorder);
    recorder.replied = (dueMs, sentMs, nowMs) => {
      if (nowMs - dueMs < SLOW_MS) replied(dueMs, sentMs, nowMs);
    };
  }
}

function copied(into: Uint8Array, from: Uint8Array, offset: number): boolean {
  into.set(from.subarray(offset, offset + into.length));
  return true;
}
