import type { EventLoop } from 'sockloop';
import type { Sys } from 'sockloop/sys';
import {
  IN_FLIGHT_BYTES_MAX,
  OPEN_PIPELINE_MAX,
  STOP_DRAIN_MS,
  SWEEP_MS_MAX,
  SWEEP_MS_MIN,
  WAIT_MS_MAX,
  WATCHED_WAIT_MS,
} from '../limits.ts';
import type { LoadPlan } from '../plan.ts';
import { Recorder } from '../record/recorder.ts';
import type { ThreadMessage, ThreadResult, ThreadTask } from '../record/thread-messages.ts';
import { MessagePool } from '../traffic/message-pool.ts';
import { Pacer } from '../traffic/pacer.ts';
import { ConnectionSlot, type SlotOwner } from './connection-slot.ts';
import type { CpuWatch } from './cpu-watch.ts';
import { InFlightTimes } from './in-flight.ts';
import { SharedState } from './shared-state.ts';
import { SlotConnects } from './slot-connects.ts';
import { type ThreadHost, thisMachine } from './thread-host.ts';
import { TurnWatch } from './turn-watch.ts';

/**
 * One thread of a run: its share of the schedule, and of the connections, on an event loop of its
 * own. Node's own loop never gets a turn: commands come through shared memory, and results are
 * posted without waiting.
 */
