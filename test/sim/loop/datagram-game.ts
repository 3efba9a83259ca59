import assert, { AssertionError } from 'node:assert/strict';
import { DatagramSocket as KernelSocket } from '#sim/datagram-sockets.js';
import { datagramFaults, type FaultKind, FaultPlan, ringFaults } from '#sim/faults.js';
import { Random } from '#src/base/random.js';
import type { Backend } from '#src/loop/backend.js';
import type { DatagramSocket } from '#src/net/datagram/datagram-socket.js';
import { EventLoop } from '#src/net/event-loop.js';
import { SysError } from '#src/sys/sys-error.js';
import { RecordingSys } from './recording-sys.ts';
import type { PlayOptions, SeedRun } from './run-options.ts';
import { endProcess, giveSlots, giveSpareMemory, lendSlots } from './spare-memory.ts';
import { createBackendOf, platformOf, type TargetName } from './targets.ts';
import { sizeOf, type WorldSize } from './world-size.ts';

// A server and two clients, one of which sends to nobody as well: numbered datagrams, of a length
// and with bytes that follow from the number.

const KINDS: readonly FaultKind[] = [
  ...datagramFaults,
  'falseEagain',
  'interrupt',
  'interruptedCall',
  'spuriousReadiness',
  'hiddenReadiness',
  'shuffledEvents',
  'delayedDelivery',
  'suddenWake',
  ...ringFaults,
];
const TURNS_MAX = 5000;
const LENGTH_MIN = 8;

/** The most of everything. */
interface GameLimits {
  readonly turns: number;
  readonly sendsPerTurnMax: number;
  readonly lengthMax: number;
  readonly bufferBytes: number;
}

const games: Readonly<Record<WorldSize, GameLimits>> = {
  small: { turns: 10, sendsPerTurnMax: 8, lengthMax: 100, bufferBytes: 600 },
  large: { turns: 40, sendsPerTurnMax: 30, lengthMax: 1500, bufferBytes: 30_000 },
};

/** Law D7: `DATAGRAMS_PER_CALL`. */
const BATCH_MAX = 64;
const TURN_MS = 5;
const SETUP_TRIES_MAX = 1000;
/** Longer than any fault lasts. */
const SETTLE_MS = 200;
const SETTLE_TURNS = 50;

/** Bugs that the game has to find. */
export type DatagramBug = 'loses one' | 'cuts one' | 'gives one twice';

export interface DatagramOptions extends PlayOptions {
  readonly bug?: DatagramBug;
}

/** What a run has seen. */
export interface DatagramRun extends SeedRun {
  readonly received: number;
  readonly dropped: number;
}

/** The bytes of a datagram: its number, and what follows from it. */
function payload(number: number, lengthMax: number): Buffer {
  const length = LENGTH_MIN + ((number * 7919) % (lengthMax - LENGTH_MIN));
  const bytes = Buffer.alloc(length, number & 0xff);
  bytes.writeUInt32LE(number, 0);
  return bytes;
}

/** Runs a seed. */
export function runDatagrams(
  target: TargetName,
  seed: number,
  options: DatagramOptions = {},
): DatagramRun {
  const { kinds = KINDS, faultsMax, traceLines = 0, bug = null } = options;
  const size = games[options.size ?? sizeOf(seed)];
  const faults = FaultPlan.seeded(seed, kinds, faultsMax);
  const limits = { latencyMs: [0, 2], datagramBufferBytes: size.bufferBytes } as const;
  const sys = new RecordingSys({ seed, abi: platformOf(target), faults, limits, traceLines });
  sys.bug = bug;
  const startMs = sys.monotonicMs();
  const backend = opened(target, sys);
  lendSlots(backend);
  const loop = new EventLoop({ sys, backend });
  const game = new Game(sys, loop, seed, size, options.without ?? new Set());
  let violation: string | null = null;
  let dropped = 0;
  try {
    game.run();
    dropped = game.dropped;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const words = error instanceof AssertionError ? error.message : (error.stack ?? error.message);
    violation = [words, ...sys.kernel.report()].join('\n  ');
  } finally {
    loop.close();
    giveSpareMemory(backend, size.lengthMax);
    giveSlots(backend, size.lengthMax);
    endProcess(sys);
  }
  return {
    violation,
    traceHash: sys.traceHash,
    virtualMs: sys.monotonicMs() - startMs,
    parts: game.parts,
    fired: sys.kernel.faults.fired,
    received: game.received,
    dropped,
  };
}

