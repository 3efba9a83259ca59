import { quartiles } from '#tools/measure/quartiles.js';

/** The few numbers a measurement is summed up in. */

export function median(values: readonly number[]): number {
  return quartiles(values).median;
}

/** NaN of nothing. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
