import assert from 'node:assert/strict';
import { DatagramSocket as KernelSocket } from '#sim/datagram-sockets.js';
import { datagramFaults, type FaultKind, FaultPlan, ringFaults } from '#sim/faults.js';
import { Random } from '#src/base/random.js';
import type { DatagramSocket } from '#src/net/datagram/datagram-socket.js';
import { EventLoop } from '#src/net/event-loop.js';
import { RecordingSys } from './recording-sys.ts';
import { createBackendOf, platformOf, type TargetName } from './targets.ts';

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
const TURNS = 40;
const TURNS_MAX = 5000;
const SENDS_PER_TURN_MAX = 30;
const LENGTH_MIN = 8;
const LENGTH_MAX = 1500;
/** Law D7: `DATAGRAMS_PER_CALL`. */
const BATCH_MAX = 64;
const TURN_MS = 5;

/** Bugs that the game has to find. */
export type DatagramBug = 'loses one' | 'cuts one' | 'gives one twice';

/** What a run has seen. */
export interface DatagramRun {
  readonly fired: Readonly<Record<FaultKind, number>>;
  readonly received: number;
  readonly dropped: number;
  readonly virtualMs: number;
  readonly traceHash: string;
}

/** The bytes of a datagram: its number, and what follows from it. */
function payload(number: number): Uint8Array {
  const length = LENGTH_MIN + ((number * 7919) % (LENGTH_MAX - LENGTH_MIN));
  const bytes = Buffer.alloc(length, number & 0xff);
  bytes.writeUInt32LE(number, 0);
  return bytes;
}

/** Runs a seed. Throws where a law is broken. */
export function runDatagrams(
  target: TargetName,
  seed: number,
  bug: DatagramBug | null = null,
): DatagramRun {
  const faults = FaultPlan.seeded(seed, KINDS);
  const limits = { latencyMs: [0, 2], datagramBufferBytes: 30_000 } as const;
  const sys = new RecordingSys({ seed, abi: platformOf(target), faults, limits });
  sys.bug = bug;
  const loop = new EventLoop({ sys, backend: createBackendOf(target, sys) });
  try {
    return new Game(sys, loop, seed).run();
  } finally {
    loop.close();
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
  readonly #server: DatagramSocket;
  readonly #clients: readonly Client[];
  readonly #got: string[] = [];
  readonly #sent = new Set<number>();
  readonly #nobody: number;
  readonly #startMs: number;
  #next = 1;
  #ends = 0;

  constructor(sys: RecordingSys, loop: EventLoop, seed: number) {
    this.#sys = sys;
    this.#loop = loop;
    this.#startMs = sys.monotonicMs();
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
    const passing = this.#client(false);
    this.#nobody = passing.socket.address.port ?? 0;
    passing.socket.close();
    this.#until(() => this.#ends === 1, 'nobody has the port');
    this.#ends = 0;
    this.#clients = [this.#client(false), this.#client(true)];
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
    const number = Buffer.from(bytes).readUInt32LE(0);
    assert.ok(this.#sent.has(number), `what arrives was sent: ${number}`);
    assert.deepEqual(Buffer.from(bytes), payload(number), 'D1: it is whole');
    this.#got.push(`${number}`);
  }

  #send(client: Client): void {
    const number = this.#next;
    this.#next += 1;
    const bytes = payload(number);
    const isConnected = client.socket.peer !== null;
    const port = this.#random.chance(0.1) ? this.#nobody : (this.#server.address.port ?? 0);
    this.#sent.add(number);
    const to = { host: '127.0.0.1', port };
    if (client.socket.send(bytes, isConnected ? undefined : { to })) client.taken += 1;
    else client.owed = true;
  }

  #until(done: () => boolean, what: string): void {
    for (let turns = 0; turns < TURNS_MAX && !done(); turns += 1) this.#loop.turn(TURN_MS);
    assert.ok(done(), `waited in vain until ${what}`);
  }

  run(): DatagramRun {
    for (let turn = 0; turn < TURNS; turn += 1) {
      if (this.#random.chance(0.2)) this.#server.pause();
      else this.#server.resume();
      for (const client of this.#clients) {
        const sends = this.#random.below(SENDS_PER_TURN_MAX);
        for (let send = 0; send < sends; send += 1) this.#send(client);
      }
      this.#loop.turn(TURN_MS);
    }
    this.#sys.kernel.heal();
    this.#server.resume();
    const idle = (): boolean =>
      this.#clients.every((one) => !one.owed && one.socket.queuedBytes === 0);
    this.#until(idle, 'D4, D5: the queues are empty, and every refusal is drained');
    this.#settle();
    return this.#judge();
  }

  /** One more datagram that is not lost: with it comes the count of those dropped. */
  #settle(): void {
    const client = this.#clients[1];
    assert.ok(client !== undefined);
    const isLast = (): boolean => this.#got.at(-1) === `${this.#next - 1}`;
    for (let tries = 0; tries < 10 && !isLast(); tries += 1) {
      for (let turn = 0; turn < 100; turn += 1) this.#loop.turn(TURN_MS);
      this.#send(client);
      for (let turn = 0; turn < 20; turn += 1) this.#loop.turn(TURN_MS);
    }
    assert.ok(isLast(), 'a datagram that meets no fault arrives');
  }

  #judge(): DatagramRun {
    const { kernel } = this.#sys;
    const file = kernel.descriptors.get(this.#server.fd);
    assert.ok(file instanceof KernelSocket);
    const { dropped } = file;
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
    return {
      fired: kernel.faults.fired,
      received: this.#got.length,
      dropped,
      virtualMs: this.#sys.monotonicMs() - this.#startMs,
      traceHash: this.#sys.traceHash,
    };
  }
}
