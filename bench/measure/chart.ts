/** A chart with logarithmic axes as an SVG file of its own. */

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** Tells a line from another of the same colour. */
  readonly dashed: boolean;
  readonly colour: number;
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly Line[];
}

/** Told apart by people who see red and green alike too (Okabe and Ito). */
const COLOURS = ['#000000', '#d55e00', '#0072b2', '#009e73', '#cc79a7', '#e69f00'];
const WIDTH = 760;
const HEIGHT = 440;
const LEFT = 70;
const RIGHT = 190;
const TOP = 44;
const BOTTOM = 52;
const LEGEND_LINE = 20;

export function svgChart(chart: Chart): string {
  const points = chart.lines.flatMap((line) => line.points);
  const x = axis(
    points.map((point) => point.x),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = axis(
    points.map((point) => point.y),
    HEIGHT - BOTTOM,
    TOP,
  );
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  const parts = [
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, TOP - 20, chart.title, 'start', 'font-size="15"'),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, chart.xLabel, 'middle'),
    text(16, middle, chart.yLabel, 'middle', `transform="rotate(-90 16 ${middle})"`),
  ];
  for (const value of x.ticks) {
    parts.push(rule(x.at(value), TOP, x.at(value), HEIGHT - BOTTOM));
    parts.push(text(x.at(value), HEIGHT - BOTTOM + 18, value.toLocaleString('en'), 'middle'));
  }
  for (const value of y.ticks) {
    parts.push(rule(LEFT, y.at(value), WIDTH - RIGHT, y.at(value)));
    parts.push(text(LEFT - 8, y.at(value) + 4, value.toLocaleString('en'), 'end'));
  }
  for (const [i, line] of chart.lines.entries()) parts.push(...drawn(line, i, x.at, y.at));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}"`,
    ' font-family="sans-serif" font-size="12" fill="#222222">\n',
    `<title>${chart.title}</title>\n`,
    parts.join('\n'),
    '\n</svg>\n',
  ].join('');
}

type Place = (value: number) => number;

/** From the power of ten below the smallest value to the one above the largest. */
function axis(values: readonly number[], from: number, to: number) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const at: Place = (value) =>
    round(from + ((Math.log10(value) - low) / (high - low)) * (to - from));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { at, ticks };
}

function drawn(line: Line, index: number, x: Place, y: Place): string[] {
  const colour = COLOURS[line.colour % COLOURS.length];
  const dash = line.dashed ? ' stroke-dasharray="5 4"' : '';
  const stroke = `stroke="${colour}" stroke-width="2" fill="none"${dash}`;
  const places = line.points.map((point) => `${x(point.x)},${y(point.y)}`);
  const legendY = TOP + 10 + index * LEGEND_LINE;
  const legendX = WIDTH - RIGHT + 20;
  return [
    `<polyline points="${places.join(' ')}" ${stroke}/>`,
    ...line.points.map(
      (point) => `<circle cx="${x(point.x)}" cy="${y(point.y)}" r="3" fill="${colour}"/>`,
    ),
    `<line x1="${legendX}" y1="${legendY}" x2="${legendX + 28}" y2="${legendY}" ${stroke}/>`,
    text(legendX + 36, legendY + 4, line.name, 'start'),
  ];
}

function rule(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#dddddd"/>`;
}

function text(x: number, y: number, words: string, anchor: string, more = ''): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" ${more}>${escaped}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
