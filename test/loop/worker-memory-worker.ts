// A thread whose loop has a listener and a connection to it, and that ends in the middle of a turn.

import { workerData } from 'node:worker_threads';
import { EventLoop } from 'sockloop';

export interface MemoryTask {
  readonly loop: 'epoll' | 'io_uring';
  readonly ending: 'error' | 'handler' | 'exit in a handler';
}

/** In a worker it ends the thread, not the process. */
const { exit: endThread } = process;

const { loop: backend, ending } = workerData as MemoryTask;
// A closed loop leaves what it has mapped to the next one.
new EventLoop({ backend }).close();
const loop = new EventLoop({ backend });
const listener = loop.listen({
  host: '127.0.0.1',
  port: 0,
  handlers: {
    data: (_, chunk) => {
      if (ending === 'handler') throw new Error('thrown by a handler');
      if (ending === 'exit in a handler') endThread(chunk.length);
      loop.setTimer(0, () => loop.stop());
    },
  },
});
const { address } = listener;
if (address.family !== 'IPv4') throw new Error('not listening on IPv4');
loop.connect({
  host: '127.0.0.1',
  port: address.port,
  handlers: { open: (connection) => void connection.write('now') },
});
await loop.run();
throw new Error('thrown behind run()');
