// An echo server on one loop, whose turns are made attached or by `run`, as it is asked. It has
// clients of its own, timers that run and timers that are cancelled.

import { openSync } from 'node:fs';
import { type Connection, createServer, EventLoop, type LoopName } from 'sockloop';
import { answerQuestions } from './asked.ts';
import { type Account, KIND, newTally, type Tally } from './ledger.ts';
import { sampleHere } from './sample.ts';

/** What is leaked on purpose, to show that it is found. */
export type Plant = 'descriptor' | 'timer' | 'node timer' | 'buffer' | 'byte';

/** What the child is started with. */
export interface LoopChildOptions {
  readonly backend: LoopName;
  readonly plants: readonly Plant[];
}

/** What it is asked. */
export type Question =
  | { readonly what: 'ports' | 'sample' | 'account' | 'own clients' | 'close' }
  | { readonly what: 'turns'; readonly how: 'attached' | 'run' };

/** The bytes of its own clients. */
const OWN = 0x6f;

/** Connections without a byte are closed after so long by the listener for them. */
const IDLE_MS = 50;

const LONG_MS = 3_600_000;

/** So long its last run may take to end, on a busy machine. */
const CLOSE_MS = 5000;

const { backend, plants }: LoopChildOptions = JSON.parse(process.argv[2] ?? '{}');
const loop = new EventLoop({ backend });
let running: Promise<void> | null = null;
const whole = newTally();
const broken = newTally();
const own = newTally();
const empty = newTally();
let opened = 0;
let sampled = false;
let planted = false;
const kept: unknown[] = [];

/** The tally of a connection, which its first byte names. */
interface Counted {
  readonly number: number;
  tally: Tally | null;
}

function tallyOf(kind: number | undefined): Tally {
  if (kind === KIND.whole) return whole;
  return kind === KIND.broken ? broken : own;
}

/** Leaks as it was asked to, at the end of connection `number`, once there is a sample before. */
function leak(number: number): void {
  if (!sampled) return;
  if (plants.includes('descriptor')) kept.push(openSync('/dev/null', 'r'));
  if (plants.includes('buffer')) kept.push(Buffer.alloc(4096, number));
  const never = (): undefined => undefined;
  if (plants.includes('timer') && !planted) loop.setTimer(LONG_MS, never);
  if (plants.includes('node timer') && !planted) setTimeout(never, LONG_MS);
  planted = true;
}

const handlers = {
  open: (connection: Connection<Counted>): void => {
    opened += 1;
    connection.data = { number: opened, tally: null };
  },
  data: (connection: Connection<Counted>, chunk: Uint8Array): void => {
    const { data } = connection;
    const isFirst = data.tally === null;
    if (plants.includes('byte') && isFirst && data.number % 20 === 0) connection.write('!');
    data.tally ??= tallyOf(chunk[0]);
    if (!connection.write(chunk)) connection.pause();
  },
  drain: (connection: Connection<Counted>): void => connection.resume(),
  close: (connection: Connection<Counted>): void => {
    const { tally, number } = connection.data;
    const ours = tally ?? empty;
    ours.connections += 1;
    ours.receivedBytes += connection.bytesReceived;
    ours.sentBytes += connection.bytesSent;
    leak(number);
  },
};

const host = '127.0.0.1';
const listener = loop.listen<Counted>({ host, port: 0, handlers });
const idle = loop.listen<Counted>({ host, port: 0, idleTimeoutMs: IDLE_MS, handlers });
const datagrams = loop.datagram({
  host,
  handlers: {
    datagrams: (socket, batch) => {
      for (let index = 0; index < batch.length; index += 1) {
        socket.send(batch.bytes(index), { to: batch.from(index) });
      }
    },
  },
});

const former = createServer({ host, port: 0 });
const name = former.getSockName();
/** A port that had a listener a moment ago. */
const deafPort = name.family === 'UNIX' ? 0 : name.port;
former.close();

/** One exchange of a client on the same loop. */
async function ownClient(length: number): Promise<void> {
  await using client = await loop.connectAsync({ host, port: listener.port ?? 0 });
  await client.end(Buffer.alloc(length, OWN));
  let back = 0;
  for await (const chunk of client) back += chunk.length;
  if (back !== length) throw new Error(`own client: ${back} of ${length} bytes`);
}

/** A connect that is refused. */
async function refusedClient(): Promise<void> {
  await loop.connectAsync({ host, port: deafPort }).then(
    () => Promise.reject(new Error('nobody listens, and a connect has succeeded')),
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNREFUSED') throw error;
    },
  );
}

/** Clients of its own, and timers: one runs, one is cancelled. */
async function ownClients(): Promise<void> {
  const never = loop.setTimer(LONG_MS, () => undefined);
  const ran = new Promise<void>((resolve) => {
    loop.setTimer(1, resolve);
  });
  await Promise.all([...[1, 100, 70_000, 300_000].map(ownClient), refusedClient(), ran]);
  never.cancel();
}

async function turns(how: 'attached' | 'run'): Promise<void> {
  if (loop.attached) loop.detach();
  else if (running !== null) {
    loop.stop();
    await running;
    running = null;
  }
  if (how === 'attached') loop.attach();
  else running = loop.run();
}

function account(): Account {
  const all = newTally();
  for (const { connections, receivedBytes, sentBytes } of [whole, broken, empty]) {
    all.connections += connections;
    all.receivedBytes += receivedBytes;
    all.sentBytes += sentBytes;
  }
  const { received, sent } = datagrams.stats();
  return { all, kinds: { whole, broken }, datagrams: { received, sent } };
}

/** Closes what it listens on. The loop has nothing to wait for then: its run ends by itself. */
async function close(): Promise<string[]> {
  await turns('run');
  for (const one of [listener, idle, datagrams]) one.close();
  const late = new Promise<string>((resolve) => setTimeout(resolve, CLOSE_MS, 'late'));
  const how = await Promise.race([running, late]);
  const faults = how === 'late' ? ['the loop still waits for something: a timer, a socket'] : [];
  const { connections, queuedBytes } = loop.stats();
  if (connections !== 0) faults.push(`${connections} connections are open at the end`);
  if (queuedBytes !== 0) faults.push(`${queuedBytes} bytes are queued at the end`);
  if (own.receivedBytes !== own.sentBytes) faults.push('the own clients have lost bytes');
  loop.close();
  setImmediate(() => process.disconnect());
  return faults;
}

// Who asks has ended.
process.once('disconnect', () => loop.close());

answerQuestions<Question>(async (question) => {
  switch (question.what) {
    case 'ports': {
      const { address } = datagrams;
      const datagramPort = address !== null && 'port' in address ? address.port : 0;
      return { port: listener.port, idlePort: idle.port, datagramPort };
    }
    case 'sample':
      sampled = true;
      return sampleHere();
    case 'account':
      return account();
    case 'own clients':
      return await ownClients();
    case 'turns':
      return await turns(question.how);
    case 'close':
      return await close();
  }
});
