import type UPlot from 'uplot';
import type { AxisPlan, ChartData, Series } from './chart-data.ts';
import { drawHeat } from './heat.ts';
import type { Palette } from './palette.ts';
import { ends, marks, placeOf } from './scale.ts';
import { seriesStyles } from './series-styles.ts';

/** A chart as a chart. */

/** The chart library, which the page holds as a script of its own. */
declare const uPlot: typeof UPlot;

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
/** A little more than a digit of that font. */
const DIGIT_PX = 7;
const LINE_PX = 2;
const HALO_PX = 5;
const MARKER_PX = 4.5;
/** Below this width the chart is a little less high, on paper too. */
const NARROW_PX = 660;
const HEIGHT_PX = 330;
const HEIGHT_NARROW_PX = 260;
/** The room a mark needs. */
const MARK_X_PX = 76;
const MARK_Y_PX = 44;

/** Draws `data` into `host`, as wide as that is. Calls `moved` when the cursor moves. */
export function drawChart(
  host: HTMLElement,
  data: ChartData,
  palette: Palette,
  moved: (chart: UPlot) => void,
): UPlot {
  const right = data.right;
  const options: UPlot.Options = {
    ...sizeIn(host),
    padding: [10, right === null ? 18 : 6, 0, 0],
    legend: { show: false },
    cursor: cursorOf(data, palette),
    scales: {
      x: { time: false, range: () => rangeX(data) },
      y: { range: () => rangeY(data, 'left') },
      ...(right === null ? {} : { right: { range: () => rangeY(data, 'right') } }),
    },
    axes: [
      axis(data.x, palette, { scale: 'x', side: 2, size: 30, space: MARK_X_PX }),
      axis(data.y, palette, { scale: 'y', side: 3, size: widthOf, space: MARK_Y_PX }),
      ...(right === null
        ? []
        : [axis(right, palette, { scale: 'right', side: 1, size: widthOf, space: MARK_Y_PX })]),
    ],
    series: [{}, ...data.series.map((series) => seriesOf(series, palette))],
    hooks: {
      drawAxes: [
        (chart) => {
          if (data.heat === null) return;
          drawHeat(chart, data, data.heat, palette);
          drawHalos(chart, palette);
        },
      ],
      drawSeries: [(chart, index) => drawMarkers(chart, data, palette, (index ?? 0) - 1)],
      setCursor: [moved],
    },
  };
  return new uPlot(options, dataOf(data), host);
}

/** The size of a chart in its host. */
export function sizeIn(host: HTMLElement): { width: number; height: number } {
  const width = Math.max(200, Math.floor(host.clientWidth));
  return { width, height: width < NARROW_PX ? HEIGHT_NARROW_PX : HEIGHT_PX };
}

/** What lies at x: the index of the last value that began there or before, or the nearest. */
function indexAt(data: ChartData, closest: number, x: number): number {
  if (data.xEnd === null) return closest;
  const started = (placeOf(data.xs[closest] ?? 0, data.x.scale) ?? 0) <= x;
  return Math.min(data.xs.length - 1, Math.max(0, started ? closest : closest - 1));
}

function cursorOf(data: ChartData, palette: Palette): UPlot.Cursor {
  return {
    y: false,
    drag: { x: false, y: false, setScale: false },
    dataIdx: (_, __, closest, x) => indexAt(data, closest, x),
    points: {
      show: data.xEnd === null,
      size: 9,
      width: 2,
      stroke: palette.surface,
      fill: (_, index) => colourOf(data.series[index - 1], palette),
    },
  };
}

function axis(
  plan: AxisPlan,
  palette: Palette,
  place: { scale: string; side: 1 | 2 | 3; size: UPlot.Axis.Size; space: number },
): UPlot.Axis {
  let words = new Map<number, string>();
  return {
    scale: place.scale,
    side: place.side,
    size: place.size,
    gap: 6,
    font: FONT,
    stroke: palette.muted,
    splits: (chart, _, low, high) => {
      const along = place.side === 2 ? chart.width : chart.height;
      const found = marks(plan, low, high, Math.floor(along / place.space));
      words = new Map(found.map((mark) => [mark.place, mark.words]));
      return [...words.keys()];
    },
    values: (_, splits) => splits.map((split) => words.get(split) ?? ''),
    grid: { show: place.side !== 1, stroke: palette.grid, width: 1 },
    ticks: { show: false },
    border: { show: place.side === 2, stroke: palette.muted, width: 1 },
  };
}

/** The room for the words of an axis at the side. */
function widthOf(_: UPlot, words: string[] | null): number {
  const longest = Math.max(0, ...(words ?? []).map((word) => word.length));
  return longest * DIGIT_PX + 12;
}

