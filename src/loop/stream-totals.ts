import type { StreamTotals } from './backend.ts';
import { BaseStream } from './base-stream.ts';

/** Counts the streams among the handles of a backend, and what they have queued. */
export function streamTotalsOf(handles: Iterable<object>): StreamTotals {
  let streams = 0;
  let queuedBytes = 0;
  for (const handle of handles) {
    if (!(handle instanceof BaseStream) || handle.gone) continue;
    streams += 1;
    queuedBytes += handle.queuedBytesAtMost;
  }
  return { streams, queuedBytes };
}
