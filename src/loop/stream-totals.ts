import { CHECKED_MAX } from '../base/invariants.ts';
import type { TokenSlab } from '../base/token-slab.ts';
import type { StreamTotals } from './backend.ts';
import type { BaseHandle } from './base-handle.ts';
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

/** The streams among the handles of a backend look at their own state. */
export function checkStreams(handles: TokenSlab<BaseHandle>): void {
  if (handles.size >= CHECKED_MAX) return;
  for (const handle of handles.values()) if (handle instanceof BaseStream) handle.check();
}
