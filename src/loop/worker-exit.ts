import { isMainThread } from 'node:worker_threads';

// Descriptors outlive the thread that opened them. The kernel completes handshakes for the listener
// of a worker that has ended, and nobody accepts them.

interface Closable {
  closeAtExit(): void;
}

const open = new Set<Closable>();
let hooked = false;

/** In a worker: closes `loop` when the thread ends, including by an error or process.exit(). */
export function openedInThread(loop: Closable): void {
  if (isMainThread) return;
  open.add(loop);
  if (hooked) return;
  hooked = true;
  process.on('exit', closeAll);
}

/** The loop was closed. */
export function closedInThread(loop: Closable): void {
  open.delete(loop);
}

function closeAll(): void {
  for (const loop of [...open]) loop.closeAtExit();
}
