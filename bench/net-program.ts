import { createServer as createHttpServer, STATUS_CODES } from 'node:http';
import * as nodeNet from 'node:net';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import type { LoopName } from 'sockloop';
import * as ownNet from 'sockloop/net';
import { ThreadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';

// The programs that bench/net.ts starts: the same server on node:net or on a loop of sockloop/net,
// and what pumps bytes through a proxy.
//
//   node build/bench/net-program.js echo|http net|LOOP
//   node build/bench/net-program.js proxy net|LOOP PORT
//   node build/bench/net-program.js pump
//
// A server prints "listening PORT". The pump prints "listening PORT" of where the bytes have to go,
// and answers "pump PORT MIB" with the seconds that they took.

const HOST = '127.0.0.1';
const BACKLOG = 4096;
const MIB = 1024 * 1024;
const PUMP_CHUNK = Buffer.alloc(256 * 1024, 'all work and no play ');
const BODY = 'hello\n';

type Net = Pick<typeof nodeNet, 'createServer' | 'connect'>;

function netOf(way: string): Net {
  if (way === 'net') return nodeNet;
  useThreadLoop(new ThreadLoop({ backend: way as LoopName }));
  // node:net's Server has methods for its cluster, which are not used here.
  return ownNet as unknown as Net;
}

function announce(server: nodeNet.Server): void {
  server.listen({ host: HOST, port: 0, backlog: BACKLOG }, () => {
    process.stdout.write(`listening ${(server.address() as nodeNet.AddressInfo).port}\n`);
  });
}

/** As bench/peers/node-net-echo.mjs. */
function echo(net: Net): void {
  function onData(this: nodeNet.Socket, chunk: Uint8Array): void {
    if (!this.write(chunk)) this.pause();
  }
  function onDrain(this: nodeNet.Socket): void {
    this.resume();
  }
  function onEnd(this: nodeNet.Socket): void {
    this.end();
  }
  function onError(this: nodeNet.Socket): void {
    this.destroy();
  }
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('data', onData).on('drain', onDrain).on('end', onEnd).on('error', onError);
  });
  announce(server);
}

function http(way: string): void {
  const server = createHttpServer((_, response) => {
    response.writeHead(200, STATUS_CODES[200], { 'content-type': 'text/plain' });
    response.end(BODY);
  });
  if (way === 'net') {
    announce(server);
    return;
  }
  netOf(way);
  const listener = ownNet.serveOn(server, { host: HOST, port: 0, backlog: BACKLOG });
  listener.on('listening', () => {
    process.stdout.write(`listening ${(listener.address() as nodeNet.AddressInfo).port}\n`);
  });
}

function proxy(net: Net, port: number): void {
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const upstream = net.connect({ host: HOST, port, allowHalfOpen: true });
    client.pipe(upstream).pipe(client);
  });
  announce(server);
}

/** Sends `mib` to `port`, which has to bring them to the sink. Returns the seconds. */
function pumped(port: number, mib: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const source = nodeNet.connect(port, HOST);
    const startMs = performance.now();
    let left = mib * MIB;
    const send = (): void => {
      while (left > 0) {
        left -= PUMP_CHUNK.length;
        if (!source.write(PUMP_CHUNK)) return;
      }
      source.end();
    };
    source.on('connect', send).on('drain', send).on('error', reject).resume();
    source.on('close', () => resolve((performance.now() - startMs) / 1000));
  });
}

function pump(): void {
  // It ends its side once all has come, which ends the proxy's connections in turn.
  announce(nodeNet.createServer((client) => client.resume()));
  createInterface({ input: process.stdin }).on('line', (line) => {
    const [, port = '', mib = ''] = /^pump (\d+) (\d+)$/.exec(line) ?? [];
    void pumped(Number(port), Number(mib)).then((seconds) => console.log(seconds));
  });
}

const [, , role = '', way = '', port = ''] = process.argv;
if (role === 'echo') echo(netOf(way));
else if (role === 'http') http(way);
else if (role === 'proxy') proxy(netOf(way), Number(port));
else if (role === 'pump') pump();
else throw new Error(`no such role: ${role}`);
