import { setTimeout as delay } from 'node:timers/promises';
import { pattern } from '#test/conformance/environment.js';
import type { Scope } from '#test/harness/command.js';
import { type Cell, hasThreads } from './cells.ts';
import { EchoClient } from './echo-client.ts';
import { Injection } from './injection.ts';
import { allowed, type CellOutcome, endOf, forbidden } from './outcome.ts';
import type { Program } from './program.ts';
import { type SaidLengths, ServerProcess } from './server-process.ts';

/** How long every call fails: then the kernel answers again. */
const FAULT_MS = 400;
/** Clients that are not served so long after the fault has ended are served never. */
const HANG_MS = 15_000;
/** A call that is made more often than this while it fails is a loop that does not wait. */
const CALLS_PER_SECOND_MAX = 1000;
/** The same for a pool, each of whose threads rests by itself. */
const POOL_CALLS_PER_SECOND_MAX = 6000;
/** A spin is seen this often in a row. */
const LOOKS_MAX = 3;
/** The share of the time in which a thread has a core that it can have: a loop without a call. */
const BUSY_MAX = 0.95;
/** More than the kernel takes of a client that does not read for a while. */
const BULK_BYTES = 4_000_000;
const BULK_PAUSE_MS = 60;
const LINE_BYTES = 40;
const LINES = 6;
/** Clients that come while calls fail, so that every third one does. */
const LATE_CLIENTS = 5;
/** The descriptors are closed in the turn after the client has seen the end. */
const CLOSE_MS = 5000;
/** A server whose clients are all refused is about to end. */
const END_MS = 3000;
const WORDS_MS = 2500;
/** What a server says of a thread that ended, as by ENOSYS where strace detached in its wait. */
const REPLACED = 'another one takes its place';

/** A pool starts threads when its first clients have come. */
const POOL_MS = 800;

