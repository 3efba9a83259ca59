import { Agent, createServer as createHttpServer, get } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { EventLoop, type LoopName } from 'sockloop';

// The programs that bench/beside-node.ts starts: an echo server and an HTTP server of Node in one
// thread, and an HTTP client for a process of its own.
//
//   node build/bench/beside-program.js server net
//   node build/bench/beside-program.js server attach|run LOOP [owned|borrowed]
//   node build/bench/beside-program.js client PORT
//
// A server prints "listening PORT" and "http PORT". Both take commands from standard input, and
// answer "sample MS" with a line of JSON: what they waited for, in microseconds, for MS ms.

const HOST = '127.0.0.1';
/** Between the requests of the client. */
const PAUSE_MS = 1;
const BACKLOG = 4096;

/** The same for all servers. */
const BODY = 'hello\n';

type Latencies = Record<string, number[]>;
type Waits = Readonly<Record<string, () => Promise<number>>>;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function timer(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}

/** How long a timer of one millisecond takes: libuv's clock has whole ones, so it may be early. */
async function timed(): Promise<number> {
  const startMs = performance.now();
  await timer(1);
  return performance.now() - startMs;
}

async function requested(port: number): Promise<number> {
  const startMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    get({ host: HOST, port, agent }, (response) => {
      response.resume().once('end', resolve);
    }).once('error', reject);
  });
  return performance.now() - startMs;
}

async function fetched(port: number): Promise<number> {
  const startMs = performance.now();
  const response = await fetch(`http://${HOST}:${port}/`);
  await response.text();
  return performance.now() - startMs;
}

/** Waits for each in turn, again and again, for `ms`. */
async function sample(waits: Waits, ms: number): Promise<Latencies> {
  const latencies: Latencies = {};
  // Connections may have been closed since the last sample.
  for (const wait of Object.values(waits)) await wait();
  for (const name of Object.keys(waits)) latencies[name] = [];
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    for (const [name, wait] of Object.entries(waits)) {
      latencies[name]?.push(Math.round((await wait()) * 1000));
    }
  }
  return latencies;
}

function takeCommands(waits: Waits): void {
  createInterface({ input: process.stdin }).on('line', (line) => {
    const ms = /^sample (\d+)$/.exec(line)?.[1];
    if (ms === undefined) throw new Error(`unknown command: ${line}`);
    // What fails is an unhandled rejection, which ends the process with its reason.
    void sample(waits, Number(ms)).then((latencies) => {
      process.stdout.write(`${JSON.stringify(latencies)}\n`);
    });
  });
}

/** An echo server of node:net, as bench/peers/node-net-echo.mjs is one. */
function serveNet(): Promise<number> {
  function onData(this: Socket, chunk: Uint8Array): void {
    if (!this.write(chunk)) this.pause();
  }
  function onDrain(this: Socket): void {
    this.resume();
  }
  function onEnd(this: Socket): void {
    this.end();
  }
  function onError(this: Socket): void {
    this.destroy();
  }
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('data', onData).on('drain', onDrain).on('end', onEnd).on('error', onError);
  });
  return listening(server);
}

function serveSockloop(way: 'attach' | 'run', backend: LoopName, chunks: 'owned' | 'borrowed') {
  const loop = new EventLoop({ backend });
  const listener = loop.listen({
    host: HOST,
    port: 0,
    backlog: BACKLOG,
    chunks,
    queueBytesHigh: 0,
    handlers: {
      data: (client, chunk) => {
        if (!client.write(chunk)) client.pause();
      },
      drain: (client) => client.resume(),
      end: (client) => client.end(),
    },
  });
  if (way === 'attach') loop.attach();
  else void loop.run();
  return listener.port ?? 0;
}

function listening(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: HOST, port: 0, backlog: BACKLOG }, () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

async function serve(way = 'net', loop = 'auto', chunks = 'owned'): Promise<void> {
  const httpServer = createHttpServer((_, response) => response.end(BODY));
  // A client may rest for longer than Node's five seconds between samples.
  httpServer.keepAliveTimeout = 0;
  const httpPort = await listening(httpServer);
  if (!/^(net|attach|run)$/.test(way)) throw new Error(`no way to serve: ${way}`);
  if (!/^(owned|borrowed)$/.test(chunks)) throw new Error(`no kind of chunks: ${chunks}`);
  const port =
    way === 'net'
      ? await serveNet()
      : serveSockloop(way as 'attach' | 'run', loop as LoopName, chunks as 'owned' | 'borrowed');
  takeCommands({
    timer: timed,
    http: () => requested(httpPort),
    fetch: () => fetched(httpPort),
  });
  process.stdout.write(`listening ${port}\nhttp ${httpPort}\n`);
}

function ask(port: number): void {
  takeCommands({
    outside: async () => {
      await timer(PAUSE_MS);
      return requested(port);
    },
  });
  process.stdout.write('ready\n');
}

const [, , role, ...words] = process.argv;
if (role === 'client') ask(Number(words[0]));
else await serve(...words);
