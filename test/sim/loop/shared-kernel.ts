import { type FaultKind, FaultPlan } from '#sim/faults.js';
import { Random } from '#src/base/random.js';
import type { Backend } from '#src/loop/backend.js';
import { SysError } from '#src/sys/sys-error.js';
import { ClientPeer } from './client-peer.ts';
import { Oracle, RingOracle } from './oracle.ts';
import type { MisreadSys } from './planted-bugs.ts';
import { runPromiseJobs } from './promise-jobs.ts';
import { judgeRings, type Turning } from './ring-judge.ts';
import type { LoopRun, PlayOptions } from './run-options.ts';
import { giveSpareMemory } from './spare-memory.ts';
import { createBackendOf, createSys, faultsOf, isRing, type TargetName } from './targets.ts';
import { WatchedBackend } from './watched-backend.ts';
import { WatchedLoop } from './watched-loop.ts';
import { limitsOf, pace, sizeOf, type WorldLimits } from './world-size.ts';

/** The faults end at this time, so that everything must complete. */
const HEAL_AFTER_MS = 300;
/** A server may wait for 5 s twice: to hand over, and to end. */
const WORLD_MS_MAX = 60_000;
const TURNS_MAX = 100_000;
const SETUP_TRIES_MAX = 1000;
/** The longest wait of one loop, while the others stand still: and after turns without effect. */
const WAIT_MS_MAX = 10;
const IDLE_WAIT_MS_MAX = 60;
/** The clients see the last bytes within this time. */
const SETTLE_MS = 2000;
const SETTLE_STEP_MS = 50;

/** Faults that end a connection early, or prevent it. */
const BREAKING: readonly FaultKind[] = [
  'connectionReset',
  'abortedAccept',
  'descriptorsOut',
  'changeError',
];

/** What a client is made of. */
export type ClientWords = Pick<
  ConstructorParameters<typeof ClientPeer>[1],
  'name' | 'answer' | 'lineBytesMax' | 'mayLinger'
>;

/** Several loops over one kernel, as those of threads or of processes, and their clients. */
export class SharedKernel {
  readonly oracle: Oracle;
  readonly sys: MisreadSys;
  readonly random: Random;
  readonly limits: WorldLimits;
  readonly parts: string[] = [];
  readonly clients: ClientPeer[] = [];
  readonly startMs: number;
  turns = 0;
  #idleTurns = 0;
  readonly #target: TargetName;
  readonly #without: ReadonlySet<string>;
  readonly #loops: WatchedLoop[] = [];
  readonly #inner: Backend[] = [];
  #clientsToCome = 0;

  constructor(game: string, target: TargetName, seed: number, options: PlayOptions) {
    const { kinds, traceLines = 0, faultsMax, without = new Set(), size = sizeOf(seed) } = options;
    this.#target = target;
    this.#without = without;
    this.limits = limitsOf(size);
    this.random = new Random(seed, game);
    this.oracle = isRing(target) ? new RingOracle() : new Oracle();
    const isBreaking = this.random.chance(0.3);
    const usual = faultsOf(target).filter((kind) => isBreaking || !BREAKING.includes(kind));
    const bufferBytesMax = this.limits.socketBufferBytesMax;
    const latencyMs = this.random.chance(0.5) ? 0 : this.random.between(1, 8);
    this.sys = createSys(target, {
      seed,
      faults: FaultPlan.seeded(seed, kinds ?? usual, faultsMax),
      traceLines,
      limits: {
        sendBufferBytes: this.random.between(16, bufferBytesMax),
        receiveBufferBytes: this.random.between(16, bufferBytesMax),
        latencyMs: [0, latencyMs],
        ...pace(seed),
      },
    });
    this.startMs = this.sys.monotonicMs();
    this.sys.kernel.after(HEAL_AFTER_MS, () => this.sys.kernel.heal());
  }

  get nowMs(): number {
    return this.sys.monotonicMs();
  }

  /** The choices of one who takes part. */
  randomOf(name: string): Random {
    return new Random(this.sys.kernel.seed, name);
  }

