import { FaultPlan } from '#sim/faults.js';
import { Random } from '#src/base/random.js';
import type { Backend } from '#src/loop/backend.js';
import { SysError } from '#src/sys/sys-error.js';
import { EventServer } from '#tools/echo/event-server.js';
import { AnswerHost } from './answer-host.ts';
import { type Answer, ClientPeer } from './client-peer.ts';
import { Oracle, RingOracle } from './oracle.ts';
import { Outward, type PendingLookup, type Target } from './outward.ts';
import { PipedWatch } from './piped-watch.ts';
import { HastyLoop, type MisreadSys } from './planted-bugs.ts';
import { judgeRings } from './ring-judge.ts';
import type { LoopRun, RunOptions } from './run-options.ts';
import { endProcess, giveSpareMemory } from './spare-memory.ts';
import { createSys, createTarget, faultsOf, isRing, type TargetName } from './targets.ts';
import { TimerGames } from './timer-games.ts';
import { UnrulyListener } from './unruly-listener.ts';
import { WatchedBackend } from './watched-backend.ts';
import { WatchedLoop } from './watched-loop.ts';
import { limitsOf, pace, sizeOf, type WorldLimits } from './world-size.ts';

/** The faults end at this time, so that everything must complete. */
const HEAL_AFTER_MS = 300;
/** The longest run: the server waits 5 s for a stuck client, a connect is retried for 63 s. */
const WORLD_MS_MAX = 200_000;
/** A world with few descriptors is stopped then. */
const SCARCE_MS_MAX = 100_000;
const TURNS_MAX = 50_000;
/** A completion backend advances time by a millisecond per turn. */
const COMPLETION_TURNS_MAX = 300_000;
/** A wait of this length waits for nothing. */
const WAIT_MS = 600_000;
/** The most consecutive turns without effect while no time passes: more is spinning. */
const IDLE_TURNS_MAX = 40;
const NO_TIME_MS = 0.02;
const SETUP_TRIES_MAX = 1000;

const SERVER_PORT = 7001;
const UNRULY_PORT = 7002;
const HOST_PORT = 7003;
const DEAF_PORT = 7004;

/** Faults that end a connection early, or prevent it. */
const BREAKING = ['connectionReset', 'abortedAccept', 'descriptorsOut', 'changeError'] as const;

/** A loop on one backend, with the peers and faults of a seed. */
class LoopEnvironment {
  turns = 0;
  readonly oracle: Oracle;
  readonly sys: MisreadSys;
  readonly #random: Random;
  readonly #limits: WorldLimits;
  readonly #inner: Backend;
  readonly #backend: Backend;
  readonly #loop: WatchedLoop;
  readonly #ownDescriptors: number;
  readonly #startMs: number;
  readonly #isScarce: boolean;
  readonly #isIdleLimited: boolean;
  readonly #turnsMax: number;
  readonly #stopAtMs: number;
  #server: EventServer | null = null;
  #unruly: UnrulyListener | null = null;
  #host: AnswerHost | null = null;
  #watch: PipedWatch | null = null;
  #games: TimerGames | null = null;
  readonly #clients: ClientPeer[] = [];
  readonly #rudeClients: ClientPeer[] = [];
  readonly #outward: Outward[] = [];
  readonly #lookups: PendingLookup[] = [];
  readonly parts: string[] = [];
  readonly #without: ReadonlySet<string>;
  #stopped = false;
  #stoppedEarly = false;
  #idleTurns = 0;

