import { nativeSys } from '../sys/native.ts';
import type { Sys } from '../sys/sys.ts';

/**
 * Closes the descriptors that a loop has left open on a thread ended by `worker.terminate()`, the
 * only end of a thread at which its loops cannot close them.
 *
 * Connections end at once, and the ports of listeners are free again. Pass only descriptors that
 * are still open, of a thread that has ended: a number closed in the meantime may belong to another
 * file. So post those that live as long as the loop, and post them again after a change.
 *
 * @param fds what `EventLoop.fds()` returned on the thread.
 * @param sys the system calls to use; those of this process if left out.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { once } from 'node:events';
 * import { Worker } from 'node:worker_threads';
 * import { closeDescriptors } from 'sockloop';
 *
 * const worker = new Worker(
 *   `import { parentPort } from 'node:worker_threads';
 *    import { EventLoop } from 'sockloop';
 *    const loop = new EventLoop();
 *    loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
 *    parentPort.postMessage(loop.fds());
 *    await loop.run();`,
 *   { eval: true },
 * );
 * const [fds] = await once(worker, 'message');
 * await worker.terminate();
 * closeDescriptors(fds);
 * assert(fds.length > 0);
 * ```
 */
export function closeDescriptors(fds: readonly number[], sys: Sys = nativeSys()): void {
  const { SHUT_RDWR } = sys.abi.constants;
  for (const fd of fds) {
    // An operation in flight on a ring would keep the socket open past close(2).
    sys.shutdown(fd, SHUT_RDWR);
    sys.close(fd);
  }
}
