import { Random } from '#src/base/random.js';
import type { Abi } from '#src/sys/abi/abi.js';
import { Clock, NS_PER_MS, NS_PER_US } from './clock.ts';
import { Descriptors } from './descriptors.ts';
import { type FaultPlan, Faults } from './faults.ts';
import { Memory } from './memory.ts';
import { Trace } from './trace.ts';

/** The system whose rules the kernel follows. */
export type KernelStyle = 'linux' | 'darwin' | 'freebsd';

/** Sizes, numbers and latencies. */
export interface SimLimits {
  /** RLIMIT_NOFILE; the three standard descriptors count. */
  readonly descriptorsMax: number;
  /** The bytes that a socket holds until the other end has taken them. */
  readonly sendBufferBytes: number;
  /** The received bytes that a socket holds. */
  readonly receiveBufferBytes: number;
  /** Likewise, of a socket of datagrams. */
  readonly datagramBufferBytes: number;
  /** The longest datagram that UDP_SEGMENT makes. */
  readonly segmentBytesMax: number;
  readonly pipeBytes: number;
  /** The most entries of a submission queue; a completion queue has twice as many. */
  readonly ringEntriesMax: number;
  /** The delay of a connection, of bytes and of an end of stream: from, to. */
  readonly latencyMs: readonly [from: number, to: number];
  /** The virtual time of a system call: a loop that never waits must not stop the clock. */
  readonly callCostUs: number;
  /** What happens beside the process happens at whole multiples of this: more of it at once. */
  readonly tickUs: number;
  /** The reaction time of a peer: from, to. */
  readonly reactionMs: readonly [from: number, to: number];
}

export const defaultLimits: SimLimits = {
  descriptorsMax: 1024,
  sendBufferBytes: 65_536,
  receiveBufferBytes: 65_536,
  datagramBufferBytes: 212_992,
  segmentBytesMax: 65_507,
  pipeBytes: 65_536,
  ringEntriesMax: 32_768,
  latencyMs: [0, 0],
  callCostUs: 1,
  tickUs: 0.001,
  reactionMs: [0, 1],
};

/** The faults that take a while. */
type TimedFault =
  | 'datagramOvertaken'
  | 'delayedDelivery'
  | 'hiddenReadiness'
  | 'interrupt'
  | 'lateCompletion'
  | 'suddenWake';

/** The result of a scan that found nothing yet. No result of a call is that small. */
export const PENDING = Number.MIN_SAFE_INTEGER;

/** The longest fault: shorter than any timeout of a test. */
const FAULT_MS_MAX = 50;

/** A call waits, and no action is scheduled that could end the wait. */
export class DeadlockError extends Error {
  override readonly name = 'DeadlockError';
}

/**
 * The state that all parts of the simulated kernel share: time, chance, descriptors, waiting.
 *
 * One process with one thread makes the system calls. Peers and other threads are actions of the
 * clock, which run only inside of a call of the process.
 */
export class Kernel {
  readonly abi: Abi;
  readonly errno: Abi['errno'];
  readonly style: KernelStyle;
  readonly seed: number;
  readonly limits: SimLimits;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly trace: Trace;
  readonly descriptors: Descriptors;
  readonly memory = new Memory();
  /** What no correct process does, in words: a close with an operation in flight, ... */
  readonly complaints: string[] = [];
  /** The operations of rings that have moved or accepted something. */
  operationsDone = 0;
  /** The number of SIGPIPEs, each of which ends a process that does not ignore it. */
  sigpipes = 0;
  readonly #latency: Random;
  readonly #wakers: (() => void)[] = [];
  #acting = false;

  constructor(abi: Abi, seed: number, plan: FaultPlan, limits: SimLimits, traceLines: number) {
    this.abi = abi;
    this.errno = abi.errno;
    this.style = abi.platform.replace(/-.*/, '') as KernelStyle;
    this.seed = seed;
    this.limits = limits;
    this.clock = new Clock(Math.round(limits.tickUs * NS_PER_US));
    this.faults = new Faults(plan, seed);
    this.trace = new Trace(abi, traceLines);
    this.descriptors = new Descriptors(this, limits.descriptorsMax);
    this.#latency = new Random(seed, 'latency');
  }

  get isLinux(): boolean {
    return this.style === 'linux';
  }

  /** Schedules `action` for a moment of virtual time, as `monotonicMs()` counts it. */
  at(timeMs: number, action: () => void): void {
    this.clock.at(timeMs * NS_PER_MS, action);
  }

  /** Schedules `action` after `delayMs` of virtual time. */
  after(delayMs: number, action: () => void): void {
    this.clock.at(this.clock.nowNs + delayMs * NS_PER_MS, action);
  }

  /** Ends all faults. */
  heal(): void {
    this.faults.heal();
  }

  /**
   * Adds an action by which another thread wakes this one, such as a write to an eventfd or a
   * trigger of EVFILT_USER. The fault `suddenWake` calls it at random moments of a wait.
   */
  onSuddenWake(waker: () => void): void {
    this.#wakers.push(waker);
  }

  /** Begins a call: a little time passes, and the actions that are due run. */
  enter(): void {
    if (this.#acting) return;
    this.#advanceTo(this.clock.nowNs + this.limits.callCostUs * NS_PER_US);
  }

  /** The delay from one end of a connection to the other. */
  latencyNs(): number {
    const [fromMs, toMs] = this.limits.latencyMs;
    const range = (toMs - fromMs) * NS_PER_MS;
    const usual = fromMs * NS_PER_MS + (range > 0 ? this.#latency.below(range + 1) : 0);
    return this.faults.fires('delayedDelivery') ? usual + this.faultNs('delayedDelivery') : usual;
  }

  /** The duration of a fault that has fired. */
  faultNs(kind: TimedFault): number {
    return 1 + this.faults.dice(kind).below(FAULT_MS_MAX * NS_PER_MS);
  }

  /** Makes a waiting call scan again after `delayNs`, even if nothing else happens. */
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

  /** Draws the disturbances of a wait, and when a signal ends it. */
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

  /** The report of a simulation that failed. */
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
