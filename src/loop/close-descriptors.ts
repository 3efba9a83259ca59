import { nativeSys } from '../sys/native.ts';
import type { Sys } from '../sys/sys.ts';

/**
 * Closes what a loop has left open on a thread that was ended by `worker.terminate()`: the one end
 * of a thread at which its loops cannot close their descriptors themselves.
 *
 * Connections get their end at once, and a listener's port is free again. Only for descriptors that
 * are open still, of a thread that has ended: a number that was closed in the meantime may be that
 * of another file by now. So post those that live as long as the loop, and post them anew when that
 * changes.
 *
 * @param fds what `EventLoop.fds()` gave on the thread.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { once } from 'node:events';
 * import { Worker } from 'node:worker_threads';
 * import { closeDescriptors, nativeSys, wake } from 'sockloop';
 *
 * const worker = new Worker(
 *   `import { parentPort } from 'node:worker_threads';
 *    import { EventLoop } from 'sockloop';
 *    const loop = new EventLoop();
 *    loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
 *    parentPort.postMessage({ fds: loop.fds(), wakeHandle: loop.wakeHandle });
 *    await loop.run();`,
 *   { eval: true },
 * );
 * const [{ fds, wakeHandle }] = await once(worker, 'message');
 * const ended = worker.terminate();
 * wake(nativeSys(), wakeHandle); // A thread that waits in the kernel does not see that it ends.
 * await ended;
 * closeDescriptors(fds);
 * assert(fds.length > 0);
 * ```
 */
export function closeDescriptors(fds: readonly number[], sys: Sys = nativeSys()): void {
  const { SHUT_RDWR } = sys.abi.constants;
  for (const fd of fds) {
    // What still goes on with a socket, as an operation of a ring may, keeps it past its close(2).
    sys.shutdown(fd, SHUT_RDWR);
    sys.close(fd);
  }
}
