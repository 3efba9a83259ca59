import { build, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';
import type { Distribution } from '../document.ts';
import { lowestOf, percentileNs, type SparseCounts, TIME_NS_MAX } from './latency-counts.ts';

/** The percentiles that a {@link Distribution} names. */
const PERCENTILES = [50, 75, 90, 95, 99, 99.9, 99.99, 99.999, 100] as const;

/** The counts as a histogram of the package, bucket by bucket. */
export function histogramOf(sparse: SparseCounts): Histogram {
  const histogram = build({
    bitBucketSize: 64,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: TIME_NS_MAX,
    numberOfSignificantValueDigits: 3,
  });
  for (const [index, bucket] of sparse.buckets.entries()) {
    histogram.recordValueWithCount(lowestOf(bucket), sparse.counts[index] ?? 0);
  }
  return histogram;
}

/** Summarizes times for the document. */
export function distributionOf(sparse: SparseCounts): Distribution {
  const { total } = sparse;
  let sum = 0;
  for (const [index, bucket] of sparse.buckets.entries()) {
    sum += middleUs(bucket) * (sparse.counts[index] ?? 0);
  }
  const meanUs = total === 0 ? 0 : sum / total;
  let squares = 0;
  for (const [index, bucket] of sparse.buckets.entries()) {
    squares += (middleUs(bucket) - meanUs) ** 2 * (sparse.counts[index] ?? 0);
  }
  return {
    count: total,
    minUs: sparse.minNs / 1e3,
    meanUs: Math.min(sparse.maxNs / 1e3, Math.max(sparse.minNs / 1e3, meanUs)),
    maxUs: sparse.maxNs / 1e3,
    stdDevUs: total === 0 ? 0 : Math.sqrt(squares / total),
    percentiles: PERCENTILES.map((percentile) => ({
      percentile,
      us: percentileNs(sparse, percentile) / 1e3,
    })),
    histogram: encodeIntoCompressedBase64(histogramOf(sparse)),
  };
}

function middleUs(bucket: number): number {
  return (lowestOf(bucket) + lowestOf(bucket + 1) - 1) / 2 / 1e3;
}
