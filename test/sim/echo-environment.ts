import { type FaultKind, FaultPlan, streamFaults } from '#sim/faults.js';
import { DeadlockError } from '#sim/kernel.js';
import { Peer } from '#sim/peers.js';
import { SimSys } from '#sim/sim-sys.js';
import { Random } from '#src/base/random.js';
import { EchoServer, type PlantedBug } from './echo-server.ts';

/** The faults that this small server knows: it repeats no call that says EINTR or ENOBUFS. */
export const echoFaults = streamFaults.filter(
  (kind) => kind !== 'interruptedCall' && kind !== 'memoryShort',
);

/** More turns than the server ever needs. */
const TURNS_MAX = 10_000;
/** The faults end at this time, so that everything must complete. */
const HEAL_AFTER_MS = 300;

const ADDRESS = { family: 'IPv4', address: '127.0.0.1', port: 7007 } as const;

/** Faults that end a connection before its time, with a reset. */
const BREAKING: readonly FaultKind[] = ['connectionReset', 'abortedAccept', 'changeError'];

/** How a peer ends: it waits for its whole echo, closes early, or resets. */
type Manner = 'patient' | 'rude' | 'silent';

/** A client that sends bytes and compares the echo. */
class EchoPeer {
  done = false;
  /** The first violation that it saw. */
  violation: string | null = null;
  /** True if its connection was reset, or never made. */
  broken = false;
  readonly manner: Manner;
  readonly #peer: Peer;
  readonly #bytes: Uint8Array;
  readonly #buffer = new Uint8Array(512);
  readonly #chunkMax: number;
  readonly #napMs: number;
  #sent = 0;
  #received = 0;
  #ended = false;
  #begun = false;
  readonly #sys: SimSys;
  readonly #left: () => void;

  /** `left` is called once it is done. */
  constructor(sys: SimSys, name: string, left: () => void) {
    this.#sys = sys;
    this.#left = left;
    this.#peer = new Peer(sys, name, () => this.#act());
    const { random } = this.#peer;
    const length = random.chance(0.2) ? random.below(3) : random.below(6000);
    const words = Uint32Array.from({ length: 1500 }, () => random.word());
    this.#bytes = new Uint8Array(words.buffer, 0, length);
    this.#chunkMax = random.between(1, 1500);
    this.#napMs = random.chance(0.3) ? random.between(1, 20) : 0;
    this.manner = random.chance(0.7) ? 'patient' : random.chance(0.5) ? 'rude' : 'silent';
    this.#peer.sleep(random.between(0, 60));
  }

  #act(): void {
    if (this.done) return;
    if (!this.#begun) this.#begin();
    if (this.#peer.connecting || this.done) return;
    this.#receive();
    this.#send();
    const { random } = this.#peer;
    if (!this.done && this.manner !== 'patient' && random.chance(0.1)) this.#leave();
    if (!this.done && this.manner !== 'patient') this.#peer.sleep(random.between(1, 30));
  }

  #begin(): void {
    this.#begun = true;
    const result = this.#peer.connect(ADDRESS);
    const { EINPROGRESS } = this.#sys.abi.errno;
    if (result < 0 && result !== -EINPROGRESS) this.#finish(true);
  }

