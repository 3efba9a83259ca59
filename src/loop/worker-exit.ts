import { isMainThread } from 'node:worker_threads';

// The descriptors of a process outlive the thread that opened them: a worker that ends with an open
// listener leaves it to a kernel that goes on completing handshakes for nobody.

interface Closable {
  closeAtExit(): void;
}

const open = new Set<Closable>();
let hooked = false;

/** In a worker: closes `loop` when the thread ends, by an error or by process.exit() too. */
export function openedInThread(loop: Closable): void {
  if (isMainThread) return;
  open.add(loop);
  if (hooked) return;
  hooked = true;
  process.on('exit', closeAll);
}

/** It is closed. */
export function closedInThread(loop: Closable): void {
  open.delete(loop);
}

function closeAll(): void {
  for (const loop of [...open]) loop.closeAtExit();
}
