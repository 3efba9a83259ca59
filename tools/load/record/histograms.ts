import {
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';
import type { Distribution } from '../document.ts';

/** Counts beyond 2^32 have room. */
const BUCKET_BITS = 64;

/** A histogram of {@link Distribution}, in nanoseconds. Throws an Error where it is none. */
export function decodeHistogram(text: string): Histogram {
  return decodeFromCompressedBase64(text, BUCKET_BITS, false);
}

/** A distribution and what to call it in a message. */
interface Part {
  readonly distribution: Distribution;
  readonly source: string;
}

/** Several distributions as one. Throws an Error that names the part whose histogram is none. */
export function addDistributions(parts: readonly Part[]): Distribution {
  const decoded = parts.map((part) => ({ ...part, histogram: decodePart(part) }));
  const used = decoded.filter(({ distribution }) => distribution.count > 0);
  const [first, ...others] = used;
  if (first === undefined) return (parts[0] as Part).distribution;
  const all = first.histogram;
  for (const { histogram } of others) all.add(histogram);
  const distributions = used.map(({ distribution }) => distribution);
  const count = distributions.reduce((sum, part) => sum + part.count, 0);
  const meanUs = distributions.reduce((sum, part) => sum + part.count * part.meanUs, 0) / count;
  // The variance of the whole: what lies within the parts, and between their means.
  const squares = distributions.map(
    (part) => part.count * (part.stdDevUs ** 2 + (part.meanUs - meanUs) ** 2),
  );
  const maxUs = Math.max(...distributions.map((part) => part.maxUs));
  return {
    count,
    meanUs,
    maxUs,
    minUs: Math.min(...distributions.map((part) => part.minUs)),
    stdDevUs: Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / count),
    percentiles: first.distribution.percentiles.map(({ percentile }) => ({
      percentile,
      us: Math.min(maxUs, all.getValueAtPercentile(percentile) / 1e3),
    })),
    histogram: encodeIntoCompressedBase64(all),
  };
}

function decodePart({ distribution, source }: Part): Histogram {
  let histogram: Histogram;
  try {
    histogram = decodeHistogram(distribution.histogram);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${source}: its histogram cannot be read: ${why}`);
  }
  if (histogram.totalCount === distribution.count) return histogram;
  throw new Error(
    `${source}: its histogram holds ${histogram.totalCount} times, not ${distribution.count}`,
  );
}
