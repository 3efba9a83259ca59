import {
  type DatagramBatch,
  type DatagramOptions,
  type DatagramSocket,
  EventLoop,
  type LoopName,
  type SysError,
} from 'sockloop';
import { Socket } from 'sockloop/socket';
import type { Sys } from 'sockloop/sys';
import { Random } from '#src/base/random.js';
import { hostText } from '#src/sys/sockaddr.js';
import { ClientNames } from '../../echo/datagrams/client-names.ts';
import { distributionOf } from '../record/distribution.ts';
import { LatencyCounts } from '../record/latency-counts.ts';
import { type ArrivalCounts, Arrivals, NO_LATENCY, newArrivalCounts } from './arrivals.ts';
import type { DatagramCounts, DatagramLoadDocument, DatagramLoadPlan } from './document.ts';
import { CORRUPTED, FOREIGN, ProbeFormat } from './probe.ts';

/** How often the time is looked at: for what is due, and for what is lost. */
const TICK_MS = 1;

/** Sends in one turn: replies are taken in between. */
const SENDS_PER_TURN = 1024;

/** Replies that wait for this client: the kernel takes as much of it as it allows. */
const QUEUE_BYTES = 4 * 1024 * 1024;

/** One socket, and what is on its way from it. */
interface Flow {
  readonly socket: DatagramSocket;
  readonly arrivals: Arrivals;
  /** A send was refused: nothing is sent before `drain`. */
  blocked: boolean;
}

/** A datagram load on one event loop, in the thread of its caller. */
export class DatagramLoad implements Disposable {
  readonly #plan: DatagramLoadPlan;
  readonly #loop: EventLoop;
  readonly #sys: Sys;
  readonly #names: ClientNames;
  readonly #format: ProbeFormat;
  readonly #probe: Uint8Array;
  readonly #flows: Flow[] = [];
  readonly #latency = new LatencyCounts();
  #phase: 'warmup' | 'measured' | 'ending' = 'warmup';
  #startMs = 0;
  #measuredFromMs = 0;
  #measuredMs = 0;
  #cpuFromUs = 0;
  #cpuUs = 0;
  /** Datagrams of an open loop that were due so far, and the flow of the next. */
  #due = 0;
  #turn = 0;
  #unsent = 0;
  #failure: SysError | null = null;

  /** Opens the sockets. Throws a SysError or RangeError. */
  constructor(plan: DatagramLoadPlan, sys: Sys, loop: EventLoop, names: ClientNames) {
    this.#plan = plan;
    this.#sys = sys;
    this.#names = names;
    this.#loop = loop;
    this.#format = new ProbeFormat(plan.bytes, new Random(plan.seed));
    this.#probe = new Uint8Array(plan.bytes);
    for (let index = 0; index < plan.sockets; index++) this.#flows.push(this.#open());
  }