  #leave(): void {
    if (this.manner === 'rude') this.#peer.reset();
    this.#finish(this.broken);
  }

  #send(): void {
    if (this.done || this.#ended) return;
    const { random } = this.#peer;
    const left = this.#bytes.length - this.#sent;
    const count = Math.min(left, random.between(1, this.#chunkMax));
    if (count > 0) {
      const result = this.#peer.send(this.#bytes, this.#sent, count);
      // Room in the send buffer wakes it again.
      if (result === -this.#sys.abi.errno.EAGAIN) return;
      if (result < 0) {
        this.#finish(true);
        return;
      }
      this.#sent += result;
    }
    if (this.#sent < this.#bytes.length) {
      this.#peer.sleep(this.#napMs + 0.01);
    } else {
      this.#ended = true;
      this.#peer.end();
    }
  }

  #receive(): void {
    while (!this.done) {
      const room = this.#peer.random.between(1, this.#buffer.length);
      const count = this.#peer.receive(this.#buffer, room);
      if (count === -this.#sys.abi.errno.EAGAIN) return;
      if (count < 0) this.#finish(true);
      else if (count === 0) this.#end();
      else this.#compare(count);
      if (count <= 0 || this.#napMs === 0) continue;
      // A slow reader takes a piece, and more of it later.
      this.#peer.sleep(this.#napMs);
      return;
    }
  }

  #compare(count: number): void {
    for (let index = 0; index < count; index += 1) {
      const at = this.#received + index;
      if (at >= this.#sent) this.#fail(`byte ${at} came back before it was sent`);
      else if (this.#buffer[index] !== this.#bytes[at]) this.#fail(`byte ${at} is another one`);
      if (this.done) return;
    }
    this.#received += count;
  }

  #end(): void {
    const lost = this.#bytes.length - this.#received;
    if (lost > 0) this.#fail(`the end came with ${lost} of ${this.#bytes.length} bytes missing`);
    else this.#finish(false);
  }

  #finish(broken: boolean): void {
    this.broken = broken;
    this.done = true;
    this.#peer.close();
    this.#left();
  }

  #fail(violation: string): void {
    this.violation = violation;
    this.#finish(true);
  }
}

/** The outcome of one seed. */
export interface EchoRun {
  /** The violation with its seed and the last calls; null if there is none. */
  readonly violation: string | null;
  readonly traceHash: string;
  readonly turns: number;
  readonly virtualMs: number;
  readonly fired: Readonly<Record<FaultKind, number>>;
}

/** The environment of a seed: its sizes, its latencies, its faults. */
function environmentOf(seed: number, kinds: readonly FaultKind[], traceLines: number): SimSys {
  const random = new Random(seed, 'environment');
  const latencyMs = random.chance(0.5) ? 0 : random.between(1, 8);
  return new SimSys({
    seed,
    faults: FaultPlan.seeded(seed, kinds),
    traceLines,
    limits: {
      descriptorsMax: random.chance(0.3) ? random.between(7, 10) : 1024,
      sendBufferBytes: random.between(16, 4096),
      receiveBufferBytes: random.between(16, 4096),
      latencyMs: [0, latencyMs],
    },
  });
}

/** Runs an echo server and some clients in the environment of `seed`. */
export function runEcho(
  seed: number,
  bug: PlantedBug = 'none',
  kinds: readonly FaultKind[] = echoFaults,
  traceLines = 0,
): EchoRun {
  const sys = environmentOf(seed, kinds, traceLines);
  const random = new Random(seed, 'run');
  const server = new EchoServer(sys, bug);
  const startMs = sys.monotonicMs();
  sys.kernel.after(HEAL_AFTER_MS, () => sys.kernel.heal());
  server.start(ADDRESS);
  const count = random.between(1, 6);
  const wake = (): void => server.wake();
  sys.kernel.onSuddenWake(wake);
  const names = Array.from({ length: count }, (_, index) => `client ${index}`);
  const peers = names.map((name) => new EchoPeer(sys, name, wake));
  // Some servers are stopped early.
  const turnsMax = random.chance(0.2) ? random.between(1, 60) : TURNS_MAX;
  let turns = 0;
  let violation: string | null = null;
  try {
    while (violation === null && turns < turnsMax && !isOver(peers, server)) {
      turns += 1;
      if (!server.turn()) violation = 'the server has given up';
      violation ??= peers.find((peer) => peer.violation !== null)?.violation ?? null;
    }
    if (turns === TURNS_MAX) violation ??= `not done after ${TURNS_MAX} turns`;
    server.stop();
    violation ??= judge(sys, peers, turns < turnsMax);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    violation = error instanceof DeadlockError ? 'deadlock' : error.message;
  }
  const words = violation === null ? null : [violation, ...sys.kernel.report()].join('\n  ');
  const virtualMs = sys.monotonicMs() - startMs;
  const { traceHash } = sys;
  return { violation: words, traceHash, turns, virtualMs, fired: sys.kernel.faults.fired };
}

function isOver(peers: readonly EchoPeer[], server: EchoServer): boolean {
  return peers.every((peer) => peer.done) && server.connections === 0;
}

/** Checks a stopped server; `complete` is true if it served to the end. */
function judge(sys: SimSys, peers: readonly EchoPeer[], complete: boolean): string | null {
  const open = sys.openDescriptors();
  if (open.length > 0) return `left open: ${open.join(', ')}`;
  if (sys.kernel.sigpipes > 0) return 'a signal would have ended the process';
  if (!complete) return null;
  const breakable = BREAKING.some((kind) => sys.kernel.faults.fired[kind] > 0);
  const broken = peers.filter((peer) => peer.broken && peer.manner === 'patient');
  if (broken.length > 0 && !breakable) return `${broken.length} connections broke for no reason`;
  return null;
}