export class LoadThread implements SlotOwner {
  readonly pool: MessagePool;
  readonly recorder: Recorder;
  readonly times: InFlightTimes;
  readonly isOpen: boolean;
  readonly inFlightMax: number;
  readonly messagesPerConnection: number;
  readonly serverCloses: boolean;
  flowing = false;
  owed = 0;
  open = 0;
  readonly #task: ThreadTask;
  readonly #sys: Sys;
  readonly #loop: EventLoop;
  readonly #tell: (message: ThreadMessage) => void;
  readonly #shared: SharedState;
  readonly #slots: ConnectionSlot[];
  readonly #idle: ConnectionSlot[];
  readonly #connects: SlotConnects;
  readonly #pacer: Pacer | null;
  readonly #watch = new TurnWatch();
  readonly #cpu: CpuWatch;
  readonly #sharedOffsetMs: () => number;
  /** Connects that the start waits for and that have neither succeeded nor failed yet. */
  #unsettled = 0;
  #ready = false;
  /** Deadline for outstanding replies. */
  #drainEndMs = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(
    task: ThreadTask,
    tell: (message: ThreadMessage) => void,
    host: ThreadHost = thisMachine(task.plan.loop),
  ) {
    const { plan, thread, memory } = task;
    const { model, mode } = plan;
    this.#task = task;
    this.#tell = tell;
    this.#loop = host.loop;
    this.#sys = host.loop.sys;
    this.#cpu = host.cpu;
    this.#sharedOffsetMs = host.sharedOffsetMs;
    this.#shared = new SharedState(plan.threads, memory);
    this.pool = new MessagePool(plan.message, mode, plan.seed);
    this.isOpen = model.kind === 'open';
    const { messageBytes } = this.pool;
    this.recorder = new Recorder(this.isOpen, messageBytes, (counts) =>
      tell({ kind: 'interval', counts }),
    );
    const fitting = Math.max(1, Math.floor(IN_FLIGHT_BYTES_MAX / messageBytes));
    this.inFlightMax =
      model.kind === 'closed' ? model.pipeline : Math.min(OPEN_PIPELINE_MAX, fitting);
    const slots = Math.ceil(plan.connections / plan.threads);
    const idleSlots = Math.ceil(plan.idleConnections / plan.threads);
    this.times = new InFlightTimes(slots + idleSlots, this.inFlightMax);
    this.serverCloses = mode === 'once';
    this.messagesPerConnection =
      mode === 'once' ? 1 : (plan.messagesPerConnection ?? Number.POSITIVE_INFINITY);
    this.#slots = shareOf(
      plan.connections,
      task,
      (number) => new ConnectionSlot(this, number, false),
    );
    this.#idle = shareOf(
      plan.idleConnections,
      task,
      (number) => new ConnectionSlot(this, number, true),
    );
    this.#connects = new SlotConnects(
      this.#loop,
      { ...plan, thread, target: task.target },
      {
        opened: (_, beganMs) => {
          const stays = this.messagesPerConnection === Number.POSITIVE_INFINITY;
          this.recorder.connected(beganMs, this.#sys.monotonicMs(), stays);
          this.#settled();
        },
        failed: (slot, kind) => {
          // The others would time out as well, one after the other.
          if (kind === 'connectTimeout') this.#unsettled = 0;
          this.#settled();
          slot.refused(kind, this.#sys.monotonicMs());
        },
      },
    );
    this.#pacer =
      model.kind === 'open'
        ? new Pacer(plan, model, { thread, slots: this.#slots, loop: this.#loop.backendName })
        : null;
  }

  stamp(): number {
    const nowMs = this.#sys.monotonicMs();
    this.#watch.working(nowMs);
    return nowMs;
  }

  connect(slot: ConnectionSlot, pauseMs: number): void {
    // Once the time is over, only what is due still needs connections.
    const over = this.#sys.monotonicMs() >= this.recorder.endMs;
    if (!over || slot.busy) this.#connects.connect(slot, pauseMs);
  }

  /** Everything, from the first connect to the last reply. */
  run(): void {
    const loop = this.#loop;
    try {
      const { wakeHandle, backendName, missing } = loop;
      this.#tell({ kind: 'begun', wakeHandle, loop: backendName, missing });
      this.#sweepFromNowOn();
      this.#connectAll();
      const startMs = this.#awaitStart();
      if (startMs === null) this.#beginNothing();
      else this.#begin(startMs);
      this.#turnToTheEnd();
      this.recorder.flush();
      this.#tell({ kind: 'ended', result: this.#result() });
    } finally {
      this.#shared.close(this.#task.thread);
      loop.close();
    }
  }

  /** Connects the slots that the start waits for: idle ones, and all without a ramp. */
  #connectAll(): void {
    const first = this.#rises ? this.#idle : [...this.#slots, ...this.#idle];
    this.#unsettled = first.length;
    for (const slot of first) this.#connects.connect(slot, 0);
    if (first.length === 0) this.#isReady();
  }

  /** True if connections are opened one by one: the ramp of a closed loop. */
  get #rises(): boolean {
    return !this.isOpen && this.#task.plan.rampMs > 0;
  }

  #settled(): void {
    this.#unsettled -= 1;
    if (this.#unsettled <= 0) this.#isReady();
  }

  #isReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#tell({ kind: 'ready' });
  }

  /**
   * Returns when the warm-up begins, on the clock of this thread; null if the run is stopped first.
   */
  #awaitStart(): number | null {
    const offsetMs = this.#sharedOffsetMs();
    for (;;) {
      const startMs = this.#shared.startMs;
      const nowMs = this.#sys.monotonicMs();
      if (this.#shared.stopping) return null;
      const leftMs = startMs === null ? WAIT_MS_MAX : startMs - offsetMs - nowMs;
      if (startMs !== null && leftMs <= 0) return startMs - offsetMs;
      this.#loop.turn(Math.min(leftMs, WAIT_MS_MAX));
      this.#publish();
    }
  }

  /** The run was stopped before it began: nothing is sent, and nothing counts. */
  #beginNothing(): void {
    const nowMs = this.#sys.monotonicMs();
    this.recorder.setWindow(nowMs, nowMs);
    this.#watch.setWindow(nowMs, nowMs);
    // Its messages lie behind the end. Counted from another beginning, some would be due by now.
    this.#pacer?.begin(nowMs);
    this.#stop(nowMs);
  }

  #begin(startMs: number): void {
    const { plan } = this.#task;
    const measuredMs = startMs + plan.warmupMs;
    this.recorder.setWindow(measuredMs, measuredMs + plan.durationMs);
    this.#watch.setWindow(measuredMs, measuredMs + plan.durationMs);
    this.#drainEndMs = this.recorder.endMs + plan.timeoutMs + 2 * SWEEP_MS_MAX;
    this.flowing = true;
    this.#pacer?.begin(startMs);
    for (const slot of this.#slots) {
      if (this.#rises) {
        const share = slot.number / plan.connections;
        this.#connects.connect(slot, share * plan.rampMs);
      } else {
        slot.flow();
      }
    }
  }

  #turnToTheEnd(): void {
    const { recorder } = this;
    const loop = this.#loop;
    const watch = this.#watch;
    let nowMs = this.#sys.monotonicMs();
    while (!this.#isOver(nowMs)) {
      let waitMs = Math.min(WATCHED_WAIT_MS, this.#boundaryMs(nowMs));
      if (this.#pacer !== null) {
        waitMs = Math.min(waitMs, this.#pacer.send(nowMs, this.#sys, recorder));
        watch.waiting(this.#sys.monotonicMs());
      }
      loop.turn(waitMs);
      nowMs = this.#sys.monotonicMs();
      watch.turned(nowMs, waitMs);
      if (!this.#cpu.isDone) this.#cpu.look(nowMs, recorder);
      this.#publish();
      if (!this.#stopped && this.#shared.stopping) this.#stop(nowMs);
    }
    if (!this.#cpu.isDone) this.#cpu.look(nowMs, recorder);
    this.#giveUp(nowMs);
  }

  /** Time until the next boundary of the warm-up or measured time. */
  #boundaryMs(nowMs: number): number {
    const { startMs, endMs } = this.recorder;
    if (nowMs < startMs) return startMs - nowMs;
    return nowMs < endMs ? endMs - nowMs : WAIT_MS_MAX;
  }

  #isOver(nowMs: number): boolean {
    if (nowMs < this.recorder.endMs) return false;
    if (nowMs >= this.#drainEndMs) return true;
    return this.owed === 0 && (this.#pacer?.isDone(this.recorder.endMs) ?? true);
  }

  #stop(nowMs: number): void {
    this.#stopped = true;
    this.recorder.endNow(nowMs);
    this.#drainEndMs = Math.min(this.#drainEndMs, nowMs + STOP_DRAIN_MS);
  }

  /** Counts outstanding messages as timed out, unless the run was stopped. */
  #giveUp(nowMs: number): void {
    if (this.#stopped || this.owed === 0) return;
    for (const slot of this.#slots) slot.giveUp(nowMs);
  }

  #publish(): void {
    const { messages, errorCount } = this.recorder;
    this.#shared.tell(this.#task.thread, messages, errorCount, this.open);
  }

  /**
   * Checks for timeouts periodically. The timer also keeps the loop alive, so that its turns wait.
   */
  #sweepFromNowOn(): void {
    const { timeoutMs } = this.#task.plan;
    const everyMs = Math.min(SWEEP_MS_MAX, Math.max(SWEEP_MS_MIN, timeoutMs / 16));
    const sweep = (): void => {
      const nowMs = this.#sys.monotonicMs();
      for (const slot of this.#slots) slot.sweep(nowMs, timeoutMs);
      if (nowMs < this.recorder.endMs) this.recorder.rotate(nowMs);
      this.#loop.setTimer(everyMs, sweep);
    };
    this.#loop.setTimer(everyMs, sweep);
  }

  #result(): ThreadResult {
    const { recorder } = this;
    const { startMs, endMs } = recorder;
    const { cpuMs, waitedMs, throttled } = this.#cpu;
    // A closed loop always awaits something.
    const awaited = this.owed > 0 || !this.isOpen;
    return {
      messages: recorder.messages,
      sentBytes: recorder.sentBytes,
      receivedBytes: recorder.receivedBytes,
      connections: recorder.connections,
      trouble: recorder.trouble,
      warmup: recorder.warmup,
      connect: recorder.connect.read(),
      lag: recorder.lag.read(),
      connectionWait: recorder.connectionWait.read(),
      due: recorder.due,
      repliesInTime: recorder.repliesInTime,
      measuredMs: endMs - startMs,
      cpuMs,
      waitedMs,
      oversleptMs: this.#watch.oversleptMs,
      turnMaxMs: this.#watch.longestMs,
      throttled,
      silence: recorder.silence.longest(endMs, awaited),
      awaitingEnd: this.#slots.filter(({ awaitsEnd }) => awaitsEnd).length,
    };
  }
}

/** This thread's share of `count` items, each made from its number by `make`. */
function shareOf<Item>(
  count: number,
  { thread, plan }: { readonly thread: number; readonly plan: LoadPlan },
  make: (number: number) => Item,
): Item[] {
  const items: Item[] = [];
  for (let number = thread; number < count; number += plan.threads) items.push(make(number));
  return items;
}
