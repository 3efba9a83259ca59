import type { PlantedFile } from './planted-file.ts';

/** Figures of the load client, and escapes of a trace. */
export const load: readonly PlantedFile[] = [
  {
    kind: 'a sum of merge',
    path: 'dist/tools/load/result/merge.js',
    changes: [
      [
        'receivedBytes: sum(parts.map(({ receivedBytes }) => receivedBytes))',
        'receivedBytes: sum(parts.map(({ sentBytes }) => sentBytes))',
      ],
      [
        'sum(parts.map((part) => part.lost[kind]))',
        'sum(parts.map((part) => part.lost[LOSS_KINDS[0]]))',
      ],
      [
        'addTrouble(documents.map(({ warmup }) => warmup))',
        'addTrouble(documents.map(({ counts }) => counts))',
      ],
      ['ms: sum(parts.map(({ ms }) => ms))', 'ms: sum(parts.map(({ periods }) => periods))'],
      [
        'errors: sum(parts.map(({ errors }) => errors))',
        'errors: sum(parts.map(({ messages }) => messages))',
      ],
      ['replaced: sum(parts.map(({ replaced }) => replaced))', 'replaced: parts[0].replaced'],
      [
        'connections: sum(parts.map(({ connections }) => connections))',
        'connections: sum(parts.map(({ messages }) => messages))',
      ],
      ['part.counts[row]?.[column] ?? 0', 'part.counts[row + 1]?.[column] ?? 0'],
      [
        'Math.round((startMs + durationMs) / intervalMs)',
        'Math.ceil((startMs + durationMs) / intervalMs) + 1',
      ],
    ],
  },
  {
    kind: 'a sum of merge',
    path: 'dist/tools/load/record/histograms.js',
    changes: [['part.stdDevUs ** 2 + (part.meanUs - meanUs) ** 2', 'part.stdDevUs ** 2']],
  },
  {
    kind: 'a rate',
    path: 'dist/tools/load/traffic/schedule.js',
    changes: [
      ['this.#random.exponential()', '0.99 * this.#random.exponential()'],
      ['0.5 - Math.floor(warmupCount + 0.5)', '0.5 - Math.floor(warmupCount)'],
    ],
  },
  {
    kind: 'a rate',
    path: 'dist/src/base/random.js',
    changes: [['return -Math.log1p(-fraction);', 'return -Math.log1p(-fraction) * 1.01;']],
  },
  {
    kind: 'a second of the recorder',
    path: 'dist/tools/load/record/recorder.js',
    changes: [
      ['while (nowMs >= this.#intervalEndMs)', 'while (nowMs > this.#intervalEndMs)'],
      ['nowMs < this.endMs + LATE_MS_MAX', 'nowMs <= this.endMs + LATE_MS_MAX'],
      ['if (last && nowMs < this.endMs + LATE_MS_MAX) return;', ''],
      [
        'const index = this.#index++;',
        'const index = this.#index; if (messages > 0) this.#index++;',
      ],
      ['dueMs >= this.startMs && dueMs < this.endMs', 'dueMs > this.startMs && dueMs < this.endMs'],
      [
        'nowMs >= this.startMs && nowMs < this.endMs',
        'nowMs >= this.startMs && nowMs <= this.endMs',
      ],
      ['this.#intervalErrors = 0; if', 'if'],
    ],
  },
  {
    kind: 'a second of the recorder',
    path: 'dist/tools/load/record/collection.js',
    changes: [['Math.min(...this.#told)', 'Math.max(...this.#told)']],
  },
  {
    kind: 'a second of the recorder',
    path: 'dist/tools/load/record/silence-watch.js',
    changes: [['if (!this.#failed && nowMs > this.#sinceMs)', 'if (nowMs > this.#sinceMs)']],
  },
  {
    kind: 'an escape of the trace',
    path: 'dist/src/sys/trace/format.js',
    changes: [
      ["34: '\\\\\"',", ''],
      ['next >= 0x30 && next <= 0x39', 'next > 0x30 && next <= 0x39'],
      ['byte < 0x7f', 'byte <= 0x7f'],
      ["length > STRING_BYTES_MAX ? '...'", "length >= STRING_BYTES_MAX ? '...'"],
      ['padStart(digitFollows ? 3 : 1', 'padStart(digitFollows ? 2 : 1'],
    ],
  },
];
