import { median, type Quartiles, quartiles } from '#tools/measure/quartiles.js';
import type { Case } from './cases.ts';
import { Latencies } from './latencies.ts';
import { cpuUsPerMessage, type Slice } from './slices.ts';

/** What is known of the servers at one case: gathered slice by slice, then summed up. */

export interface PeerResult {
  readonly name: string;
  /** CPU per message to the reference beside it. */
  readonly ratio: Quartiles;
  readonly cpuUsPerMessage: Quartiles;
  /** Sampled by the kernel at its ticks, over all slices; null where there were too few. */
  readonly userShare: number | null;
  readonly messagesPerSecond: Quartiles;
  /** How much of the slice the server was on its core: near 1, the server is the limit. */
  readonly busyShare: number;
  /** How much of the slice it waited for its core: above 0, something disturbed. */
  readonly waitedShare: number;
  /** The same of its client: rates and times are the client's in part where this is much. */
  readonly clientWaitedShare: number;
  /** Over the messages of all slices. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly callsPerMessage: number | null;
}

export interface Missing {
  readonly name: string;
  readonly reason: string;
}

/** The kernel samples by ticks of 10 ms: with less CPU time the share would be a guess. */
const TICKED_US_MIN = 200_000;

/** A slice as a row of numbers, in the order of {@link SLICE_COLUMNS}. */
type SliceRow = readonly number[];

export const SLICE_COLUMNS: readonly string[] = [
  'messages',
  'microseconds',
  'cpuMicroseconds',
  'waitedMicroseconds',
  'ratio',
  'p50Microseconds',
  'p99Microseconds',
  'clientWaitedMicroseconds',
];

export interface CaseResult {
  readonly case: Case;
  readonly results: readonly PeerResult[];
  readonly missing: readonly Missing[];
  /** By the server's name, in the order they were taken. */
  readonly slices: Readonly<Record<string, readonly SliceRow[]>>;
}

/** Gathers what is measured of one case, over any number of passes. */
export class Tally {
  readonly case: Case;
  readonly #slices: Slice[] = [];
  readonly #calls = new Map<string, number>();
  readonly #missing = new Map<string, string>();

  constructor(what: Case) {
    this.case = what;
  }

  addSlices(slices: readonly Slice[]): void {
    this.#slices.push(...slices);
  }

  hasSlices(name: string): boolean {
    return this.#slices.some((slice) => slice.name === name);
  }

  addCalls(name: string, perMessage: number): void {
    this.#calls.set(name, perMessage);
  }

  hasCalls(name: string): boolean {
    return this.#calls.has(name);
  }

  /** The server cannot be had at this case; what there was of it is void. */
  miss(name: string, error: unknown): void {
    this.#missing.set(name, error instanceof Error ? error.message : String(error));
  }

  misses(name: string): boolean {
    return this.#missing.has(name);
  }

  result(): CaseResult {
    const names = new Set(this.#slices.map(({ name }) => name));
    const results: PeerResult[] = [];
    const rows: Record<string, readonly SliceRow[]> = {};
    for (const name of names) {
      if (this.#missing.has(name)) continue;
      const slices = this.#slices.filter((slice) => slice.name === name);
      results.push(this.#sumUp(name, slices));
      rows[name] = slices.map(rowOf);
    }
    const missing = [...this.#missing].map(([name, reason]) => ({ name, reason }));
    return { case: this.case, results, missing, slices: rows };
  }

  #sumUp(name: string, slices: readonly Slice[]): PeerResult {
    const sumOf = (of: (slice: Slice) => number): number =>
      slices.reduce((sum, slice) => sum + of(slice), 0);
    const medianShare = (usOf: (slice: Slice) => number): number =>
      round(median(slices.map((slice) => usOf(slice) / 1e6 / slice.seconds)));
    const userUs = sumOf(({ times }) => times.userUs);
    const tickedUs = userUs + sumOf(({ times }) => times.systemUs);
    const latencies = Latencies.sum(slices.map((slice) => slice.latencies));
    return {
      name,
      ratio: rounded(quartiles(slices.map(({ ratio }) => ratio))),
      cpuUsPerMessage: rounded(quartiles(slices.map(cpuUsPerMessage))),
      userShare: tickedUs < TICKED_US_MIN ? null : round(userUs / tickedUs),
      messagesPerSecond: rounded(
        quartiles(slices.map(({ messages, seconds }) => messages / seconds)),
        0,
      ),
      busyShare: medianShare(({ times }) => times.cpuUs),
      waitedShare: medianShare(({ times }) => times.waitedUs),
      clientWaitedShare: medianShare(({ clientWaitedUs }) => clientWaitedUs),
      p50Us: round(latencies.quantileUs(0.5), 1),
      p99Us: round(latencies.quantileUs(0.99), 1),
      p999Us: round(latencies.quantileUs(0.999), 1),
      callsPerMessage: this.#calls.get(name) ?? null,
    };
  }
}

function rowOf(slice: Slice): SliceRow {
  return [
    slice.messages,
    Math.round(slice.seconds * 1e6),
    Math.round(slice.times.cpuUs),
    Math.round(slice.times.waitedUs),
    round(slice.ratio),
    round(slice.latencies.quantileUs(0.5), 1),
    round(slice.latencies.quantileUs(0.99), 1),
    Math.round(slice.clientWaitedUs),
  ];
}

function rounded({ lower, median: middle, upper, count }: Quartiles, digits = 4): Quartiles {
  return {
    lower: round(lower, digits),
    median: round(middle, digits),
    upper: round(upper, digits),
    count,
  };
}

function round(value: number, digits = 4): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
