/** The slope of a line through points, and half of the width of its confidence interval. */
export interface Slope {
  readonly perX: number;
  /** Infinity for fewer than three points. */
  readonly halfWidth: number;
}

/** Quantiles of Student's t at 0.995, for 1 to 30 degrees of freedom. */
const QUANTILES: readonly number[] = [
  63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.25, 3.169, 3.106, 3.055, 3.012, 2.977,
  2.947, 2.921, 2.898, 2.878, 2.861, 2.845, 2.831, 2.819, 2.807, 2.797, 2.787, 2.779, 2.771, 2.763,
  2.756, 2.75,
];

/** As for 30 degrees, so that an interval is rather too wide. */
const QUANTILE_BEYOND = 2.75;

/** Least squares: the slope of y over x with its interval of 99 %. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): Slope {
  const count = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  let [squares, products] = [0, 0];
  for (const [x, y] of points) {
    squares += (x - meanX) ** 2;
    products += (x - meanX) * (y - meanY);
  }
  if (count < 3 || squares === 0) return { perX: 0, halfWidth: Number.POSITIVE_INFINITY };
  const perX = products / squares;
  const residuals = points.reduce((sum, [x, y]) => {
    return sum + (y - meanY - perX * (x - meanX)) ** 2;
  }, 0);
  const error = Math.sqrt(residuals / (count - 2) / squares);
  return { perX, halfWidth: (QUANTILES[count - 3] ?? QUANTILE_BEYOND) * error };
}
