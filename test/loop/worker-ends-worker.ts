// A thread that owns a loop with a listener and a connection, and ends as it is told to.

import { parentPort, workerData } from 'node:worker_threads';
import { EventLoop, type LoopName } from 'sockloop';

export interface WorkerTask {
  readonly loop: LoopName;
  /** `handler` and `exit in a handler`: in the middle of a turn, once a client says so. */
  readonly ending: 'error' | 'handler' | 'exit' | 'exit in a handler' | 'terminate';
}

export interface WorkerReport {
  readonly port: number;
  readonly fds: readonly number[];
  readonly wakeHandle: EventLoop['wakeHandle'];
}

/** In a worker it ends the thread, not the process. */
const { exit: endThread } = process;

const { loop: backend, ending } = workerData as WorkerTask;
const loop = new EventLoop({ backend });

function report(): void {
  const { address } = listener;
  if (address.family !== 'IPv4') throw new Error('not listening on IPv4');
  const { wakeHandle } = loop;
  const message: WorkerReport = { port: address.port, fds: loop.fds(), wakeHandle };
  parentPort?.postMessage(message);
}

const listener = loop.listen({
  host: '127.0.0.1',
  port: 0,
  handlers: {
    open: report,
    data: () => {
      if (ending === 'handler') throw new Error('thrown by a handler');
      if (ending === 'exit in a handler') endThread(3);
      // The others end between two turns.
      loop.setTimer(0, () => loop.stop());
    },
  },
});
// The other end of a connection that this thread makes lies in it too.
report();
await loop.run();
if (ending === 'error') throw new Error('thrown behind run()');
if (ending === 'exit') endThread(3);
