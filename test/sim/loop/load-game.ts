import { FaultPlan } from '#sim/faults.js';
import { Random } from '#src/base/random.js';
import type { Backend } from '#src/loop/backend.js';
import { SysError } from '#src/sys/sys-error.js';
import { CpuWatch } from '#tools/load/engine/cpu-watch.js';
import { SharedState } from '#tools/load/engine/shared-state.js';
import { LoadThread } from '#tools/load/engine/thread.js';
import type { LoadPlan } from '#tools/load/plan.js';
import type { ThreadMessage, ThreadResult } from '#tools/load/record/thread-messages.js';
import { type LoadBug, misreadPlan, plantLoadBug } from './load-bugs.ts';
import { judgeCauses } from './load-causes.ts';
import { judgeDocument } from './load-document.ts';
import { LoadLedger } from './load-ledger.ts';
import { LoadLoop, RunOver } from './load-loop.ts';
import { Places } from './load-places.ts';
import { drawPlan, SERVER, SERVER_PATH } from './load-plan.ts';
import { LoadServer } from './load-server.ts';
import { Oracle, RingOracle } from './oracle.ts';
import type { MisreadSys } from './planted-bugs.ts';
import type { PlayOptions, SeedRun } from './run-options.ts';
import { endProcess, giveSpareMemory } from './spare-memory.ts';
import { createSys, createTarget, faultsOf, isRing, type TargetName } from './targets.ts';
import { WatchedBackend } from './watched-backend.ts';
import { limitsOf, sizeOf } from './world-size.ts';

// A thread of the load client on the simulated kernel, against a server outside of the process that
// answers late, wrong or not at all. The main thread is a few actions of the clock.

const SETUP_TRIES_MAX = 1000;
/** Beyond what a turn may wait and a fault may last, and the pauses before connects. */
const SLACK_MS = 600;
/** The client's: how late it hears of the main thread, waits for replies, looks for timeouts. */
const HEARD_MS_MAX = 250;
const DRAIN_MS = 100;
const SWEEP_MS_MAX = 250;
const STOPPED_MS_MAX = 1500;

export interface LoadOptions extends PlayOptions {
  readonly bug?: LoadBug;
}

/** The outcome of a seed. */
export interface LoadRun extends SeedRun {
  readonly turns: number;
  /** Messages answered in the measured time, and all that failed. */
  readonly answered: number;
  readonly failed: number;
}

class LoadWorld {
  readonly oracle: Oracle;
  readonly sys: MisreadSys;
  readonly parts: string[] = [];
  readonly loop: LoadLoop;
  readonly thread: LoadThread;
  readonly ledger: LoadLedger;
  readonly #inner: Backend;
  readonly #random: Random;
  readonly #without: ReadonlySet<string>;
  readonly #plan: LoadPlan;
  readonly #places: Places | null;
  readonly #shared: SharedState;
  readonly #server: LoadServer;
  readonly #offsetMs: number;
  readonly #wakes: boolean;
  readonly #isLarge: boolean;
  #stopped = false;
  result: ThreadResult | null = null;

