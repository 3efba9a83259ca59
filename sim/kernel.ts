import type { Abi } from '#src/sys/abi/abi.js';
import { Clock, NS_PER_MS, NS_PER_US } from './clock.ts';
import { Descriptors } from './descriptors.ts';
import { type FaultPlan, Faults } from './faults.ts';
import { Draws } from './random.ts';
import { Trace } from './trace.ts';

/** Whose rules the kernel follows. */
export type KernelStyle = 'linux' | 'darwin' | 'freebsd';

/** How big, how many and how slow. */
export interface SimLimits {
  /** RLIMIT_NOFILE; the three standard descriptors count. */
  readonly descriptorsMax: number;
  /** What a socket holds of what it sent, until the other end has taken it over. */
  readonly sendBufferBytes: number;
  /** What a socket holds of what it received. */
  readonly receiveBufferBytes: number;
  readonly pipeBytes: number;
  /** How long a connection, bytes or an end of stream are on the way: from, to. */
  readonly latencyMs: readonly [from: number, to: number];
  /** What a system call costs in virtual time, so that who never waits does not stop the world. */
  readonly callCostUs: number;
  /** What a peer takes to notice what has happened: from, to. */
  readonly reactionMs: readonly [from: number, to: number];
}

export const defaultLimits: SimLimits = {
  descriptorsMax: 1024,
  sendBufferBytes: 65_536,
  receiveBufferBytes: 65_536,
  pipeBytes: 65_536,
  latencyMs: [0, 0],
  callCostUs: 1,
  reactionMs: [0, 1],
};

/** What a scan answers that has found nothing yet. No result of a call is that small. */
export const PENDING = Number.MIN_SAFE_INTEGER;

/** How long a fault lasts at most: within every timeout that a test could call short. */
const FAULT_MS_MAX = 50;

/** Nobody will ever do anything again, and somebody waits for it. */
export class DeadlockError extends Error {
  override readonly name = 'DeadlockError';
}

/**
 * What all parts of the simulated kernel share: time, chance, descriptors, and waiting.
 *
 * One process with one thread makes the system calls. Everybody else (peers, other threads) is an
 * action of the clock, and acts only while the process is inside of a call.
 */
export class Kernel {
  readonly abi: Abi;
  readonly errno: Abi['errno'];
  readonly style: KernelStyle;
  readonly seed: number;
  readonly limits: SimLimits;
  readonly clock = new Clock();
  readonly faults: Faults;
  readonly trace: Trace;
  readonly descriptors: Descriptors;
  /** Signals that would have ended a process that does not ignore SIGPIPE. */
  sigpipes = 0;
  readonly #latency: Draws;
  readonly #wakers: (() => void)[] = [];
  #acting = false;

  constructor(abi: Abi, seed: number, plan: FaultPlan, limits: SimLimits, traceLines: number) {
    this.abi = abi;
    this.errno = abi.errno;
    this.style = abi.platform.replace(/-.*/, '') as KernelStyle;
    this.seed = seed;
    this.limits = limits;
    this.faults = new Faults(plan, seed);
    this.trace = new Trace(abi, traceLines);
    this.descriptors = new Descriptors(this, limits.descriptorsMax);
    this.#latency = new Draws(seed, 'latency');
  }

  get isLinux(): boolean {
    return this.style === 'linux';
  }

  /** Does `action` at a moment of virtual time, as `monotonicMs()` counts it. */
  at(timeMs: number, action: () => void): void {
    this.clock.at(timeMs * NS_PER_MS, action);
  }

  /** Does `action` after `delayMs` of virtual time. */
  after(delayMs: number, action: () => void): void {
    this.clock.at(this.clock.nowNs + delayMs * NS_PER_MS, action);
  }

  /** From now on no fault fires any more. */
  heal(): void {
    this.faults.heal();
  }

  /**
   * Names what another thread does to wake this one: it writes to an eventfd, it triggers
   * EVFILT_USER. The fault `suddenWake` calls it at random moments of a wait.
   */
  onSuddenWake(waker: () => void): void {
    this.#wakers.push(waker);
  }

