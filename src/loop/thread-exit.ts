import { isMainThread } from 'node:worker_threads';
import { unmapUnusedRegions } from '../ring/region.ts';
import { unmapBatchCode } from '../sys/batch/executable-page.ts';

// Descriptors outlive the thread that opened them. The kernel completes handshakes for the listener
// of a worker that has ended, and nobody accepts them. The kernel closes those of a process, whose
// gathered sends would be lost.

interface Closable {
  closeAtExit(): void;
  flushAtExit(): void;
}

const open = new Set<Closable>();

/**
 * Has `loop` send what was written when the thread ends, including by an error or process.exit();
 * in a worker the loop is closed as well.
 */
export function openedInThread(loop: Closable): void {
  open.add(loop);
  // Behind the listeners that the program has by now.
  process.off('exit', endAll);
  process.on('exit', endAll);
}

/** The loop was closed. */
export function closedInThread(loop: Closable): void {
  open.delete(loop);
}

function endAll(): void {
  for (const loop of [...open]) {
    if (isMainThread) loop.flushAtExit();
    else loop.closeAtExit();
  }
  // A listener that comes later may read a chunk that it has borrowed, or send.
  if (isMainThread || process.listeners('exit').at(-1) !== endAll) return;
  unmapUnusedRegions();
  unmapBatchCode();
}
