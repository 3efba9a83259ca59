import { encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import type { Distribution, HeatMap, Interval } from '../document.ts';
import { INTERVAL_MS } from '../limits.ts';
import type { LoadPlan } from '../plan.ts';
import { distributionOf, histogramOf } from './distribution.ts';
import type { IntervalHistogram } from './hdr-log.ts';
import { HeatCounts } from './heat.ts';
import { LatencyCounts, NO_COUNTS, percentileNs, type SparseCounts } from './latency-counts.ts';
import type { IntervalCounts } from './thread-messages.ts';

/** One second, of the threads that have reported it. */
interface Second {
  messages: number;
  errors: number;
  response: SparseCounts;
}

/** Collects the seconds of all threads of a run. */
export class Collection {
  readonly #plan: LoadPlan;
  readonly #response = new LatencyCounts();
  readonly #service = new LatencyCounts();
  readonly #heat: HeatCounts;
  readonly #seconds = new Map<number, Second>();
  /** The seconds that are complete, by number. */
  readonly #intervals = new Map<number, Interval>();
  readonly #histograms = new Map<number, IntervalHistogram>();
  /** Last second reported by each thread; they report in order. */
  readonly #told: number[];
  readonly #sum = new LatencyCounts();
  #latest: SparseCounts = NO_COUNTS;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#heat = new HeatCounts(plan.durationMs);
    this.#told = Array.from({ length: plan.threads }, () => -1);
  }

  /** Adds a second of a thread. */
  add(thread: number, { index, messages, errors, response, service }: IntervalCounts): void {
    const second = this.#seconds.get(index) ?? { messages: 0, errors: 0, response: NO_COUNTS };
    this.#sum.add(second.response);
    this.#sum.add(response);
    this.#latest = this.#sum.take();
    this.#seconds.set(index, {
      messages: second.messages + messages,
      errors: second.errors + errors,
      response: this.#latest,
    });
    this.#response.add(response);
    this.#service.add(service ?? response);
    this.#heat.add(index, response);
    this.#told[thread] = index;
    this.#complete(Math.min(...this.#told));
  }

  /** 50th and 99th percentile of the second reported last, in microseconds. */
  get latest(): { readonly p50Us: number; readonly p99Us: number } {
    return {
      p50Us: percentileNs(this.#latest, 50) / 1e3,
      p99Us: percentileNs(this.#latest, 99) / 1e3,
    };
  }

  get heat(): HeatMap {
    return this.#heat.map;
  }

  get response(): Distribution {
    return distributionOf(this.#response.read());
  }

  get service(): Distribution {
    return distributionOf(this.#service.read());
  }

  /** Every second of a measured time of `measuredMs`, also those without a reply. */
  intervals(measuredMs: number): Interval[] {
    this.#complete(Number.POSITIVE_INFINITY);
    const last = Math.max(Math.ceil(measuredMs / INTERVAL_MS) - 1, ...this.#intervals.keys());
    return Array.from({ length: last + 1 }, (_, index) => {
      const startMs = index * INTERVAL_MS;
      const leftMs = measuredMs - startMs;
      const durationMs = leftMs > 0 ? Math.min(INTERVAL_MS, leftMs) : INTERVAL_MS;
      const askedPerSecond = askedAt(this.#plan, startMs, durationMs, measuredMs);
      const known = this.#intervals.get(index);
      if (known !== undefined) return { ...known, durationMs, askedPerSecond };
      const nothing = { messages: 0, errors: 0, p50Us: 0, p99Us: 0, maxUs: 0 };
      return { startMs, durationMs, ...nothing, askedPerSecond };
    });
  }

  /** The seconds with replies as histograms. */
  get histograms(): IntervalHistogram[] {
    this.#complete(Number.POSITIVE_INFINITY);
    return [...this.#histograms.values()].toSorted((a, b) => a.startMs - b.startMs);
  }

  /** Seconds before `index` are complete: reduces them to what the document needs. */
  #complete(index: number): void {
    for (const [number, { messages, errors, response }] of this.#seconds) {
      if (number >= index) continue;
      const startMs = number * INTERVAL_MS;
      this.#intervals.set(number, {
        startMs,
        durationMs: INTERVAL_MS,
        messages,
        errors,
        p50Us: percentileNs(response, 50) / 1e3,
        p99Us: percentileNs(response, 99) / 1e3,
        maxUs: response.maxNs / 1e3,
        askedPerSecond: null,
      });
      const histogram = encodeIntoCompressedBase64(histogramOf(response));
      const durationMs = INTERVAL_MS;
      if (messages > 0) this.#histograms.set(number, { startMs, durationMs, histogram });
      this.#seconds.delete(number);
    }
  }
}

/** Requested rate, averaged from `startMs` on; 0 after the measured time. */
function askedAt(
  { model }: LoadPlan,
  startMs: number,
  durationMs: number,
  measuredMs: number,
): number | null {
  if (model.kind === 'closed') return null;
  const endMs = Math.min(startMs + durationMs, measuredMs);
  let stageMs = 0;
  let messages = 0;
  for (const stage of model.stages) {
    const overlapMs = Math.min(endMs, stageMs + stage.durationMs) - Math.max(startMs, stageMs);
    if (overlapMs > 0) messages += overlapMs * stage.ratePerSecond;
    stageMs += stage.durationMs;
  }
  return messages / durationMs;
}
