/** The data of a chart: written by the report, drawn by the script of the page. */

import type { Unit } from './figures.ts';

export interface ChartData {
  /** The id of the element it is drawn in. */
  readonly id: string;
  readonly x: AxisPlan;
  readonly y: AxisPlan;
  /** A second axis on the right, or null. */
  readonly right: AxisPlan | null;
  /** Rising. With `steps` each value holds from its x to the next one, the last one to `xEnd`. */
  readonly xs: readonly number[];
  readonly xEnd: number | null;
  readonly series: readonly Series[];
  readonly heat: Heat | null;
}

export interface AxisPlan {
  readonly scale: ScaleKind;
  readonly unit: Unit;
  /** How much of the axis the values take, from its beginning: 1 is all of it. */
  readonly share: number;
}

/** `percentile` stretches the end: as far from 90 to 99 as from 99 to 99.9. */
export type ScaleKind = 'linear' | 'log' | 'percentile';

export interface Series {
  readonly name: string;
  /** Its dashes and its marker: see {@link seriesStyles}. */
  readonly style: number;
  /** The number of a `--series-N` of the style sheet, and of its style where none is shared. */
  readonly colour: number;
  readonly unit: Unit;
  readonly axis: 'left' | 'right';
  readonly shape: 'line' | 'steps';
  readonly markers: boolean;
  /** Whether the area below is filled. */
  readonly filled: boolean;
  /** One for each x. */
  readonly values: readonly (number | null)[];
}

/** A colour for each count. */
export interface Heat {
  /** Where the cells begin and end: one more than there are columns, or rows. */
  readonly columns: readonly number[];
  readonly rows: readonly number[];
  /** `counts[i][j]` lies between `columns[i]` and the next, and between `rows[j]` and the next. */
  readonly counts: readonly (readonly number[])[];
  readonly most: number;
}
