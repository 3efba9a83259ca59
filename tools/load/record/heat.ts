import type { HeatMap } from '../document.ts';
import { HEAT_COLUMNS_MAX, HEAT_EDGES_PER_DECADE, INTERVAL_MS, TIME_MS_MAX } from '../limits.ts';
import { BUCKETS, lowestOf, type SparseCounts } from './latency-counts.ts';

/** In microseconds, the same for every run, so that the maps of two can be added. */
const EDGES_US: readonly number[] = Array.from(
  { length: Math.ceil(Math.log10(TIME_MS_MAX * 1e3) * HEAT_EDGES_PER_DECADE) + 1 },
  (_, index) => Number((10 ** (index / HEAT_EDGES_PER_DECADE)).toPrecision(3)),
);

/** Upper edge of each bucket. */
const EDGE_OF = Uint8Array.from({ length: BUCKETS }, (_, bucket) =>
  EDGES_US.findIndex((edgeUs) => lowestOf(bucket) < edgeUs * 1e3),
);

/** Counts by second and time, for a chart. Long runs get columns of several seconds. */
export class HeatCounts {
  readonly #intervalMs: number;
  readonly #rows: number[][] = [];

  constructor(durationMs: number) {
    const seconds = Math.ceil(durationMs / INTERVAL_MS);
    this.#intervalMs = Math.ceil(seconds / HEAT_COLUMNS_MAX) * INTERVAL_MS;
  }

  /** Adds times of the second `index`. */
  add(index: number, times: SparseCounts): void {
    const row = Math.floor((index * INTERVAL_MS) / this.#intervalMs);
    while (this.#rows.length <= row) this.#rows.push(EDGES_US.map(() => 0));
    const counts = this.#rows[row] ?? [];
    for (let at = 0; at < times.buckets.length; at += 1) {
      const edge = EDGE_OF[times.buckets[at] ?? 0] ?? 0;
      counts[edge] = (counts[edge] ?? 0) + (times.counts[at] ?? 0);
    }
  }

  get map(): HeatMap {
    return { intervalMs: this.#intervalMs, edgesUs: EDGES_US, counts: this.#rows };
  }
}