  /** Whether a part takes part. */
  has(name: string): boolean {
    if (this.#without.has(name)) return false;
    this.parts.push(name);
    return true;
  }

  /** What `make` gives, null where the kernel refuses. A failure must leave nothing open. */
  attempt<Made>(make: () => Made): Made | null {
    const before = this.sys.openDescriptors().length;
    try {
      return make();
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      const after = this.sys.openDescriptors().length;
      this.oracle.expect(after === before, `left open by what failed: ${error.message}`);
      return null;
    }
  }

  /** Tries until it succeeds. */
  insist<Made>(make: () => Made): Made {
    for (let tries = 0; tries < SETUP_TRIES_MAX; tries += 1) {
      const made = this.attempt(make);
      if (made !== null) return made;
    }
    throw new Error('the kernel refuses each time');
  }

  /** A loop over a backend of the target. */
  openLoop(): WatchedLoop {
    const { sys, oracle } = this;
    const loop = new WatchedLoop({ sys, backend: this.openBackend() }, oracle);
    this.#loops.push(loop);
    return loop;
  }

  /** A backend for a loop of another class, which its owner closes. */
  openBackend(): Backend {
    const inner = this.insist(() => createBackendOf(this.#target, this.sys));
    this.#inner.push(inner);
    return new WatchedBackend(inner, this.sys, this.oracle);
  }

  /** The thread of a loop was terminated: nobody may touch what the loop believes to have. */
  forget(loop: WatchedLoop): void {
    this.#loops.splice(this.#loops.indexOf(loop), 1);
  }

  /** A client that comes after `delayMs`, if it takes part. */
  addClient(words: ClientWords, port: number, delayMs: number): void {
    const { name } = words;
    if (!this.has(name)) return;
    const { bytesMax, bytesUsual } = this.limits;
    const address = { family: 'IPv4', address: '127.0.0.1', port } as const;
    const left = (): void => undefined;
    const options = { ...words, address, bytesMax, bytesUsual, oracle: this.oracle, left };
    this.#clientsToCome += 1;
    this.sys.kernel.after(delayMs, () => {
      this.#clientsToCome -= 1;
      this.clients.push(new ClientPeer(this.sys, options));
    });
  }

  /** True if no client will end by itself any more. */
  get clientsDone(): boolean {
    return this.#clientsToCome === 0 && this.clients.every((one) => one.done || one.lingers);
  }

  /** True if a fault may have broken a connection. */
  get isDisturbed(): boolean {
    const { fired } = this.sys.kernel.faults;
    return BREAKING.some((kind) => fired[kind] > 0);
  }

  /** A turn of one of `loops`, and the promise jobs behind it. Without one, time passes. */
  turn(loops: readonly Turning[]): void {
    this.turns += 1;
    const { oracle, random, sys } = this;
    const passedMs = this.nowMs - this.startMs;
    if (this.turns >= TURNS_MAX) oracle.broken(`not over after ${this.turns} turns`);
    if (passedMs >= WORLD_MS_MAX) oracle.broken(`not over after ${passedMs} ms: ${this.#pending}`);
    const mostMs = Math.min(WAIT_MS_MAX + this.#idleTurns, IDLE_WAIT_MS_MAX);
    const waitMs = random.chance(0.4) ? 0 : random.between(1, mostMs);
    const before = sys.progress + oracle.callbacks;
    const loop = loops[random.below(loops.length)];
    try {
      if (loop === undefined) this.#pass(waitMs);
      else loop.turn(waitMs);
    } finally {
      runPromiseJobs();
    }
    this.#idleTurns = before === sys.progress + oracle.callbacks ? this.#idleTurns + 1 : 0;
  }

  #pass(timeMs: number): void {
    this.sys.poll(new Uint8Array(this.sys.abi.structs.pollfd.size), 0, timeMs);
  }

  /** Time passes until the clients have seen what was sent. */
  settle(): void {
    for (let passedMs = 0; passedMs < SETTLE_MS; passedMs += SETTLE_STEP_MS) {
      if (this.clients.every((one) => one.done)) return;
      this.#pass(SETTLE_STEP_MS);
    }
  }

  get #pending(): string {
    const clients = this.clients.filter(({ done }) => !done);
    const words = clients.map(({ name, manner, port }) => `${name} (${manner}, ${port})`);
    return words.join(', ') || 'nobody';
  }

  /** Nothing of a server is left once all is closed: loops that are open may have their own. */
  judge(others: readonly (Turning & { close(): void })[] = []): void {
    const { oracle, sys } = this;
    if (oracle.violation !== null) return;
    const loops = [...this.#loops.filter((loop) => !loop.closed), ...others];
    judgeRings(sys, loops, oracle);
    for (const loop of loops) loop.close();
    oracle.expect(sys.kernel.complaints.length === 0, sys.kernel.complaints.join('; '));
    const open = sys.openDescriptors();
    oracle.expect(open.length === 0, `descriptors are left: ${open.join(', ')}`);
    oracle.expect(sys.kernel.sigpipes === 0, 'a signal would have ended the process');
  }

  /** The outcome of a seed, which `play` plays. */
  outcome(play: () => void): LoopRun {
    const { oracle, sys } = this;
    const guarded = (act: () => void): void => {
      try {
        act();
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        oracle.broken(`it threw: ${error.stack ?? error.message}`);
      }
    };
    guarded(play);
    const state = oracle.violation === null ? [] : sys.kernel.report();
    for (const loop of this.#loops) guarded(() => loop.close());
    for (const inner of this.#inner) giveSpareMemory(inner, sys.kernel.limits.receiveBufferBytes);
    runPromiseJobs();
    sys.end();
    const { violation } = oracle;
    return {
      violation: violation === null ? null : [violation, ...state].join('\n  '),
      traceHash: sys.traceHash,
      turns: this.turns,
      virtualMs: sys.monotonicMs() - this.startMs,
      parts: this.parts,
      fired: sys.kernel.faults.fired,
    };
  }
}
