import { HistogramLogWriter } from 'hdr-histogram-js';
import { decodeHistogram } from './histograms.ts';

/** The times of one second of a run. */
export interface IntervalHistogram {
  /** From the beginning of the measured time. */
  readonly startMs: number;
  readonly durationMs: number;
  /** In the V2 compressed form of HdrHistogram in base64, in nanoseconds. */
  readonly histogram: string;
}

/**
 * An interval log in the format of HdrHistogram, version 1.3: what its plotters and log processors
 * read. Times are in nanoseconds, the column of the longest ones in milliseconds.
 */
export function hdrLog(intervals: readonly IntervalHistogram[], startedAt: string): string {
  let text = '';
  const log = new HistogramLogWriter((words: string) => {
    text += words;
  });
  log.outputComment('[Response times of sockloop load, in nanoseconds]');
  log.outputLogFormatVersion();
  const startedMs = Date.parse(startedAt);
  log.outputComment(
    `[StartTime: ${(startedMs / 1000).toFixed(3)} (seconds since epoch), ${startedAt}]`,
  );
  log.outputLegend();
  for (const { startMs, durationMs, histogram } of intervals) {
    log.outputIntervalHistogram(
      decodeHistogram(histogram),
      startMs / 1000,
      (startMs + durationMs) / 1000,
      1e6,
    );
  }
  return text;
}
