import { parentPort, workerData } from 'node:worker_threads';
import { EventLoop } from '#src/net/event-loop.js';
import { pattern } from '#test/conformance/environment.js';

// A thread with a loop on the ring of its own: it talks to an echo server and says how that went.

const { port, seed } = workerData as { port: number; seed: number };
const bytes = pattern(2_000_000, seed);
const loop = new EventLoop({ backend: 'io_uring' });
let echoed = Buffer.alloc(0);
let verdict = 'nothing';

loop.connect({
  host: '127.0.0.1',
  port,
  handlers: {
    open: (connection) => connection.write(bytes),
    data: (connection, chunk) => {
      echoed = Buffer.concat([echoed, chunk]);
      if (echoed.length === bytes.length) connection.close();
    },
    close: (_, error) => {
      verdict = echoed.equals(bytes) ? 'all has come back' : String(error ?? 'other bytes');
    },
  },
  onError: (error) => {
    verdict = String(error);
  },
});
await loop.run();
loop.close();
parentPort?.postMessage(verdict);
