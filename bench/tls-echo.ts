// What an echo over TLS costs: CPU time of the server per message, as a ratio to node:tls.
//
//   node build/bench/tls-echo.js                      # 64 B and 16 KiB on 50 connections
//   node build/bench/tls-echo.js --rounds 20 --ms 500
//
// Servers and clients are processes of their own, each kind pinned to a core. The clients are
// node:tls's for all servers. Slices of the servers are interleaved, in an order by chance; a ratio
// is that of a slice to the slices of node:tls before and after it.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EventLoop, type LoopName } from '#src/index.js';
import { listen } from '#src/net/tls/index.js';

const SCRIPT = fileURLToPath(import.meta.url);
const CONNECTIONS = 50;
const REFERENCE = 'node:tls';
const SERVERS = [REFERENCE, 'io_uring', 'epoll'] as const;
const SIZES = [64, 16 * 1024];
const WARM_UP_MS = 4000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '12' },
    ms: { type: 'string', default: '500' },
    servers: { type: 'string', default: SERVERS.join() },
  },
});

/** Answers `question` to the process that asked. */
function answer(value: unknown): void {
  process.send?.(value);
}

async function ask<Answer>(child: ChildProcess, question: unknown): Promise<Answer> {
  child.send(question as string);
  const [reply] = await once(child, 'message');
  return reply as Answer;
}

function start(core: number, words: readonly string[]): ChildProcess {
  const pinned = availableParallelism() > 1 ? ['taskset', '-c', String(core)] : [];
  const [program = '', ...rest] = [...pinned, process.execPath, SCRIPT, ...words];
  return spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

/** An echo server on `name`. It tells its port, and its CPU time when it is asked. */
async function serve(name: string, folder: string): Promise<void> {
  const key = readFileSync(join(folder, 'key.pem'));
  const cert = readFileSync(join(folder, 'cert.pem'));
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    answer(user + system);
  });
  if (name === REFERENCE) {
    const server = createServer({ key, cert, noDelay: true }, (socket) => {
      socket.on('data', (chunk) => {
        if (!socket.write(chunk)) socket.pause();
      });
      socket.on('drain', () => socket.resume());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    answer((server.address() as { port: number }).port);
    return;
  }
  const loop = new EventLoop({ backend: name as LoopName });
  const listener = listen(loop, {
    host: '127.0.0.1',
    port: 0,
    tls: { key, cert },
    handlers: {
      data: (connection, chunk) => {
        if (!connection.write(chunk)) connection.pause();
      },
      drain: (connection) => connection.resume(),
    },
  });
  answer(listener.port);
  await loop.run();
}

/** The clients of one server. They send for as many milliseconds as they are told to. */
async function load(port: number, bytes: number): Promise<void> {
  const sockets: TLSSocket[] = [];
  for (let index = 0; index < CONNECTIONS; index += 1) {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    socket.setNoDelay();
    await once(socket, 'secureConnect');
    sockets.push(socket);
  }
  const message = Buffer.alloc(bytes, 'message ');
  let isRunning = false;
  let answered = 0;
  let pending = 0;
  let settle = (): void => undefined;
  for (const socket of sockets) {
    let left = bytes;
    socket.on('data', (chunk) => {
      left -= chunk.length;
      if (left > 0) return;
      left = bytes;
      answered += 1;
      pending -= 1;
      if (isRunning) {
        pending += 1;
        socket.write(message);
      } else if (pending === 0) settle();
    });
  }
  process.on('message', async (sliceMs: number) => {
    answered = 0;
    isRunning = true;
    pending = sockets.length;
    for (const socket of sockets) socket.write(message);
    await new Promise((resolve) => setTimeout(resolve, sliceMs));
    isRunning = false;
    await new Promise<void>((resolve) => {
      settle = resolve;
    });
    answer(answered);
  });
  answer('ready');
}

interface Contender {
  readonly name: string;
  readonly server: ChildProcess;
  readonly client: ChildProcess;
}

async function contender(name: string, bytes: number, folder: string): Promise<Contender> {
  const server = start(0, ['serve', name, folder]);
  const [port] = await once(server, 'message');
  const client = start(1, ['load', String(port), String(bytes)]);
  await once(client, 'message');
  await ask(client, WARM_UP_MS);
  return { name, server, client };
}

/** Microseconds of CPU time of the server per message, in a slice. */
async function slice({ server, client }: Contender, sliceMs: number): Promise<number> {
  const before = await ask<number>(server, 'usage');
  const messages = await ask<number>(client, sliceMs);
  return ((await ask<number>(server, 'usage')) - before) / messages;
}

function quantile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((one, other) => one - other);
  const at = (sorted.length - 1) * part;
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN];
  return low + (high - low) * (at % 1);
}

function quartiles(numbers: readonly number[], digits: number): string {
  const [low, median, high] = [0.25, 0.5, 0.75].map((part) => {
    return quantile(numbers, part).toFixed(digits);
  });
  return `${median} (${low} to ${high})`;
}

async function compare(bytes: number, folder: string): Promise<void> {
  const names = values.servers.split(',');
  const contenders: Contender[] = [];
  for (const name of names) contenders.push(await contender(name, bytes, folder));
  const [reference, ...others] = contenders as [Contender, ...Contender[]];
  const costs = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  const ratios = new Map(others.map(({ name }) => [name, [] as number[]]));
  const sliceMs = Number(values.ms);
  let before = await slice(reference, sliceMs);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const one of others.toSorted(() => Math.random() - 0.5)) {
      const cost = await slice(one, sliceMs);
      const after = await slice(reference, sliceMs);
      costs.get(one.name)?.push(cost);
      costs.get(reference.name)?.push(after);
      ratios.get(one.name)?.push(cost / ((before + after) / 2));
      before = after;
    }
  }
  console.log(`${bytes} B on ${CONNECTIONS} connections, TLS 1.3`);
  for (const { name } of contenders) {
    const ratio = ratios.get(name);
    const beside = ratio === undefined ? '' : `, ratio ${quartiles(ratio, 2)}`;
    console.log(`  ${name.padEnd(10)} ${quartiles(costs.get(name) ?? [], 1)} us${beside}`);
  }
  for (const { server, client } of contenders) for (const child of [server, client]) child.kill();
}

const [role, one = '', two = ''] = positionals;
if (role === 'serve') {
  await serve(one, two);
} else if (role === 'load') {
  await load(Number(one), Number(two));
} else {
  const folder = mkdtempSync(join(tmpdir(), 'sockloop-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const words = ['req', '-x509', ...kind, '-keyout', key, '-out', cert, '-subj', '/CN=localhost'];
    execFileSync('openssl', words, { stdio: 'ignore' });
    const load1 = loadavg()[0]?.toFixed(1);
    console.log(`node ${process.versions.node}, load before ${load1}`);
    for (const bytes of SIZES) await compare(bytes, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