function seriesOf(series: Series, palette: Palette): UPlot.Series {
  const colour = colourOf(series, palette);
  const steps = uPlot.paths.stepped?.({ align: 1 });
  return {
    label: series.name,
    scale: series.axis === 'left' ? 'y' : 'right',
    stroke: colour,
    width: LINE_PX,
    dash: [...(seriesStyles[series.style]?.dash ?? [])],
    ...(series.filled ? { fill: `${colour}1f` } : {}),
    ...(series.shape === 'steps' && steps !== undefined ? { paths: steps } : {}),
    points: { show: false },
    spanGaps: true,
  };
}

function colourOf(series: Series | undefined, palette: Palette): string {
  return palette.series[series?.colour ?? 0] ?? palette.muted;
}

function dataOf(data: ChartData): UPlot.AlignedData {
  const { xs, xEnd, series } = data;
  const values = series.map((one) => {
    const kind = (one.axis === 'left' ? data.y : data.right)?.scale ?? 'linear';
    return held(one.values, xEnd).map((value) => (value === null ? null : placeOf(value, kind)));
  });
  return [placesX(xEnd === null ? xs : [...xs, xEnd], data.x), ...values];
}

/** With its last value once more where that holds up to an end. */
function held(values: readonly (number | null)[], xEnd: number | null): (number | null)[] {
  return xEnd === null ? [...values] : [...values, values.at(-1) ?? null];
}

function placesX(xs: readonly number[], { scale }: AxisPlan): number[] {
  return xs.map((x) => placeOf(x, scale) ?? 0);
}

function rangeX({ xs, xEnd, x }: ChartData): UPlot.Range.MinMax {
  const places = placesX(xEnd === null ? xs : [...xs, xEnd], x);
  const [low, high] = [Math.min(...places), Math.max(...places)];
  return xEnd === null ? ends(low, high, x) : [low, high];
}

function rangeY(data: ChartData, side: 'left' | 'right'): UPlot.Range.MinMax {
  const axisPlan = side === 'left' ? data.y : (data.right ?? data.y);
  const values = data.series
    .filter((series) => series.axis === side)
    .flatMap((series) => series.values);
  const { heat } = data;
  if (heat !== null && side === 'left') values.push(...heat.rows);
  const places = values
    .map((value) => (value === null ? null : placeOf(value, axisPlan.scale)))
    .filter((place) => place !== null);
  if (places.length === 0) return [0, 1];
  return ends(least(places), -least(places.map((place) => -place)), axisPlan);
}

/** Of any number of values: as arguments of one call they would not all fit. */
function least(values: readonly number[]): number {
  return values.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
}

/** Room around each line, without which it would be lost among the cells. */
function drawHalos(chart: UPlot, palette: Palette): void {
  const { ctx } = chart;
  const [xs, ...rows] = chart.data;
  ctx.save();
  ctx.strokeStyle = palette.surface;
  ctx.lineWidth = HALO_PX * uPlot.pxRatio;
  ctx.lineJoin = 'round';
  for (const values of rows) {
    const path = new Path2D();
    let before: number | undefined;
    for (const [at, x] of [...(xs ?? [])].entries()) {
      const value = values[at];
      if (typeof x !== 'number' || typeof value !== 'number') continue;
      const [left, top] = [chart.valToPos(x, 'x', true), chart.valToPos(value, 'y', true)];
      if (before === undefined) path.moveTo(left, top);
      else path.lineTo(left, before);
      path.lineTo(left, top);
      before = top;
    }
    ctx.stroke(path);
  }
  ctx.restore();
}

function drawMarkers(chart: UPlot, data: ChartData, palette: Palette, index: number): void {
  const series = data.series[index];
  if (series === undefined || !series.markers) return;
  const outline = new Path2D(seriesStyles[series.style]?.marker ?? '');
  const { ctx } = chart;
  const ratio = uPlot.pxRatio;
  const [xs, ...rows] = chart.data;
  ctx.save();
  ctx.fillStyle = colourOf(series, palette);
  ctx.strokeStyle = palette.surface;
  ctx.setLineDash([]);
  for (const [at, x] of [...(xs ?? [])].entries()) {
    const y = rows[index]?.[at];
    if (typeof x !== 'number' || typeof y !== 'number') continue;
    ctx.save();
    ctx.translate(chart.valToPos(x, 'x', true), chart.valToPos(y, 'y', true));
    ctx.scale(MARKER_PX * ratio, MARKER_PX * ratio);
    ctx.lineWidth = 0.6;
    ctx.stroke(outline);
    ctx.fill(outline);
    ctx.restore();
  }
  ctx.restore();
}
