import type { LoadThread } from '#tools/load/engine/thread.js';

/** A bug of the load client, for the simulation to find. */
export type LoadBug =
  | 'measures from the send'
  | 'takes any bytes for the reply'
  | 'counts what is lost twice'
  | 'counts the warm-up'
  | 'leaves out slow replies';

/** A reply slower than this is left out. */
const SLOW_MS = 3;

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
  } else if (bug === 'leaves out slow replies') {
    const replied = recorder.replied.bind(recorder);
    recorder.replied = (dueMs, sentMs, nowMs) => {
      if (nowMs - dueMs < SLOW_MS) replied(dueMs, sentMs, nowMs);
    };
  }
}
