/** How lines are told apart without their colours. */

interface SeriesStyle {
  /** Lengths of dashes and gaps, in pixels; empty is a whole line. */
  readonly dash: readonly number[];
  /** The outline of the marker around 0,0, within 1 on each side, as the path of an SVG. */
  readonly marker: string;
}

/** By {@link Series.style}. */
export const seriesStyles: readonly SeriesStyle[] = [
  { dash: [], marker: 'M-.9 0a.9 .9 0 1 0 1.8 0a.9 .9 0 1 0 -1.8 0Z' },
  { dash: [9, 4], marker: 'M-.8 -.8H.8V.8H-.8Z' },
  { dash: [2, 3], marker: 'M0 -1.05L1 .8H-1Z' },
  { dash: [10, 3, 2, 3], marker: 'M0 -1.15L1.15 0L0 1.15L-1.15 0Z' },
  { dash: [5, 3], marker: 'M0 1.05L1 -.8H-1Z' },
  { dash: [14, 3, 2, 3, 2, 3], marker: 'M-.35 -1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z' },
  { dash: [1, 4], marker: 'M-1.1 -.5H1.1V.5H-1.1Z' },
];
