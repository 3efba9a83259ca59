import type UPlot from 'uplot';
import type { ChartData, Heat } from './chart-data.ts';
import { colourAt, type Palette } from './palette.ts';
import { placeOf } from './scale.ts';

/** The cells of a heat map, drawn below the lines of its chart. */

/** Draws every cell that counted something. */
export function drawHeat(chart: UPlot, data: ChartData, heat: Heat, palette: Palette): void {
  const { ctx, bbox } = chart;
  const columns = heat.columns.map((x) => Math.round(chart.valToPos(x, 'x', true)));
  const rows = rowPlaces(data, heat).map((y) => Math.round(chart.valToPos(y, 'y', true)));
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const [i, counts] of heat.counts.entries()) {
    const [left = 0, right = 0] = columns.slice(i, i + 2);
    for (const [j, count] of counts.entries()) {
      if (count === 0) continue;
      const [bottom = 0, top = 0] = rows.slice(j, j + 2);
      ctx.fillStyle = colourAt(palette.heat, shareOf(count, heat.most));
      ctx.fillRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
    }
  }
  ctx.restore();
}

/** How many messages lie at x (not its place) and in `row`. */
export function countAt(heat: Heat, x: number, row: number): number {
  const after = heat.columns.findIndex((edge) => edge > x);
  return heat.counts[after - 1]?.[row] ?? 0;
}

/** The row of cells in which the place `y` lies, or -1. */
export function rowAt(data: ChartData, heat: Heat, y: number): number {
  const edges = rowPlaces(data, heat);
  const above = edges.findIndex((edge) => edge > y);
  return above - 1;
}

/** The place of the middle of a row. */
export function rowMiddle(data: ChartData, heat: Heat, row: number): number {
  const [low = 0, high = low] = rowPlaces(data, heat).slice(row, row + 2);
  return (low + high) / 2;
}

/** Single messages show beside thousands: the scale of the colours is logarithmic. */
function shareOf(count: number, most: number): number {
  return most <= 1 ? 1 : Math.log(count) / Math.log(most);
}

function rowPlaces({ y }: ChartData, { rows }: Heat): number[] {
  return rows.map((edge) => placeOf(edge, y.scale) ?? 0);
}
