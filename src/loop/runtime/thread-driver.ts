import { BLIND_WAIT_MS, WAIT_MS_MAX } from '../limits.ts';
import type { LoopsOfThread, Runtime } from './runtime.ts';

/** A loop, as the driver of its thread sees it. */
export interface DrivenLoop {
  /** How much the kernel has reported to it. */
  readonly reports: number;
  /** True while it wants turns. */
  readonly wantsTurns: boolean;
  /** True if that keeps the process alive. */
  readonly holdsProcess: boolean;
  /** A descriptor that is readable while a turn would bring something; -1 without one. */
  readonly pollFd: number;
  /** The longest wait in milliseconds that delays nothing of the loop. */
  waitMsNow(): number;
  /** Makes one turn. What it throws is an uncaught exception of the process. */
  step(waitMsMax: number): void;
  /** Watches a descriptor for reading. Returns what ends that; null if it cannot. */
  watchForDriver(fd: number, ready: () => void): (() => void) | null;
}

/**
 * Drives the loops of a thread that run or are attached, beside the loop of the runtime.
 *
 * Usually there is one, which waits in the kernel in place of the runtime: as long as the runtime
 * has nothing to do, and until its descriptor says otherwise. Of several one waits, for the
 * descriptors of the others as well.
 */
export class ThreadDriver implements LoopsOfThread {
  readonly #runtime: Runtime;
  readonly #loops: DrivenLoop[] = [];
  /** The loop that waits for all, null after a change of the loops. */
  #waiter: DrivenLoop | null = null;
  /** What ends each of its watches for the driver. */
  readonly #unwatches: (() => void)[] = [];
  /** False if it cannot watch all that may end its wait. */
  #wakeable = true;
  #scheduled = false;
  /** What the runtime was told of whether the loops keep the process alive. */
  #held = false;
  #turning = false;
  /** The runtime has something to do. */
  #runtimeReady = false;
  #poked = false;
  readonly #take = () => this.#taken();
  readonly #look = () => {
    this.#poked = false;
    if (this.#turning) return;
    if (!this.#scheduled) {
      this.#schedule();
      return;
    }
    if (this.#holds() && !this.#held) this.#hold();
    this.#runtime.hurry?.();
  };

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get reports(): number {
    let reports = 0;
    for (const loop of this.#loops) reports += loop.reports;
    return reports;
  }

  waitMsNow(): number {
    let waitMs = WAIT_MS_MAX;
    for (const loop of this.#loops) waitMs = Math.min(waitMs, loop.waitMsNow());
    return waitMs;
  }

  /** Drives `loop` from now on. */
  add(loop: DrivenLoop): void {
    this.#loops.push(loop);
    this.#unwatchAll();
    this.poke();
  }

  /** Drives `loop` no more. */
  remove(loop: DrivenLoop): void {
    const place = this.#loops.indexOf(loop);
    if (place < 0) return;
    try {
      this.#unwatchAll();
    } finally {
      this.#loops.splice(place, 1);
      if (this.#loops.length === 0) {
        this.#runtime.close();
        this.#scheduled = false;
      }
    }
  }

  /** A loop may want turns again, once the call has returned that made this one. */
  poke(): void {
    if (this.#turning || this.#poked) return;
    this.#poked = true;
    queueMicrotask(this.#look);
  }

  #schedule(): void {
    this.#held = this.#holds();
    if (this.#loops.some(wantsTurns)) {
      this.#scheduled = true;
      this.#runtime.enter(this.#take, this.#held, this);
    } else {
      this.#runtime.rest();
    }
  }

  /** A loop keeps the process alive that did not when the turns were scheduled. */
  #hold(): void {
    this.#held = true;
    this.#runtime.enter(this.#take, true, this);
  }

  #unwatchAll(): void {
    this.#waiter = null;
    for (const unwatch of this.#unwatches.splice(0)) unwatch();
  }

  #watchAll(waiter: DrivenLoop): void {
    this.#unwatchAll();
    this.#waiter = waiter;
    const { fd } = this.#runtime;
    this.#wakeable = true;
    this.#watch(waiter, fd, () => {
      this.#runtimeReady = true;
    });
    for (const loop of this.#loops) {
      if (loop !== waiter && loop.pollFd >= 0) this.#watch(waiter, loop.pollFd, () => undefined);
    }
  }

  #watch(waiter: DrivenLoop, fd: number, ready: () => void): void {
    const unwatch = fd < 0 ? null : waiter.watchForDriver(fd, ready);
    if (unwatch === null) this.#wakeable = false;
    else this.#unwatches.push(unwatch);
  }

  /** The runtime calls. */
  #taken(): void {
    this.#scheduled = false;
    this.#turning = true;
    try {
      this.#turns();
    } finally {
      // What a turn throws is for the runtime, whose handler may let the process go on.
      this.#turning = false;
      this.#schedule();
    }
  }

  #turns(): void {
    const runtime = this.#runtime;
    runtime.begin();
    this.#runtimeReady = false;
    for (let turned = false; ; turned = true) {
      const waiter = this.#nextWaiter();
      if (waiter === undefined) return;
      if (this.#loops.length > 1) {
        if (!this.#othersTurned(waiter)) return;
        if (!this.#loops.includes(waiter)) continue;
      }
      const runtimeMs = this.#holds() === this.#held ? runtime.waitMs() : 0;
      // A timer of the runtime is due: fifty messages of another turn can wait for it.
      if (runtimeMs === 0 && turned) return;
      waiter.step(Math.min(runtimeMs, this.#waitMs(waiter)));
      if (!runtime.drain() || runtimeMs === 0 || this.#runtimeReady) return;
    }
  }

  /** Whether a loop keeps the process alive. */
  #holds(): boolean {
    for (const loop of this.#loops) if (loop.holdsProcess) return true;
    return false;
  }

  /** The loop that waits: one that others cannot wait for, if there is one. */
  #nextWaiter(): DrivenLoop | undefined {
    let waiter = this.#loops[0];
    if (this.#loops.length > 1 || waiter?.wantsTurns === false) {
      const wanting = this.#loops.filter(wantsTurns);
      waiter = wanting.find(({ pollFd }) => pollFd < 0) ?? wanting[0];
    }
    if (waiter !== undefined && waiter !== this.#waiter) this.#watchAll(waiter);
    return waiter;
  }

  /** A turn of each but `waiter`, without a wait. False if the runtime has to drain. */
  #othersTurned(waiter: DrivenLoop): boolean {
    for (const loop of [...this.#loops]) {
      // One that ran before it may have closed it.
      if (loop === waiter || !loop.wantsTurns || !this.#loops.includes(loop)) continue;
      loop.step(0);
      if (!this.#runtime.drain()) return false;
    }
    return true;
  }

  /** The longest wait that delays no loop but `waiter`. */
  #waitMs(waiter: DrivenLoop): number {
    let waitMs = this.#wakeable ? WAIT_MS_MAX : BLIND_WAIT_MS;
    if (this.#loops.length === 1) return waitMs;
    for (const loop of this.#loops) {
      if (loop === waiter || !loop.wantsTurns) continue;
      waitMs = Math.min(waitMs, loop.pollFd < 0 ? BLIND_WAIT_MS : WAIT_MS_MAX, loop.waitMsNow());
    }
    return waitMs;
  }
}

function wantsTurns(loop: DrivenLoop): boolean {
  return loop.wantsTurns;
}
