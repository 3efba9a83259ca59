/** Where values lie along an axis. What is drawn is `place(value)`, on a linear scale. */

import type { AxisPlan, ScaleKind } from './chart-data.ts';
import { grouped, markTimeWords, percentileWords, type Unit } from './figures.ts';

/** The distance from 0 of what has no distance: a percentile of 100. */
const PERCENTILE_PLACE_MAX = 9;

/** Below this share of a power of ten a logarithmic axis has marks between the powers too. */
const SPARSE_DECADES = 2;

const PERCENTILE_MARKS = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999];

/** The least distance of two marks, of the room that a mark needs. */
const NEAREST = 0.4;

interface Mark {
  readonly place: number;
  readonly words: string;
}

/** Null where the value has no place: nothing and less on a logarithmic axis. */
export function placeOf(value: number, kind: ScaleKind): number | null {
  if (kind === 'linear') return value;
  if (kind === 'log') return value > 0 ? Math.log10(value) : null;
  return value < 100 ? -Math.log10(1 - value / 100) : PERCENTILE_PLACE_MAX;
}

/** The places of an axis' ends, for what lies from `low` to `high` (places too). */
export function ends(low: number, high: number, axis: AxisPlan): [low: number, high: number] {
  const kind = axis.scale;
  if (kind === 'percentile') return [0, Math.max(1, high)];
  if (kind === 'log') {
    const margin = Math.max(0.04, (high - low) * 0.06);
    return high - low < 0.3 ? [low - 0.2, high + 0.2] : [low - margin, high + margin];
  }
  // A share of the height would look the same with the bottom cut off, and say another thing.
  return [Math.min(0, low), high <= 0 ? 1 : (high * 1.08) / axis.share];
}

/** The marks of an axis from `low` to `high` (places) that has room for so many. */
export function marks(axis: AxisPlan, low: number, high: number, room: number): Mark[] {
  const last = low + (high - low) * axis.share;
  const values = valuesBetween(axis, low, last, Math.max(3, room * axis.share));
  const found: Mark[] = [];
  for (const value of values) {
    const place = placeOf(value, axis.scale);
    if (place === null || place < low - 1e-9 || place > last + 1e-9) continue;
    const before = found.at(-1)?.place ?? Number.NEGATIVE_INFINITY;
    // Percentiles are where they are: on a narrow page 0 and 50 would touch.
    if (axis.scale === 'percentile' && ((place - before) * room) / (high - low) < NEAREST) continue;
    found.push({ place, words: markWords(value, axis.unit) });
  }
  return found;
}

function valuesBetween({ scale }: AxisPlan, low: number, high: number, room: number): number[] {
  if (scale === 'percentile') return PERCENTILE_MARKS;
  return scale === 'log' ? logValues(low, high, room) : linearValues(low, high, room);
}

function linearValues(low: number, high: number, room: number): number[] {
  const rough = (high - low) / room;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, index) => (first + index) * step);
}

function logValues(low: number, high: number, room: number): number[] {
  const first = Math.floor(low);
  const count = Math.ceil(high) - first + 1;
  const powers = Array.from({ length: count }, (_, index) => first + index);
  if (high - low < SPARSE_DECADES) {
    const steps = high - low < 0.7 ? [1, 1.5, 2, 3, 4, 5, 6, 8] : [1, 2, 5];
    return powers.flatMap((power) => steps.map((step) => step * 10 ** power));
  }
  const every = Math.ceil((high - low) / room);
  return powers.filter((power) => power % every === 0).map((power) => 10 ** power);
}

function markWords(value: number, unit: Unit): string {
  if (unit === 'us') return markTimeWords(value);
  if (unit === 'percentile') return percentileWords(value);
  return grouped(value, 3);
}