  constructor(target: TargetName, seed: number, options: LoadOptions) {
    const { bug, kinds = faultsOf(target), faultsMax, traceLines = 0 } = options;
    this.#without = options.without ?? new Set();
    const size = options.size ?? sizeOf(seed);
    this.#isLarge = size === 'large';
    const random = new Random(seed, 'load game');
    this.#random = random;
    this.oracle = isRing(target) ? new RingOracle() : new Oracle();
    const { socketBufferBytesMax } = limitsOf(size);
    const isScarce = random.chance(0.1);
    const faults = FaultPlan.seeded(seed, kinds, faultsMax);
    const limits = {
      descriptorsMax: isScarce ? random.between(8, 11) : 1024,
      sendBufferBytes: random.between(16, socketBufferBytesMax),
      receiveBufferBytes: random.between(16, socketBufferBytesMax),
      latencyMs: [0, random.chance(0.5) ? 0 : random.between(1, 8)],
      callCostUs: random.chance(0.2) ? 10 : random.between(40, 200),
      tickUs: random.chance(0.7) ? 0.001 : 1000 * random.between(1, 25),
    } as const;
    this.sys = createSys(target, { seed, faults, traceLines, limits });
    const { sys, oracle } = this;
    const drawn = drawPlan(random, size, (part) => this.#has(part));
    this.#plan = drawn.plan;
    this.#offsetMs = random.chance(0.5) ? 0 : random.fraction() * 1e7;
    this.#wakes = random.chance(0.8);
    this.#inner = this.#opened(target);
    sys.kernel.onSuddenWake(() => this.#inner.wake());
    this.loop = new LoadLoop(
      { sys, backend: new WatchedBackend(this.#inner, sys, oracle) },
      oracle,
      () => sys.kernel.enter(),
    );
    this.#shared = new SharedState(this.#plan.threads);
    this.thread = this.#makeThread(drawn.thread, misreadPlan(this.#plan, bug));
    if (bug !== undefined) plantLoadBug(this.thread, bug);
    const { model } = this.#plan;
    this.#places = model.kind === 'open' ? new Places(this.#plan, model, drawn.thread) : null;
    this.ledger = this.#makeLedger();
    this.loop.facts = this.#factsOf(this.thread);
    this.loop.ledger = this.ledger;
    this.#server = new LoadServer(sys, {
      address: addressOf(this.#plan),
      mode: this.#plan.mode,
      messageBytes: this.thread.pool.messageBytes,
      lateMsMax: random.chance(0.7) ? 30 : 2 * this.#plan.timeoutMs,
      has: (part) => this.#has(part),
    });
    this.#planStop();
  }

  get server(): LoadServer {
    return this.#server;
  }

  /** Whether a part takes part. */
  #has(name: string): boolean {
    if (this.#without.has(name)) return false;
    this.parts.push(name);
    return true;
  }

  #opened(target: TargetName): Backend {
    for (let tries = 1; ; tries += 1) {
      try {
        return createTarget(target, this.sys, null);
      } catch (error) {
        if (!(error instanceof SysError) || tries === SETUP_TRIES_MAX) throw error;
      }
    }
  }

  #makeThread(number: number, plan: LoadPlan): LoadThread {
    const { endpoint } = plan;
    const target = 'path' in endpoint ? endpoint : SERVER;
    const task = { memory: this.#shared.memory, plan, thread: number, target };
    const cpu = new CpuWatch({ threadTimes: () => null, quota: null });
    const host = { loop: this.loop, cpu, sharedOffsetMs: () => this.#offsetMs };
    return new LoadThread(task, (message) => this.#heard(message), host);
  }

  #makeLedger(): LoadLedger {
    const { thread, sys, oracle } = this;
    const { isOpen, recorder } = thread;
    const { messageBytes } = thread.pool;
    const takes = (dueMs: number): boolean => {
      const { warmupMs } = this.#plan;
      const beganMs = this.ledger.plannedMs - warmupMs;
      return this.#places?.takes(dueMs - beganMs) ?? true;
    };
    return new LoadLedger(recorder, { isOpen, messageBytes, sys, oracle, takes });
  }

  #factsOf({ pool, inFlightMax, messagesPerConnection }: LoadThread): LoadLoop['facts'] {
    const owed = (): number => this.thread.owed;
    const { messageBytes } = pool;
    return {
      messageBytes,
      inFlightMax,
      messagesPerConnection,
      get owed() {
        return owed();
      },
    };
  }

  /** What the main thread does when it hears from the thread. */
  #heard(message: ThreadMessage): void {
    if (message.kind === 'begun') {
      this.#expectEnd(this.#plan.timeoutMs + 2 * HEARD_MS_MAX + 1000);
    } else if (message.kind === 'ready') {
      const delayMs = this.#random.chance(0.8) ? 10 : this.#random.between(0, 200);
      this.sys.kernel.after(this.#random.fraction() * 10, () => this.#release(delayMs));
    } else if (message.kind === 'interval') {
      this.ledger.told(message.counts);
    } else {
      this.result = message.result;
      this.#judge(message.result);
    }
  }

  /** The thread has to be over `afterMs` from now on. */
  #expectEnd(afterMs: number): void {
    this.loop.deadlineMs = this.sys.monotonicMs() + afterMs + SLACK_MS;
  }

  #release(delayMs: number): void {
    const { warmupMs, durationMs, timeoutMs } = this.#plan;
    this.#shared.start(this.sys.monotonicMs() + this.#offsetMs + delayMs);
    if (this.#wakes) this.#inner.wake();
    if (this.#stopped) return;
    this.#expectEnd(delayMs + HEARD_MS_MAX + warmupMs + durationMs + timeoutMs + 2 * SWEEP_MS_MAX);
  }

  #planStop(): void {
    const stops = this.#random.chance(0.2);
    const afterMs = this.#random.below(this.#random.chance(0.3) ? 20 : STOPPED_MS_MAX);
    if (!stops || !this.#has('stop')) return;
    this.sys.kernel.after(afterMs, () => {
      this.#stopped = true;
      this.#shared.stop();
      if (this.#wakes) this.#inner.wake();
      this.#expectEnd(HEARD_MS_MAX + DRAIN_MS);
    });
  }

  /** Runs it from the first connect to the last reply. */
  run(): void {
    this.thread.run();
    const { sys, oracle } = this;
    const open = sys.openDescriptors();
    oracle.expect(open.length === 0, `left open: ${open.join(', ')}`);
    oracle.expect(sys.kernel.complaints.length === 0, sys.kernel.complaints.join('; '));
    oracle.expect(sys.kernel.sigpipes === 0, 'a signal would have ended the process');
    oracle.expect(this.result !== null, 'it ended without a result');
  }

  #judge(result: ThreadResult): void {
    const { oracle, ledger, loop, thread } = this;
    ledger.judge(result, this.#stopped);
    const { messageBytes } = thread.pool;
    oracle.expect(loop.writtenBytes === ledger.sent * messageBytes, 'other bytes are sent');
    oracle.expect(result.connections === loop.opened, 'other connections are counted');
    oracle.expect(ledger.connectsFailed === loop.connectsFailed, 'other failures are counted');
    oracle.expect(thread.open === loop.openCount, `${thread.open} open of ${loop.openCount}`);
    oracle.expect(this.#server.received <= loop.writtenBytes, 'the server has got more bytes');
    oracle.expect(loop.receivedBytes <= this.#server.sent, 'more bytes came than were sent');
    const { startMs, durationMs } = result.silence;
    oracle.expect(startMs >= 0 && durationMs >= 0, 'a silence outside of the measured time');
    oracle.expect(durationMs <= result.measuredMs + 1e-6, 'a silence longer than the run');
    this.#judgeDue(result);
    const { intervals, sent: sentMax } = ledger;
    const told = { plan: this.#plan, result, intervals, stopped: this.#stopped, sentMax };
    // The histograms of a document take as long as a small world.
    if (this.#isLarge) judgeDocument(told, oracle);
    const calm = !this.#stopped && this.#plan.timeoutMs >= 1000 && !this.#isSlow;
    judgeCauses(this, { result, calm, scarce: this.sys.kernel.limits.descriptorsMax < 100 });
  }

  /** Whether messages that are due may have to wait for those before them, until they time out. */
  get #isSlow(): boolean {
    const { messagesPerConnection, pool } = this.thread;
    const { sendBufferBytes, receiveBufferBytes, tickUs } = this.sys.kernel.limits;
    const roomBytes = 2 * Math.min(sendBufferBytes, receiveBufferBytes);
    return Number.isFinite(messagesPerConnection) || tickUs > 1 || pool.messageBytes > roomBytes;
  }

  /** What was due, by the schedule and the time that was measured. */
  #judgeDue({ due, measuredMs }: ThreadResult): void {
    if (this.#places === null || measuredMs === 0) return;
    const { least, most } = this.#places.count(this.#plan.warmupMs + measuredMs);
    this.oracle.expect(due >= least && due <= most, `${due} were due, of ${least} to ${most}`);
  }

  /** Its memory goes to the next one. */
  release(): void {
    giveSpareMemory(this.#inner, this.sys.kernel.limits.receiveBufferBytes);
  }
}

function addressOf({ endpoint }: LoadPlan) {
  return 'path' in endpoint
    ? ({ family: 'UNIX', path: SERVER_PATH } as const)
    : ({ family: 'IPv4', address: SERVER.host, port: SERVER.port } as const);
}

/** Runs a seed of the load client over `target`. */
export function runLoad(target: TargetName, seed: number, options: LoadOptions = {}): LoadRun {
  const world = new LoadWorld(target, seed, options);
  const { sys, oracle, ledger } = world;
  const startMs = sys.monotonicMs();
  try {
    world.run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // The reason is told already.
    if (!(error instanceof RunOver)) oracle.broken(`it threw: ${error.stack ?? error.message}`);
  }
  const { violation } = oracle;
  const report = violation === null ? null : [violation, ...sys.kernel.report()].join('\n  ');
  world.release();
  endProcess(sys);
  return {
    violation: report,
    traceHash: sys.traceHash,
    virtualMs: sys.monotonicMs() - startMs,
    parts: world.parts,
    fired: sys.kernel.faults.fired,
    turns: world.loop.turnsTaken,
    answered: world.result?.messages ?? 0,
    failed: Object.values(ledger.failed).reduce((sum, count) => sum + count, 0),
  };
}
