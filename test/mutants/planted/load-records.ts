import type { PlantedFile } from './planted-file.ts';

const kind = 'a time that is recorded';

/** The histograms of the load client, its seconds and their sums. */
export const loadRecords: readonly PlantedFile[] = [
  {
    kind,
    path: 'dist/tools/load/record/latency-counts.js',
    changes: [
      ['if (!(ns >= 0)) ns = 0;', ''],
      ['if (ns > TIME_NS_MAX) ns = TIME_NS_MAX;', ''],
      [
        'this.#minNs = Number.POSITIVE_INFINITY; this.#maxNs = 0; return',
        'this.#maxNs = 0; return',
      ],
      [
        'this.#minNs = Number.POSITIVE_INFINITY; this.#maxNs = 0; return',
        'this.#minNs = Number.POSITIVE_INFINITY; return',
      ],
      ['bucketOf(this.#maxNs) + 1', 'bucketOf(this.#maxNs)'],
      ['this.#minNs = Math.min(this.#minNs, sparse.minNs);', ''],
      ['Math.max(this.#maxNs, sparse.maxNs)', 'sparse.maxNs'],
      ['this.#total += sparse.total;', 'this.#total += buckets.length;'],
    ],
  },
  {
    kind,
    path: 'dist/tools/load/record/recorder.js',
    changes: [
      ['this.startMs = Math.min(this.startMs, nowMs);', ''],
      ['else if (waited) this.connectionWait', 'else this.connectionWait'],
      ['this.errorCount += 1;', ''],
      ['(nowMs < this.startMs ? this.warmup : this.trouble).replaced', 'this.trouble.replaced'],
      ['this.silence.failed();', ''],
      ['messages === 0 && errors === 0', 'messages === 0'],
      ['if (nowMs >= this.#intervalEndMs) this.rotate(nowMs); this.trouble', 'this.trouble'],
      ['all || this.#counts(beganMs)', 'this.#counts(beganMs)'],
      ['this.#service.record(nowMs - sentMs)', 'this.#service.record(nowMs - dueMs)'],
    ],
  },
  {
    kind,
    path: 'dist/tools/load/record/collection.js',
    changes: [
      ['service ?? response', 'response'],
      ['number >= index', 'number > index'],
      ['this.#sum.add(second.response);', ''],
      ['Math.ceil(measuredMs / INTERVAL_MS) - 1', 'Math.floor(measuredMs / INTERVAL_MS) - 1'],
      ['leftMs > 0 ? Math.min(INTERVAL_MS, leftMs) : INTERVAL_MS', 'INTERVAL_MS'],
      ['if (overlapMs > 0) messages', 'messages'],
      ['if (messages > 0) this.#histograms', 'this.#histograms'],
    ],
  },
  {
    kind,
    path: 'dist/tools/load/record/heat.js',
    changes: [
      ['Math.ceil(seconds / HEAT_COLUMNS_MAX)', 'Math.round(seconds / HEAT_COLUMNS_MAX)'],
      ['lowestOf(bucket) < edgeUs * 1e3', 'lowestOf(bucket) <= edgeUs * 1e3'],
    ],
  },
  {
    kind,
    path: 'dist/tools/load/record/distribution.js',
    changes: [
      ['Math.sqrt(squares / total)', 'squares / total'],
      ['total === 0 ? 0 : sum / total', 'sum / total'],
    ],
  },
  {
    kind,
    path: 'dist/tools/load/record/histograms.js',
    changes: [
      ['distribution.count > 0', 'distribution.count >= 0'],
      ['part.count * part.meanUs', 'part.meanUs'],
      [
        'Math.min(maxUs, all.getValueAtPercentile(percentile) / 1e3)',
        'all.getValueAtPercentile(percentile) / 1e3',
      ],
    ],
  },
  {
    kind,
    path: 'dist/tools/load/record/hdr-log.js',
    changes: [['(startMs + durationMs) / 1000', 'durationMs / 1000']],
  },
  {
    kind,
    path: 'dist/tools/load/record/silence-watch.js',
    changes: [
      ['this.#failed = false; }', '}'],
      ['this.#longestAtMs = this.#sinceMs;', ''],
      ['awaited || this.#failed', 'awaited'],
    ],
  },
  {
    kind,
    path: 'dist/tools/load/result/merge.js',
    changes: [
      ['togetherMs < OVERLAP_MIN * longestMs', 'togetherMs <= OVERLAP_MIN * longestMs'],
      ['endedEarly: documents.some', 'endedEarly: documents.every'],
      ['busy.length < 2', 'busy.length < 1'],
      ['left -= count;', ''],
      ['known.length === 0 ? null : sum(known)', 'sum(known)'],
      ['messages === 0 ? 0 : sum(cpuUs) / messages', 'sum(cpuUs) / messages'],
    ],
  },
];