/** A server under test, which serves cell after cell as long as it is whole. */
export class ServedCells {
  readonly #scope: Scope;
  #server: ServerProcess | null = null;
  #group = '';
  /** What the server had said when the cells of this call and fault began. */
  #saidBefore: SaidLengths = { out: 0, err: 0 };

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** Runs a cell. A server that is not whole afterwards, or of another kind, is replaced. */
  async run(cell: Cell): Promise<CellOutcome> {
    const server = this.#server ?? (await this.#start(cell));
    const group = `${cell.call} ${cell.fault}`;
    if (group !== this.#group) this.#saidBefore = server.saidLengths;
    this.#group = group;
    const outcome = await this.#run(server, cell);
    const { program } = server;
    if (!program.isOver && outcome.forbidden) program.command.child.kill('SIGKILL');
    if (program.isOver || outcome.forbidden) this.#server = null;
    if (!program.err.includes(REPLACED)) return outcome;
    // The next thread comes later each time, and until then the server has fewer sockets.
    const end = await this.end();
    return end.forbidden ? end : outcome;
  }

  async #start(cell: Cell): Promise<ServerProcess> {
    const server = await ServerProcess.start(this.#scope, cell);
    this.#server = server;
    this.#group = '';
    // What Node sets up late is set up then.
    await isServed(server.port);
    if (cell.loop === 'threads') await delay(POOL_MS);
    return server;
  }

  /** Ends the server, which must end in order. */
  async end(): Promise<CellOutcome> {
    const server = this.#server;
    if (server === null) return allowed('served');
    this.#server = null;
    const end = await server.stop();
    if (end === null) return forbidden('hang', 'it does not end');
    if (end.status === 0) return allowed('served');
    return forbidden('crash', `${end.signal ?? end.status}: ${end.err.slice(-400)}`);
  }

  async #run(server: ServerProcess, cell: Cell): Promise<CellOutcome> {
    const socketsBefore = server.sockets;
    const early = new EchoClient(server.port, lines(cell, 1), LINE_BYTES);
    if (cell.mode === 'echo') await early.greet(HANG_MS);
    const { program } = server;
    const injection = await Injection.attach(this.#scope, cell, program.pid, hasThreads(cell));
    const bulk = new EchoClient(server.port, bulkOf(cell), BULK_BYTES);
    const clients = [early, bulk];
    for (let late = 0; late < LATE_CLIENTS; late += 1) {
      clients.push(new EchoClient(server.port, lines(cell, 3 + late), LINE_BYTES));
    }
    for (const client of clients) client.go(client === bulk ? BULK_PAUSE_MS : 0);
    const isDone = (client: EchoClient): boolean => keepsOpen(cell) && client.isWhole;
    const spin = await watch(server, cell, injection, clients, isDone);
    const inTime = clients.every((client) => client.fate !== 'pending' || isDone(client));
    await injection.end();
    await Promise.all(clients.map((client) => client.settled(HANG_MS, () => isDone(client))));
    const fates = clients.map((client) => (isDone(client) ? 'served' : client.fate));
    for (const client of clients) client.abandon();
    const seen = clients.map(({ receivedBytes }, at) => `${fates[at]} ${receivedBytes}`).join(', ');
    if (injection.count === 0) return allowed('not met');
    if (fates.includes('wrong')) return forbidden('wrong bytes', seen);
    if (spin !== null) return forbidden('spin', spin);
    if (fates.includes('pending') && !program.isOver) return forbidden('hang', seen);
    const whole = await isServed(server.port);
    if (!whole) return await notServing(program, cell);
    // A close that is said to have failed was not made: the kernel keeps the descriptor.
    const kept = keepsOpen(cell) ? injection.count : 0;
    const leaked = await server.closesDownTo(socketsBefore + kept, CLOSE_MS);
    if (leaked > 0) return forbidden('leak', `${leaked} sockets, ${seen}`);
    return await this.#whole(server, cell, fates.includes('closed') ? seen : null, inTime);
  }

  /** The server serves on: has it said why it closed connections? */
  async #whole(
    server: ServerProcess,
    { fault }: Cell,
    closed: string | null,
    inTime: boolean,
  ): Promise<CellOutcome> {
    const saidNow = (): string => server.saidSince(this.#saidBefore);
    // Of what repeats itself, a line a second is printed.
    if (closed !== null) await server.program.until(() => saidNow().includes(fault), WORDS_MS);
    const said = saidNow();
    const words = said.split('\n').slice(-1).join('').slice(0, 300);
    if (closed !== null) {
      if (fault !== 'delay' && said.includes(fault)) return allowed('closed', words);
      return forbidden('silent close', `${closed}; ${words}`);
    }
    if (!inTime) return allowed('waited', words);
    return allowed(words === '' ? 'served' : 'served, said', words);
  }
}

/** What a client sends: in mode `once` one line, and no pause behind it. */
function lines({ mode }: Cell, seed: number): Buffer {
  if (mode === 'echo') return pattern(LINES * LINE_BYTES, seed);
  return Buffer.from(`${'x'.repeat(LINE_BYTES - 2)}${seed}\n`);
}

function bulkOf({ mode }: Cell): Buffer {
  if (mode === 'echo') return pattern(BULK_BYTES, 2);
  return Buffer.from(`${'y'.repeat(BULK_BYTES - 1)}\n`);
}

/** Whether the descriptor stays open, since strace leaves out a call that it lets fail. */
function keepsOpen({ call, fault }: Cell): boolean {
  return call === 'close' && fault !== 'delay';
}

/** Waits until the clients are done, or for as long as every call is to fail. */
async function watch(
  server: ServerProcess,
  cell: Cell,
  injection: Injection,
  clients: readonly EchoClient[],
  isDone: (client: EchoClient) => boolean,
): Promise<string | null> {
  if (cell.times !== 'always' || cell.fault === 'delay') {
    const all = clients.map((client) => client.settled(HANG_MS, () => isDone(client)));
    await Promise.all(all);
    return null;
  }
  let spin: string | null = null;
  for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
    await delay(FAULT_MS / 2);
    spin = await looksLikeSpin(server, cell, injection);
    if (spin === null) return null;
  }
  return spin;
}

/** Watches for {@link FAULT_MS} / 2. A spin goes on and on, what follows a failure passes. */
async function looksLikeSpin(
  server: ServerProcess,
  cell: Cell,
  injection: Injection,
): Promise<string | null> {
  const beganMs = performance.now();
  const before = { count: injection.count, times: server.coreTimes };
  await delay(FAULT_MS / 2);
  const elapsedMs = performance.now() - beganMs;
  const calls = ((injection.count - before.count) * 1000) / elapsedMs;
  const busy = server.busiest(before.times, elapsedMs);
  const callsMax = hasThreads(cell) ? POOL_CALLS_PER_SECOND_MAX : CALLS_PER_SECOND_MAX;
  if (calls < callsMax && busy < BUSY_MAX) return null;
  return `${Math.round(calls)} calls a second, ${Math.round(busy * 100)} % of a core`;
}

/** The outcome of a server that has ended, or that serves nobody any more. */
async function notServing(program: Program, { fault }: Cell): Promise<CellOutcome> {
  const said = program.err.slice(-200);
  const end = await program.end(END_MS);
  return end === null ? forbidden('deaf', `no client is served: ${said}`) : endOf(end, fault);
}

/** Whether a new client is served. */
async function isServed(port: number): Promise<boolean> {
  const client = new EchoClient(port, Buffer.from(`${'z'.repeat(LINE_BYTES - 1)}\n`), LINE_BYTES);
  client.go();
  await client.settled(HANG_MS);
  client.abandon();
  return client.fate === 'served';
}
