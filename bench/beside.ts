// What a runtime's own timers and HTTP cost beside an attached loop, and what an echo costs there.
//
//   node build/bench/beside.js              # and the same with bun, and deno run -A
//   node build/bench/beside.js --without    # the same program without a loop
//
// A client process of Node.js sends messages of 64 bytes: back to back, every 5 ms, after 200 ms.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { connect, createServer as createNetServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { EventLoop } from '#src/index.js';

const [, script = '', word = '', clientPort = ''] = process.argv;
const GAPS: readonly [name: string, gapMs: number, count: number][] = [
  ['back to back', 0, 3000],
  ['every 5 ms', 5, 100],
  ['after 200 ms', 200, 20],
];

function quantile(times: readonly number[], part: number): string {
  const sorted = [...times].sort((one, other) => one - other);
  return (sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toFixed(2);
}

async function measure(name: string, count: number, step: () => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  while (times.length < count) {
    const startMs = performance.now();
    await step();
    times.push(performance.now() - startMs);
  }
  console.log(`${name.padEnd(24)} p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms`);
}

async function cpuMsPerSecond(body: () => Promise<unknown>): Promise<string> {
  const before = process.cpuUsage();
  const startMs = performance.now();
  await body();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / (performance.now() - startMs)).toFixed(1);
}

/** The process of the client. */
async function ask(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1').setNoDelay();
  await once(socket, 'connect');
  for (const [name, gapMs, count] of GAPS) {
    const times: number[] = [];
    while (times.length < count) {
      if (gapMs > 0) await delay(gapMs);
      const startMs = performance.now();
      socket.write('x'.repeat(64));
      await once(socket, 'data');
      times.push(performance.now() - startMs);
    }
    const text = `p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms`;
    console.log(`${`echo ${name}`.padEnd(24)} ${text}`);
  }
  socket.end();
}

/** An echo server: of an attached loop, or of node:net. Returns its port, and what closes it. */
async function echoServer(): Promise<{ port: number; close: () => void }> {
  if (word === '--without') {
    const server = createNetServer((socket) => void socket.setNoDelay().pipe(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: (server.address() as { port: number }).port, close: () => server.close() };
  }
  const loop = new EventLoop();
  loop.attach();
  const { port } = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { data: (client, chunk) => void client.write(chunk) },
  });
  console.log(`attached: ${loop.backendName}`);
  return { port: port ?? 0, close: () => loop.close() };
}

async function main(): Promise<void> {
  const echo = await echoServer();
  const server = createServer((_, response) => response.end('answered')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const request = async () => {
    const [response] = await once(get({ host: '127.0.0.1', port, agent: false }), 'response');
    await once(response.resume(), 'end');
  };
  for (let warm = 0; warm < 20; warm++) await request();
  await delay(500);
  console.log(`idle: ${await cpuMsPerSecond(() => delay(3000))} ms of CPU time a second`);
  await measure('setTimeout(1)', 200, () => delay(1));
  await measure('an HTTP request', 100, request);
  const asked = await cpuMsPerSecond(async () => {
    const words = [script, 'client', String(echo.port)];
    await once(spawn('node', words, { stdio: 'inherit' }), 'exit');
  });
  console.log(`while it echoes: ${asked} ms of CPU time a second`);
  server.close();
  echo.close();
}

if (word === 'client') await ask(Number(clientPort));
else await main();