/** The backend of a target. Tries until it succeeds: the kernel may refuse a ring. */
function opened(target: TargetName, sys: RecordingSys): Backend {
  for (let tries = 1; ; tries += 1) {
    try {
      return createBackendOf(target, sys);
    } catch (error) {
      if (!(error instanceof SysError) || tries === SETUP_TRIES_MAX) throw error;
    }
  }
}

/** A client, and what it did. */
interface Client {
  readonly socket: DatagramSocket;
  /** Sends taken, by `send`. */
  taken: number;
  /** Whether a send was refused, and no drain has come since. */
  owed: boolean;
}

class Game {
  readonly #sys: RecordingSys;
  readonly #loop: EventLoop;
  readonly #random: Random;
  readonly #size: GameLimits;
  readonly #without: ReadonlySet<string>;
  readonly parts: string[] = [];
  readonly #server: DatagramSocket;
  readonly #clients: Client[] = [];
  readonly #got: string[] = [];
  readonly #sent = new Set<number>();
  readonly #pauses: boolean;
  /** A port that nobody has, 0 if nothing is sent there. */
  readonly #nobody: number;
  #next = 1;
  #ends = 0;

  constructor(
    sys: RecordingSys,
    loop: EventLoop,
    seed: number,
    size: GameLimits,
    without: ReadonlySet<string>,
  ) {
    this.#sys = sys;
    this.#loop = loop;
    this.#size = size;
    this.#without = without;
    this.#random = new Random(seed, 'datagram game');
    this.#server = loop.datagram({
      host: '127.0.0.1',
      port: 0,
      handlers: {
        datagrams: (_, batch) => {
          assert.ok(batch.length <= BATCH_MAX, 'D7: a delivery is bounded');
          for (let index = 0; index < batch.length; index += 1) this.#take(batch.bytes(index));
        },
        close: () => {
          this.#ends += 1;
        },
      },
    });
    this.#pauses = this.#has('pauses');
    this.#nobody = this.#has('nobody') ? this.#freePort() : 0;
    if (this.#has('unconnected client')) this.#clients.push(this.#client(false));
    if (this.#has('connected client')) this.#clients.push(this.#client(true));
  }

  /** The number of datagrams that came. */
  get received(): number {
    return this.#got.length;
  }

  /** The number of those that the kernel had no room for. */
  get dropped(): number {
    const file = this.#sys.kernel.descriptors.get(this.#server.fd);
    return file instanceof KernelSocket ? file.dropped : 0;
  }

  /** Whether a part takes part. */
  #has(name: string): boolean {
    if (this.#without.has(name)) return false;
    this.parts.push(name);
    return true;
  }

  #freePort(): number {
    const passing = this.#client(false);
    const port = passing.socket.address.port ?? 0;
    passing.socket.close();
    this.#until(() => this.#ends === 1, 'nobody has the port');
    this.#ends = 0;
    return port;
  }

  #client(connected: boolean): Client {
    const { port } = this.#server.address;
    const socket = this.#loop.datagram({
      ...(connected ? { connect: { host: '127.0.0.1', port: port ?? 0 } } : { host: '127.0.0.1' }),
      queuedBytesMax: 65_536,
      handlers: {
        drain: () => {
          assert.ok(client.owed, 'D4: a drain follows a refusal');
          client.owed = false;
        },
        close: () => {
          this.#ends += 1;
        },
      },
    });
    const client: Client = { socket, taken: 0, owed: false };
    return client;
  }

  #take(bytes: Uint8Array): void {
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    assert.ok(this.#sent.has(number), `what arrives was sent: ${number}`);
    const isWhole = payload(number, this.#size.lengthMax).equals(bytes);
    assert.ok(isWhole, `D1: it is whole: ${number}`);
    this.#got.push(`${number}`);
  }

  #send(client: Client): void {
    const number = this.#next;
    this.#next += 1;
    const bytes = payload(number, this.#size.lengthMax);
    const isConnected = client.socket.peer !== null;
    const isLost = this.#random.chance(0.1) && this.#nobody !== 0;
    const port = isLost ? this.#nobody : (this.#server.address.port ?? 0);
    this.#sent.add(number);
    const to = { host: '127.0.0.1', port };
    if (client.socket.send(bytes, isConnected ? undefined : { to })) client.taken += 1;
    else client.owed = true;
  }

  #until(done: () => boolean, what: string): void {
    for (let turns = 0; turns < TURNS_MAX && !done(); turns += 1) this.#loop.turn(TURN_MS);
    assert.ok(done(), `waited in vain until ${what}`);
  }

  run(): void {
    const { turns, sendsPerTurnMax } = this.#size;
    for (let turn = 1; turn <= turns; turn += 1) {
      const isPaused = this.#random.chance(0.2) && this.#pauses;
      if (isPaused) this.#server.pause();
      else this.#server.resume();
      const sends = this.#clients.map(() => this.#random.below(sendsPerTurnMax));
      if (this.#has(`turn ${turn}`)) this.#sendAll(sends);
      this.#loop.turn(TURN_MS);
    }
    this.#sys.kernel.heal();
    this.#server.resume();
    const idle = (): boolean =>
      this.#clients.every((one) => !one.owed && one.socket.queuedBytes === 0);
    this.#until(idle, 'D4, D5: the queues are empty, and every refusal is drained');
    this.#settle();
    this.#judge();
  }

  /** So many sends of each client. */
  #sendAll(sends: readonly number[]): void {
    for (const [index, client] of this.#clients.entries()) {
      for (let send = 0; send < (sends[index] ?? 0); send += 1) this.#send(client);
    }
  }

  /** One more datagram that is not lost: with it comes the count of those dropped. */
  #settle(): void {
    const client = this.#clients.at(-1);
    if (client === undefined) return;
    const isLast = (): boolean => this.#got.at(-1) === `${this.#next - 1}`;
    // At least one: the last that was sent may have overtaken others.
    for (let tries = 0; tries < 10 && (tries === 0 || !isLast()); tries += 1) {
      this.#settleDown();
      this.#send(client);
      this.#settleDown();
    }
    assert.ok(isLast(), 'a datagram that meets no fault arrives');
  }

  /** Turns until time has passed: several, for a completion may come some turns later. */
  #settleDown(): void {
    const endMs = this.#sys.monotonicMs() + SETTLE_MS;
    let turns = 0;
    const over = (): boolean => {
      turns += 1;
      return turns > SETTLE_TURNS && this.#sys.monotonicMs() >= endMs;
    };
    this.#until(over, 'time has passed');
  }

  #judge(): void {
    const { kernel } = this.#sys;
    const { dropped } = this;
    assert.deepEqual(
      this.#got,
      this.#sys.given(this.#server.fd),
      'D2: the order is that of the kernel',
    );
    const stats = this.#server.stats();
    assert.equal(stats.received, this.#got.length);
    if (kernel.isLinux) assert.equal(stats.droppedByKernel, dropped, 'D3: drops are counted');
    const twice = this.#got.length - new Set(this.#got).size;
    assert.ok(twice === 0 || kernel.faults.fired.datagramDoubled > 0, 'D2: nothing comes twice');
    for (const { socket, taken } of this.#clients) {
      const { sent, sendErrors } = socket.stats();
      const failed = Object.values(sendErrors).reduce((sum, count) => sum + count, 0);
      assert.equal(sent + failed, taken, 'none that was taken is forgotten');
    }
    assert.equal(this.#ends, 0, 'D6: no error of a peer ends a socket');
  }
}