  #open(): Flow {
    const { gso, gro, timeoutMs } = this.#plan;
    const socket = this.#loop.datagram({
      ...this.#placeOf(),
      chunks: 'borrowed',
      receiveBufferBytes: QUEUE_BYTES,
      sendBufferBytes: QUEUE_BYTES,
      gso,
      gro,
      handlers: {
        datagrams: (_, batch) => this.#received(flow, batch),
        drain: () => {
          flow.blocked = false;
          if (this.#plan.model.kind === 'closed') this.#fill(flow);
        },
        close: (_, error) => {
          this.#failure ??= error;
        },
      },
    });
    const flow: Flow = { socket, arrivals: new Arrivals(timeoutMs), blocked: false };
    return flow;
  }

  /** UDP binds itself; a UNIX socket needs a name to be answered, or a connection. */
  #placeOf(): Pick<DatagramOptions, 'connect' | 'fd'> {
    const { target, kind } = this.#plan;
    if (target.family !== 'UNIX') {
      return { connect: { host: hostText(target), port: target.port } };
    }
    const type = kind === 'seqpacket' ? 'SOCK_SEQPACKET' : 'SOCK_DGRAM';
    const socket = new Socket('UNIX', { type, sys: this.#sys });
    try {
      if (kind === 'dgram') socket.bind({ family: 'UNIX', path: this.#names.next() });
      socket.connect(target);
      return { fd: socket.detach() };
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Runs the load. Returns what was measured; throws where a socket breaks. */
  async run(): Promise<DatagramLoadDocument> {
    const startedAt = new Date().toISOString();
    this.#startMs = this.#sys.monotonicMs();
    if (this.#plan.warmupMs === 0) this.#measure(this.#startMs);
    this.#tick();
    await this.#loop.run();
    if (this.#failure !== null) throw this.#failure;
    return this.#document(startedAt);
  }

  /** Ends the measured time now. */
  stop(): void {
    if (this.#phase === 'warmup') this.#measure(this.#sys.monotonicMs());
    const nowMs = this.#sys.monotonicMs();
    if (this.#phase === 'measured') this.#end(nowMs, nowMs);
  }

  /** The time passes: phases change, losses are seen, and what is due is sent. */
  #tick(): void {
    const nowMs = this.#sys.monotonicMs();
    const { warmupMs, durationMs, model } = this.#plan;
    if (this.#phase === 'warmup' && nowMs - this.#startMs >= warmupMs) this.#measure(nowMs);
    const endMs = this.#measuredFromMs + durationMs;
    if (this.#phase === 'measured' && nowMs >= endMs) this.#end(nowMs, endMs);
    let underWay = 0;
    for (const flow of this.#flows) {
      flow.arrivals.expire(nowMs);
      underWay += flow.arrivals.underWay;
      if (model.kind === 'closed') this.#fill(flow);
    }
    if (this.#phase === 'ending' && underWay === 0) {
      for (const { socket } of this.#flows) socket.close();
      return;
    }
    if (model.kind === 'open') this.#sendDue(nowMs, model.ratePerSecond);
    this.#loop.setTimer(TICK_MS, () => this.#tick());
  }

  #measure(nowMs: number): void {
    this.#phase = 'measured';
    this.#measuredFromMs = nowMs;
    this.#due = 0;
    this.#unsent = 0;
    this.#cpuFromUs = cpuUs();
    this.#latency.take();
    for (const { arrivals } of this.#flows) arrivals.restart();
  }

  /** Nothing is due from `endMs` on. This may be noticed late: what was due before is sent yet. */
  #end(nowMs: number, endMs: number): void {
    const { model } = this.#plan;
    if (model.kind === 'open') {
      this.#sendDue(endMs, model.ratePerSecond);
      // More than a turn can send: this client did not keep up.
      const wholly = ((endMs - this.#measuredFromMs) * model.ratePerSecond) / 1000;
      const due = Math.max(this.#due, Math.round(wholly));
      this.#unsent += due - this.#due;
      this.#due = due;
    }
    this.#phase = 'ending';
    this.#measuredMs = nowMs - this.#measuredFromMs;
    this.#cpuUs = cpuUs() - this.#cpuFromUs;
  }

  /** Closed loop: so many are under way at any time. */
  #fill(flow: Flow): void {
    const { model } = this.#plan;
    if (model.kind !== 'closed') return;
    while (this.#phase !== 'ending' && !flow.blocked && flow.arrivals.underWay < model.window) {
      this.#send(flow, this.#sys.monotonicMs());
    }
  }

  /** Open loop: what is due by the clock is sent, however late; its latency counts from then. */
  #sendDue(nowMs: number, ratePerSecond: number): void {
    if (this.#phase === 'ending') return;
    const fromMs = this.#phase === 'warmup' ? this.#startMs : this.#measuredFromMs;
    for (let sends = 0; sends < SENDS_PER_TURN; sends++) {
      const dueMs = fromMs + ((this.#due + 0.5) * 1000) / ratePerSecond;
      if (dueMs > nowMs) return;
      this.#due += 1;
      const flow = this.#flows[this.#turn];
      this.#turn = (this.#turn + 1) % this.#flows.length;
      if (flow === undefined) return;
      if (flow.blocked) this.#unsent += 1;
      else this.#send(flow, dueMs);
    }
  }

  #send(flow: Flow, dueMs: number): void {
    const { arrivals, socket } = flow;
    this.#format.write(this.#probe, arrivals.next);
    if (!socket.send(this.#probe)) {
      flow.blocked = true;
      if (this.#plan.model.kind === 'open') this.#unsent += 1;
      return;
    }
    arrivals.sent(dueMs);
  }

  #received(flow: Flow, batch: DatagramBatch): void {
    const nowMs = this.#sys.monotonicMs();
    for (let index = 0; index < batch.length; index++) {
      const bytes = batch.bytes(index);
      const segmentBytes = batch.segmentSize(index);
      if (segmentBytes === 0) this.#take(flow, bytes, nowMs);
      else {
        for (let at = 0; at < bytes.length; at += segmentBytes) {
          this.#take(flow, bytes.subarray(at, at + segmentBytes), nowMs);
        }
      }
    }
    this.#fill(flow);
  }

  #take({ arrivals }: Flow, bytes: Uint8Array, nowMs: number): void {
    const number = this.#format.read(bytes);
    if (number === FOREIGN) arrivals.counts.foreign += 1;
    else if (number === CORRUPTED) arrivals.counts.corrupted += 1;
    else {
      const latencyMs = arrivals.arrived(number, nowMs);
      if (latencyMs !== NO_LATENCY) this.#latency.record(latencyMs);
    }
  }

  #counts(): DatagramCounts {
    const sum: ArrivalCounts = newArrivalCounts();
    let refused = 0;
    let droppedHere = 0;
    for (const { arrivals, socket } of this.#flows) {
      for (const name of Object.keys(sum) as (keyof ArrivalCounts)[]) {
        sum[name] += arrivals.counts[name];
      }
      const { peerErrors, sendErrors, droppedByKernel } = socket.stats();
      refused += (peerErrors['ECONNREFUSED'] ?? 0) + (sendErrors['ECONNREFUSED'] ?? 0);
      droppedHere += droppedByKernel;
    }
    return { ...sum, unsent: this.#unsent, refused, droppedHere };
  }

  /** What the kernel would not send, by its reason: it counts as lost. */
  get sendErrors(): ReadonlyMap<string, number> {
    const sum = new Map<string, number>();
    for (const { socket } of this.#flows) {
      for (const [code, count] of Object.entries(socket.stats().sendErrors)) {
        sum.set(code, (sum.get(code) ?? 0) + count);
      }
    }
    // It is the network's answer, and counted as such.
    sum.delete('ECONNREFUSED');
    return sum;
  }

  #document(startedAt: string): DatagramLoadDocument {
    const counts = this.#counts();
    const perSecond = (count: number): number => (count / this.#measuredMs) * 1000;
    return {
      kind: 'sockloop datagram load',
      version: 1,
      plan: { ...this.#plan, loop: this.#loop.backendName },
      startedAt,
      measuredMs: this.#measuredMs,
      counts,
      rates: { sent: perSecond(counts.sent), answered: perSecond(counts.answered) },
      latency: distributionOf(this.#latency.read()),
      clientCpuUs: this.#cpuUs / Math.max(1, counts.sent),
    };
  }

  [Symbol.dispose](): void {
    this.#loop.close();
    this.#names[Symbol.dispose]();
  }
}

/** Opens the loop of a load. */
export function openDatagramLoad(plan: DatagramLoadPlan, name: LoopName, sys: Sys): DatagramLoad {
  const loop = new EventLoop({ backend: name, sys });
  const names = new ClientNames(sys);
  try {
    return new DatagramLoad(plan, sys, loop, names);
  } catch (error) {
    loop.close();
    names[Symbol.dispose]();
    throw error;
  }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
