import { EventLoop } from 'sockloop';
import type { Sys } from 'sockloop/sys';
import { threadTimes } from '#src/sys/thread-clock.js';
import { ConnectionSlot, type SlotOwner } from '../../load/engine/connection-slot.ts';
import { InFlightTimes } from '../../load/engine/in-flight.ts';
import { SlotConnects } from '../../load/engine/slot-connects.ts';
import { TurnWatch } from '../../load/engine/turn-watch.ts';
import { WAIT_MS_MAX, WATCHED_WAIT_MS } from '../../load/limits.ts';
import { LatencyCounts, percentileNs } from '../../load/record/latency-counts.ts';
import { Recorder } from '../../load/record/recorder.ts';
import { MessagePool } from '../../load/traffic/message-pool.ts';
import type { CompareAnswer, CompareErrors, CompareTarget } from './messages.ts';

type Slice = Omit<CompareAnswer, 'group' | 'open' | 'stopped'>;

const LOCAL = '127.0.0.1';

/**
 * Connections to one server on a loop of their own, which carry messages for a slice of time and
 * then rest, again and again. One that breaks is not replaced: the figures would be those of
 * another number of connections.
 */
export class SlotGroup implements SlotOwner {
  readonly pool: MessagePool;
  readonly times: InFlightTimes;
  readonly isOpen = false;
  readonly inFlightMax = 1;
  readonly messagesPerConnection = Number.POSITIVE_INFINITY;
  readonly serverCloses = false;
  recorder: Recorder;
  flowing = false;
  owed = 0;
  open = 0;
  readonly #sys: Sys;
  readonly #timeoutMs: number;
  readonly #stopped: () => boolean;
  readonly #loop: EventLoop;
  readonly #slots: readonly ConnectionSlot[];
  readonly #idle: readonly ConnectionSlot[];
  readonly #connects: SlotConnects;
  /** Connects that have not ended yet, and connections that have broken since. */
  #unsettled = 0;
  #lost = 0;
  #response = new LatencyCounts();
  #watch = new TurnWatch();

  /** `stopped` says whether everything is to stop. */
  constructor(sys: Sys, target: CompareTarget, stopped: () => boolean) {
    const { connections, idleConnections, messageBytes, seed, timeoutMs } = target;
    this.#sys = sys;
    this.#timeoutMs = timeoutMs;
    this.#stopped = stopped;
    this.pool = new MessagePool({ kind: 'bytes', bytes: messageBytes }, 'echo', seed);
    this.times = new InFlightTimes(connections + idleConnections, this.inFlightMax);
    this.recorder = this.#recorderFor(Number.POSITIVE_INFINITY);
    this.#loop = new EventLoop({ sys });
    this.#slots = Array.from(
      { length: connections },
      (_, number) => new ConnectionSlot(this, number, false),
    );
    this.#idle = Array.from(
      { length: idleConnections },
      (_, at) => new ConnectionSlot(this, at, true),
    );
    const options = {
      target: { host: LOCAL, port: target.port },
      timeoutMs,
      sourceAddresses: [],
      sourcePorts: null,
      thread: 0,
      threads: 1,
    };
    this.#connects = new SlotConnects(this.#loop, options, {
      opened: () => {
        this.#unsettled -= 1;
      },
      failed: (_slot, kind) => {
        this.#unsettled -= 1;
        const nowMs = this.#sys.monotonicMs();
        this.recorder.failed(kind, nowMs, nowMs);
      },
    });
  }

  stamp(): number {
    const nowMs = this.#sys.monotonicMs();
    this.#watch.working(nowMs);
    return nowMs;
  }

  /** A slot has lost its connection. */
  connect(): void {
    this.#lost += 1;
  }

  /** Connects all slots, the idle ones first. Returns what went wrong. */
  connectAll(): CompareErrors {
    const all = [...this.#idle, ...this.#slots];
    this.#unsettled = all.length;
    for (const slot of all) this.#connects.connect(slot, 0);
    while (this.#unsettled > 0 && !this.#stopped()) this.#loop.turn(WAIT_MS_MAX);
    return this.#errors();
  }

  /**
   * Sends messages for `durationMs` and waits for their replies, as long as another comes within a
   * timeout: a server that begins a thread for each connection may take long for all of them.
   */
  slice(durationMs: number): Slice {
    const loop = this.#loop;
    const startMs = this.#sys.monotonicMs();
    const endMs = startMs + durationMs;
    let giveUpMs = endMs + this.#timeoutMs;
    let owed = Number.POSITIVE_INFINITY;
    this.#response = new LatencyCounts();
    this.recorder = this.#recorderFor(durationMs);
    const watch = new TurnWatch();
    this.#watch = watch;
    const timesBefore = threadTimes();
    this.flowing = true;
    for (const slot of this.#slots) slot.flow();
    let nowMs = startMs;
    watch.waiting(this.#sys.monotonicMs());
    while ((nowMs < endMs || this.owed > 0) && nowMs < giveUpMs && this.#lost === 0) {
      if (this.#stopped()) break;
      const waitMs = Math.min(WATCHED_WAIT_MS, (nowMs < endMs ? endMs : giveUpMs) - nowMs);
      loop.turn(waitMs);
      nowMs = this.#sys.monotonicMs();
      watch.turned(nowMs, waitMs);
      if (nowMs < endMs || this.owed >= owed) continue;
      owed = this.owed;
      giveUpMs = nowMs + this.#timeoutMs;
    }
    this.flowing = false;
    if (nowMs >= giveUpMs) for (const slot of this.#slots) slot.giveUp(nowMs);
    this.recorder.flush();
    const response = this.#response.read();
    return {
      messages: this.recorder.messages,
      elapsedMs: nowMs - startMs,
      p50Us: percentileNs(response, 50) / 1e3,
      p99Us: percentileNs(response, 99) / 1e3,
      errors: this.#errors(),
      clientWaitedMs: (threadTimes()?.waitedMs ?? 0) - (timesBefore?.waitedMs ?? 0),
      clientOversleptMs: watch.oversleptMs,
    };
  }

  /** Closes all connections. */
  close(): void {
    this.#loop.close();
  }

  #recorderFor(durationMs: number): Recorder {
    const recorder = new Recorder(false, this.pool.messageBytes, ({ response }) =>
      this.#response.add(response),
    );
    const nowMs = this.#sys.monotonicMs();
    recorder.setWindow(nowMs, nowMs + durationMs);
    return recorder;
  }

  #errors(): CompareErrors {
    const { errors } = this.recorder.trouble;
    return Object.fromEntries(Object.entries(errors).filter(([, count]) => count > 0));
  }
}