  /** A call has begun: a little time passes, and what is due happens. */
  enter(): void {
    if (this.#acting) return;
    this.#advanceTo(this.clock.nowNs + this.limits.callCostUs * NS_PER_US);
  }

  /** How long something is on the way from one end of a connection to the other. */
  latencyNs(): number {
    const [fromMs, toMs] = this.limits.latencyMs;
    const range = (toMs - fromMs) * NS_PER_MS;
    const usual = fromMs * NS_PER_MS + (range > 0 ? this.#latency.below(range + 1) : 0);
    return this.faults.fires('delayedDelivery') ? usual + this.faultNs('delayedDelivery') : usual;
  }

  /** How long a fault that has fired goes on. */
  faultNs(kind: 'delayedDelivery' | 'hiddenReadiness' | 'interrupt' | 'suddenWake'): number {
    return 1 + this.faults.dice(kind).below(FAULT_MS_MAX * NS_PER_MS);
  }

  /** Makes a waiting call look again after `delayNs`, even if nothing else happens. */
  lookAgain(delayNs: number): void {
    this.clock.at(this.clock.nowNs + delayNs, () => undefined);
  }

  /**
   * Runs `scan` until it says something other than {@link PENDING}, with time passing in between.
   * Returns that, `-EINTR`, or PENDING where the time is over. `timeoutNs` may be Infinity; with
   * nothing left to happen, that is a {@link DeadlockError}.
   */
  wait(call: string, scan: () => number, timeoutNs: number): number {
    const first = scan();
    if (first !== PENDING || timeoutNs <= 0) return first;
    if (this.#acting) throw new Error(`${call}: what acts on behalf of others must not wait`);
    const deadlineNs = this.clock.nowNs + timeoutNs;
    const interruptNs = this.#interruption(timeoutNs);
    for (;;) {
      const untilNs = Math.min(this.clock.nextNs, deadlineNs, interruptNs);
      if (untilNs === Number.POSITIVE_INFINITY) throw new DeadlockError(this.#deadlock(call));
      this.#advanceTo(untilNs);
      const result = scan();
      if (result !== PENDING) return result;
      if (this.clock.nowNs >= interruptNs) return -this.errno.EINTR;
      if (this.clock.nowNs >= deadlineNs) return PENDING;
    }
  }

  /** Decides what disturbs a wait that begins, and when a signal ends it. */
  #interruption(timeoutNs: number): number {
    const { nowNs } = this.clock;
    if (this.#wakers.length > 0 && this.faults.fires('suddenWake')) {
      const delayNs = Math.min(this.faultNs('suddenWake'), timeoutNs);
      for (const waker of this.#wakers) this.clock.at(nowNs + delayNs, waker);
    }
    if (!this.faults.fires('interrupt')) return Number.POSITIVE_INFINITY;
    return nowNs + Math.min(this.faultNs('interrupt'), timeoutNs);
  }

  #advanceTo(timeNs: number): void {
    this.#acting = true;
    try {
      this.clock.advanceTo(timeNs);
    } finally {
      this.#acting = false;
    }
  }

  #deadlock(call: string): string {
    const lines = [
      `deadlock in ${call}: it waits for ever and nothing is to come`,
      ...this.report().map((line) => `  ${line}`),
    ];
    return lines.join('\n');
  }

  /** What there is to say about a simulation that went wrong. */
  report(): string[] {
    const open = [...this.descriptors.entries()].map(
      ([fd, file]) => `fd ${fd}: ${file.describe()}`,
    );
    const fired = Object.entries(this.faults.fired).filter(([, count]) => count > 0);
    return [
      `seed ${this.seed}, ${this.abi.platform}, at ${this.clock.nowMs} ms`,
      `faults: ${fired.map(([kind, count]) => `${kind} ${count}`).join(', ') || 'none'}`,
      ...open,
      ...this.trace.lines(),
    ];
  }
}