  constructor(target: TargetName, seed: number, options: RunOptions) {
    const { bug, kinds, traceLines = 0, faultsMax, without = new Set() } = options;
    this.#without = without;
    const random = new Random(seed, 'loop environment');
    const size = options.size ?? sizeOf(seed);
    this.#limits = limitsOf(size);
    const bufferBytesMax = this.#limits.socketBufferBytesMax;
    this.oracle = isRing(target) ? new RingOracle() : new Oracle();
    this.#random = random;
    this.#isScarce = random.chance(0.25);
    const latencyMs = random.chance(0.5) ? 0 : random.between(1, 8);
    this.sys = createSys(target, {
      seed,
      faults: FaultPlan.seeded(seed, kinds ?? faultsOf(target), faultsMax),
      traceLines,
      limits: {
        descriptorsMax: this.#isScarce ? random.between(8, 11) : 1024,
        sendBufferBytes: random.between(16, bufferBytesMax),
        receiveBufferBytes: random.between(16, bufferBytesMax),
        latencyMs: [0, latencyMs],
        ...pace(seed),
      },
    });
    const { sys, oracle } = this;
    sys.bug = bug ?? null;
    this.#startMs = sys.monotonicMs();
    sys.kernel.after(HEAL_AFTER_MS, () => sys.kernel.heal());
    const inner = this.#insist(() => createTarget(target, sys, bug ?? null));
    this.#inner = inner;
    this.#backend = new WatchedBackend(inner, sys, oracle);
    this.#ownDescriptors = sys.openDescriptors().length;
    const isHasty = bug === 'counts timers from the beginning of the turn';
    const over = { sys, backend: this.#backend };
    this.#loop = isHasty ? new HastyLoop(over, oracle) : new WatchedLoop(over, oracle);
    this.#turnsMax = target === 'completions' ? COMPLETION_TURNS_MAX : TURNS_MAX;
    this.#isIdleLimited = random.chance(0.2);
    const stopsEarly = random.chance(0.25);
    this.#stopAtMs = stopsEarly ? this.#startMs + random.between(1, 400) : WORLD_MS_MAX * 100;
    sys.kernel.onSuddenWake(() => inner.wake());
    if (stopsEarly) sys.kernel.at(this.#stopAtMs, () => inner.wake());
  }

  /** Tries until it succeeds: descriptors may be short. A failure must leave nothing open. */
  #insist<Made>(make: () => Made): Made {
    for (let tries = 1; ; tries += 1) {
      const before = this.sys.openDescriptors().length;
      try {
        return make();
      } catch (error) {
        if (!(error instanceof SysError) || tries === SETUP_TRIES_MAX) throw error;
        const after = this.sys.openDescriptors().length;
        this.oracle.expect(after === before, `left open by what failed: ${error.message}`);
      }
    }
  }

  begin(): void {
    const random = this.#random;
    const answer = (['echo', 'line', 'once'] as const)[random.below(3)] ?? 'echo';
    const lineBytesMax = random.between(1, random.chance(0.5) ? 50 : 3000);
    const isLimited = random.chance(0.25);
    this.#server = this.#insist(() => {
      const watched = random.chance(0.3);
      const maxConnections = isLimited ? random.between(1, 3) : null;
      const backlog = random.chance(0.3) ? { backlog: random.between(1, 3) } : {};
      const idleTimeoutMs = this.#isIdleLimited ? random.between(50, 500) : null;
      const where = { host: '127.0.0.1', port: SERVER_PORT, ...backlog };
      return new EventServer(this.#loop, {
        listen: (settings) => this.#loop.listen({ ...where, ...settings }),
        mode: answer,
        lineBytesMax,
        watched,
        maxConnections,
        idleTimeoutMs,
      });
    });
    const mayLinger = !isLimited && !this.#isScarce;
    const { unrulyChance, outwardChance, watchChance } = this.#limits;
    this.#addClients('client', SERVER_PORT, answer, lineBytesMax, mayLinger, this.#clients);
    if (!this.#isScarce && random.chance(unrulyChance) && this.#has('unruly')) {
      this.#unruly = this.#insist(() => new UnrulyListener(this.sys, this.#loop, UNRULY_PORT));
      const calm = mayLinger && !this.#unruly.limited;
      this.#addClients('guest', UNRULY_PORT, 'echo', 1, calm, this.#rudeClients);
    }
    if (random.chance(outwardChance)) this.#addOutward(answer);
    if (random.chance(0.5) && this.#has('timers')) {
      this.#games = new TimerGames(this.sys, this.#loop, this.oracle);
    }
    if (!this.#isScarce && random.chance(watchChance) && this.#has('watch')) {
      this.#watch = new PipedWatch(this.sys, this.#loop, this.oracle);
    }
    // A signal handler stops it between two turns, a handler of the program's within one.
    if (this.#stopAtMs > WORLD_MS_MAX * 50 || random.chance(0.5)) return;
    const delayMs = Math.max(0, this.#stopAtMs - this.sys.monotonicMs());
    this.#loop.setTimer(delayMs, () => this.#stopEarly());
  }

  /** Whether a part takes part. */
  #has(name: string): boolean {
    if (this.#without.has(name)) return false;
    this.parts.push(name);
    return true;
  }

  #addClients(
    kind: string,
    port: number,
    answer: Answer,
    lineBytesMax: number,
    mayLinger: boolean,
    list: ClientPeer[],
  ): void {
    const address = { family: 'IPv4', address: '127.0.0.1', port } as const;
    const { clientsMax, scarceClientsMax, bytesUsual, bytesMax } = this.#limits;
    const most = this.#isScarce ? scarceClientsMax : clientsMax;
    for (let index = this.#random.between(1, most); index > 0; index -= 1) {
      const name = `${kind} ${index}`;
      if (!this.#has(name)) continue;
      const { oracle } = this;
      const left = (): void => this.#backend.wake();
      const sizes = { lineBytesMax, bytesUsual, bytesMax };
      const options = { name, address, answer, mayLinger, oracle, left, ...sizes };
      list.push(new ClientPeer(this.sys, options));
    }
  }

  #addOutward(answer: Answer): void {
    const random = this.#random;
    const at = { family: 'IPv4', address: '127.0.0.1', port: HOST_PORT } as const;
    this.#host = new AnswerHost(this.sys, at);
    const ports = [HOST_PORT, HOST_PORT, DEAF_PORT];
    // Both ends of such a connection are on this loop.
    if (answer === 'echo') ports.push(SERVER_PORT);
    for (let index = random.between(1, this.#limits.outwardMax); index > 0; index -= 1) {
      const port = ports[random.below(ports.length)] ?? HOST_PORT;
      // Refused at once, silent for ever, and the right one.
      const named = random.shuffled(['::1', '192.0.2.1', '127.0.0.1']);
      const addresses = random.chance(0.4) ? named : null;
      const target: Target = { port, addresses, deaf: port === DEAF_PORT };
      const name = `outward ${index}`;
      if (this.#has(name)) this.#connect(name, target, false);
    }
  }

  /** After a cut, connects again once, inside of the same handler. */
  #connect(name: string, target: Target, isAgain: boolean): void {
    const outward = new Outward(this.sys, this.#loop, this.oracle, {
      name,
      target,
      bytesMax: this.#limits.outwardBytesMax,
      startsAtOnce: isAgain,
      lookups: this.#lookups,
      left: () => this.#backend.wake(),
      wasCut: () => {
        if (!isAgain && !this.#stopped) this.#connect(`${name} again`, target, true);
      },
    });
    this.#outward.push(outward);
  }

  /** Turns until everything has ended. */
  run(): void {
    const { oracle } = this;
    while (oracle.violation === null) {
      const nowMs = this.sys.monotonicMs();
      // Where the last descriptor has one end of a connection, its other end is never accepted.
      const isStuck = this.#isScarce && nowMs - this.#startMs >= SCARCE_MS_MAX;
      if (nowMs >= this.#stopAtMs || isStuck) this.#stopEarly();
      else if (!this.#stopped && this.#isDone()) this.#stop();
      if (this.#stopped && !this.#loop.alive) return;
      oracle.expect(this.#loop.alive, 'the server has given up');
      const passedMs = nowMs - this.#startMs;
      if (this.turns >= this.#turnsMax) oracle.broken(`not over after ${this.turns} turns`);
      if (passedMs >= WORLD_MS_MAX) oracle.broken(`not over after ${passedMs} ms`);
      this.#turn();
    }
  }

  #turn(): void {
    this.turns += 1;
    const { sys, oracle } = this;
    const { progress } = sys;
    const { callbacks } = oracle;
    const { total } = sys.kernel.faults;
    const beforeMs = sys.monotonicMs();
    try {
      this.#loop.turn(WAIT_MS);
    } catch (error) {
      if (!this.#isRefusedWatch(error)) throw error;
    }
    if (this.#lookups.length > 0 && this.#random.chance(0.3)) this.#lookups.shift()?.();
    const passedMs = sys.monotonicMs() - beforeMs;
    if (passedMs >= WAIT_MS) oracle.broken(`it waits, and nothing is to come: ${this.#pending()}`);
    // A fault that has just fired may have ended the wait.
    const isDisturbed = total !== sys.kernel.faults.total;
    const idle = progress === sys.progress && callbacks === oracle.callbacks && !isDisturbed;
    this.#idleTurns = idle && passedMs < NO_TIME_MS ? this.#idleTurns + 1 : 0;
    if (this.#idleTurns < IDLE_TURNS_MAX) return;
    oracle.broken(`${this.#idleTurns} turns came to nothing: ${this.#pending()}`);
  }

  /** The peers that have not ended. */
  #pending(): string {
    const clients = [...this.#clients, ...this.#rudeClients].filter(({ done }) => !done);
    const words = clients.map(({ name, manner }) => `${name} (${manner})`);
    const { length } = this.#outward.filter(({ over }) => !over);
    if (length > 0) words.push(`${length} outward`);
    if (this.#watch?.over === false) words.push('the watch');
    if (this.#stopped) words.push(`stopped, ${this.#backend.active} active`);
    return words.join(', ') || 'nobody';
  }

  /** True if the kernel refused to watch the program's own descriptor: the program handles it. */
  #isRefusedWatch(error: unknown): boolean {
    const fd = this.#watch?.readFd ?? -1;
    if (!(error instanceof SysError) || fd < 0) return false;
    return error.message.includes(`watch descriptor ${fd} `);
  }

  #isDone(): boolean {
    const clients = [...this.#clients, ...this.#rudeClients];
    return (
      clients.every((client) => client.done || client.lingers) &&
      this.#outward.every(({ over }) => over) &&
      (this.#watch?.over ?? true)
    );
  }

  #stopEarly(): void {
    if (this.#stopped) return;
    this.#stoppedEarly = true;
    this.#stop();
  }

  #stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#server?.stop();
    this.#unruly?.stop();
    this.#watch?.stop();
    for (const outward of this.#outward) outward.abandon();
  }

  /** Checks the state at the end. */
  judge(): void {
    const { oracle, sys } = this;
    if (oracle.violation !== null) return;
    const { active } = this.#backend;
    oracle.expect(active === 0, `${active} subscriptions are left`);
    const left = sys.openDescriptors().length - this.#ownDescriptors;
    oracle.expect(left === 0, `${left} descriptors are left`);
    judgeRings(sys, [this.#loop], oracle);
    this.#loop.close();
    oracle.expect(sys.kernel.complaints.length === 0, sys.kernel.complaints.join('; '));
    const open = sys.openDescriptors();
    oracle.expect(open.length === 0, `left open by the backend: ${open.join(', ')}`);
    oracle.expect(sys.kernel.sigpipes === 0, 'a signal would have ended the process');
    this.#games?.judge();
    this.#judgeConnections();
  }

  /** Ends what a violation has left. Its memory goes to the next one. */
  release(): void {
    // A thread closes the loops that are left at its end, when this kernel is no more.
    if (this.oracle.violation !== null) this.#closeBroken();
    giveSpareMemory(this.#inner, this.sys.kernel.limits.receiveBufferBytes);
  }

  #closeBroken(): void {
    try {
      this.#loop.close();
    } catch (error) {
      // What is broken may not close either: the violation is told, and this is its consequence.
      this.oracle.broken(`it did not close: ${error}`);
    }
  }

  #judgeConnections(): void {
    const { fired } = this.sys.kernel.faults;
    const isDisturbed = this.#isScarce || BREAKING.some((kind) => fired[kind] > 0);
    if (isDisturbed || this.#stoppedEarly) return;
    if (!this.#isIdleLimited) this.#judgeClients(this.#clients);
    if (this.#unruly?.cuts === 0) this.#judgeClients(this.#rudeClients);
    if (this.#isIdleLimited || (this.#host?.cuts ?? 0) > 0) return;
    for (const { failure, cutShort, deaf } of this.#outward) {
      const isRight = cutShort || (failure !== null) === deaf;
      this.oracle.expect(isRight, `an outward connection broke for no reason: ${failure}`);
    }
  }

  #judgeClients(clients: readonly ClientPeer[]): void {
    for (const { patient, brokenBy, name } of clients) {
      this.oracle.expect(!patient || brokenBy === null, `${name} for no reason: ${brokenBy}`);
    }
  }
}

/** Runs a loop over `target` in the environment of `seed`. */
export function runLoop(target: TargetName, seed: number, options: RunOptions = {}): LoopRun {
  const environment = new LoopEnvironment(target, seed, options);
  const { sys, oracle } = environment;
  const startMs = sys.monotonicMs();
  try {
    environment.begin();
    environment.run();
    environment.judge();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    oracle.broken(`it threw: ${error.stack ?? error.message}`);
  }
  const { violation } = oracle;
  const report = violation === null ? null : [violation, ...sys.kernel.report()].join('\n  ');
  environment.release();
  endProcess(sys);
  return {
    violation: report,
    traceHash: sys.traceHash,
    turns: environment.turns,
    virtualMs: sys.monotonicMs() - startMs,
    parts: environment.parts,
    fired: sys.kernel.faults.fired,
  };
}
