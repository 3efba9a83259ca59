// A loop beside node:http, a timer and a client of redis, in one thread.
//
//   redis-server --port 6379 &
//   node build/examples/beside-node.js [REDIS-PORT]
//
// Each visit by HTTP counts in redis: curl http://127.0.0.1:HTTP-PORT
// A line over TCP names a key, and gets its value: echo visits | nc 127.0.0.1 LINE-PORT
// Ctrl-C ends it, once the answers are delivered.

import { createServer } from 'node:http';
import { createClient } from '@redis/client';
import { type AsyncConnection, EventLoop } from 'sockloop';

const redis = createClient({
  socket: { host: '127.0.0.1', port: Number(process.argv[2] ?? '6379'), reconnectStrategy: false },
});
redis.on('error', (error: Error) => console.error(`redis: ${error.message}`));
await redis.connect();

// The loop takes its turns beside everything else from here on.
const loop = new EventLoop();
loop.attach();

const lines = loop.listen({ host: '127.0.0.1', port: 0 });

async function answer(connection: AsyncConnection): Promise<void> {
  await using client = connection;
  for await (const key of client.lines({ bytesMax: 1000 })) {
    const value = await redis.get(key);
    await client.write(`${value ?? 'nothing'}\n`);
  }
}

async function serve(): Promise<void> {
  for await (const connection of lines) {
    answer(connection).catch((error: Error) => console.error(`a client: ${error.message}`));
  }
}

const http = createServer(async (_, response) => {
  response.end(`visit ${await redis.incr('visits')}\n`);
});
http.listen(0, '127.0.0.1', () => {
  const { port } = http.address() as { port: number };
  console.log(`HTTP on port ${port}, lines on port ${lines.port}`);
});

let seconds = 0;
const clock = setInterval(() => {
  seconds += 1;
  redis.set('uptime', `${seconds} s`).catch(() => undefined);
}, 1000);

process.once('SIGINT', async () => {
  clearInterval(clock);
  http.close();
  await lines.shutdown({ deadlineMs: 1000 });
  await redis.close();
  console.log('nothing is left: the process ends');
});
await serve();
