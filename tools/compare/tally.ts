import type { ProcessTimes } from '../measure/process-clock.ts';
import { quartiles } from '../measure/quartiles.ts';
import type {
  CompareFigures,
  ComparePoint,
  LoadPoint,
  MeasuredLoop,
  MissingPoint,
} from './document.ts';
import type { ComparedName } from './plan.ts';

/** One slice of one loop. */
interface CompareSlice {
  readonly messages: number;
  readonly elapsedMs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** What the client was denied of it: a CPU, and waking in time. */
  readonly clientWaitedMs: number;
  readonly clientOversleptMs: number;
  /** What the server used for it. */
  readonly times: ProcessTimes;
}

/** What was denied to a server and its client: times in which they were to run, and did not. */
export interface Disturbance {
  readonly elapsedMs: number;
  /** For a core that something else had. */
  readonly serverWaitedMs: number;
  readonly clientWaitedMs: number;
  /** Waits of the client that lasted longer than they were to: it was stopped, or woken late. */
  readonly clientOversleptMs: number;
}

/** CPU time divides in ticks of 10 ms: fewer of them say little. */
const TICKED_US_MIN = 100_000;

/** The results of one loop: gathered slice by slice, then summed up. */
export class CompareTally {
  readonly name: ComparedName;
  memoryKibPerConnection: number | null = null;
  /** What the server used from its beginning to its end; null where that is not known. */
  lifetime: ProcessTimes | null = null;
  readonly #loadPoints = new Map<LoadPoint, { slices: CompareSlice[]; calls: number | null }>();
  readonly #missing: MissingPoint[] = [];

  constructor(name: ComparedName) {
    this.name = name;
  }

  /** A slice at a load point, the next one of its rounds. */
  add(loadPoint: LoadPoint, slice: CompareSlice): void {
    this.#at(loadPoint).slices.push(slice);
  }

  addCalls(loadPoint: LoadPoint, callsPerMessage: number): void {
    this.#at(loadPoint).calls = callsPerMessage;
  }

  /** Notes why a load point has no figures, and drops those gathered so far. */
  miss(loadPoint: LoadPoint, reason: string): void {
    const { connections, idleConnections } = loadPoint;
    this.#loadPoints.delete(loadPoint);
    this.#missing.push({ connections, idleConnections, reason });
  }

  /** Of all slices: how long they were, and what server and client were denied of that. */
  get disturbance(): Disturbance {
    const slices = [...this.#loadPoints.values()].flatMap((loadPoint) => loadPoint.slices);
    const sumOf = (of: (slice: CompareSlice) => number): number =>
      slices.reduce((sum, slice) => sum + of(slice), 0);
    return {
      elapsedMs: sumOf(({ elapsedMs }) => elapsedMs),
      serverWaitedMs: sumOf(({ times }) => times.waitedUs / 1e3),
      clientWaitedMs: sumOf(({ clientWaitedMs }) => clientWaitedMs),
      clientOversleptMs: sumOf(({ clientOversleptMs }) => clientOversleptMs),
    };
  }

  /** All of it, the load points in the order of `loadPoints`. */
  result(loadPoints: readonly LoadPoint[]): MeasuredLoop {
    const points = loadPoints.flatMap((loadPoint): ComparePoint[] => {
      const at = this.#loadPoints.get(loadPoint);
      if (at === undefined || at.slices.length === 0) return [];
      return [pointOf(loadPoint, at.slices, this.#userShare(at.slices), at.calls)];
    });
    return {
      name: this.name,
      available: true,
      points,
      missing: this.#missing,
      memoryKibPerConnection: this.memoryKibPerConnection,
    };
  }

  /** The kernel samples it at its ticks: few of them say less than those of the whole life. */
  #userShare(slices: readonly CompareSlice[]): number {
    const own = slices.map(({ times }) => times);
    const whole = this.lifetime === null ? own : [this.lifetime];
    const bothUs = own.reduce((sum, { userUs, systemUs }) => sum + userUs + systemUs, 0);
    const times = bothUs >= TICKED_US_MIN ? own : whole;
    const userUs = times.reduce((sum, time) => sum + time.userUs, 0);
    const systemUs = times.reduce((sum, time) => sum + time.systemUs, 0);
    return userUs + systemUs > 0 ? userUs / (userUs + systemUs) : 0;
  }

  #at(loadPoint: LoadPoint): { slices: CompareSlice[]; calls: number | null } {
    const at = this.#loadPoints.get(loadPoint) ?? { slices: [], calls: null };
    this.#loadPoints.set(loadPoint, at);
    return at;
  }
}

function pointOf(
  { connections, idleConnections }: LoadPoint,
  slices: readonly CompareSlice[],
  userShare: number,
  callsPerMessage: number | null,
): ComparePoint {
  const rounds = slices.map((slice) => figuresOf(slice, userShare));
  const each = (part: 'median' | 'lower' | 'upper'): CompareFigures => {
    const of = (name: keyof CompareFigures): number =>
      quartiles(rounds.map((figures) => figures[name]))[part];
    return {
      messagesPerSecond: of('messagesPerSecond'),
      cpuUsPerMessage: of('cpuUsPerMessage'),
      userUs: of('userUs'),
      systemUs: of('systemUs'),
      p50Us: of('p50Us'),
      p99Us: of('p99Us'),
    };
  };
  return {
    connections,
    idleConnections,
    rounds,
    median: each('median'),
    lower: each('lower'),
    upper: each('upper'),
    callsPerMessage,
  };
}

function figuresOf({ messages, elapsedMs, times, p50Us, p99Us }: CompareSlice, userShare: number) {
  const cpuUsPerMessage = times.cpuUs / messages;
  const userUs = cpuUsPerMessage * userShare;
  return {
    messagesPerSecond: (messages / elapsedMs) * 1000,
    cpuUsPerMessage,
    userUs,
    systemUs: cpuUsPerMessage - userUs,
    p50Us,
    p99Us,
  };
}
