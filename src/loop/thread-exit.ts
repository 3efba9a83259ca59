import { isMainThread } from 'node:worker_threads';

// Descriptors outlive the thread that opened them. The kernel completes handshakes for the listener
// of a worker that has ended, and nobody accepts them. The kernel closes those of a process, whose
// gathered sends would be lost.

interface Closable {
  closeAtExit(): void;
  flushAtExit(): void;
}

const open = new Set<Closable>();
let hooked = false;

/**
 * Has `loop` send what was written when the thread ends, including by an error or process.exit();
 * in a worker the loop is closed as well.
 */
export function openedInThread(loop: Closable): void {
  open.add(loop);
  if (hooked) return;
  hooked = true;
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
}
