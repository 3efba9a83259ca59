import type { BenchmarkDocument } from './document.ts';
import { ranking } from './page.ts';
import type { CaseResult, PeerResult } from './results.ts';
import { REFERENCE } from './servers.ts';

/** The ratios of all servers at all cases as one picture: an SVG that is light or dark itself. */

const MARGIN = 16;
const LABEL = 148;
const PANEL = 208;
const PANELS_PER_BAND = 4;
const ROW = 22;
const BAR = 11;
/** Of a panel: its numbers end here, the bars begin behind it. */
const NUMBER = 34;
const BARS = 44;
const TITLE = 62;
const BAND_HEAD = 62;
const BAND_GAP = 14;
const FOOT = 34;
/** Of the title and the foot. */
const WIDTH_MIN = 760;
const RATIO_MIN = 0.8;
/** The scale ends at the first of these that holds every ratio, or at the last, with arrows. */
const RATIOS_MAX = [1.5, 2, 3];
const TICKS = [1, 1.5, 2, 3];

const STYLE = `
svg { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
.ground { fill: #ffffff; } .ink { fill: #1f2328; } .quiet { fill: #59636e; }
.line { stroke: #d1d9e0; } .one { stroke: #818b98; } .stripe { fill: #f6f8fa; }
.other { fill: #8fa6bf; } .ours { fill: #d55e00; } .oursInk { fill: #b34f00; font-weight: 600; }
.spread { stroke: #1f2328; stroke-opacity: 0.7; }
.bold { font-weight: 600; } .title { font-size: 17px; } .small { font-size: 11px; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117; } .ink { fill: #e6edf3; } .quiet { fill: #9198a1; }
  .line { stroke: #2a313c; } .one { stroke: #6e7681; } .stripe { fill: #151b23; }
  .other { fill: #56708c; } .ours { fill: #f0883e; } .oursInk { fill: #ffa657; }
  .spread { stroke: #e6edf3; }
}`;

/** What all panels have in common. */
interface Layout {
  /** The servers, from top to bottom. */
  readonly names: readonly string[];
  readonly titles: ReadonlyMap<string, string>;
  readonly width: number;
  readonly ratioMax: number;
}

export function ratioPicture(document: BenchmarkDocument): string {
  const { cases, servers } = document;
  const ratios = cases.flatMap(({ results }) => results.map(({ ratio }) => ratio.median));
  const largest = Math.max(1, ...ratios);
  const panels = Math.min(cases.length, PANELS_PER_BAND);
  const layout: Layout = {
    names: ranking(document),
    titles: new Map(servers.map(({ name, title }) => [name, title])),
    width: Math.max(WIDTH_MIN, MARGIN + LABEL + PANEL * panels + MARGIN),
    ratioMax: RATIOS_MAX.find((max) => max >= largest) ?? RATIOS_MAX.at(-1) ?? 1,
  };
  const bandHeight = BAND_HEAD + ROW * layout.names.length + BAND_GAP;
  const bands: string[] = [];
  for (let first = 0; first < cases.length; first += PANELS_PER_BAND) {
    const top = TITLE + (first / PANELS_PER_BAND) * bandHeight;
    bands.push(...band(cases.slice(first, first + PANELS_PER_BAND), top + BAND_HEAD, layout));
  }
  const height = TITLE + Math.ceil(cases.length / PANELS_PER_BAND) * bandHeight + FOOT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${layout.width} ${height}" role="img">`,
    '<title>CPU per message of echo servers, as a ratio to a C epoll server</title>',
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${layout.width}" height="${height}"/>`,
    text(MARGIN, 32, 'What a message costs: CPU time of the server', 'ink bold title'),
    text(MARGIN, 54, 'as a ratio to a C epoll server in the slices beside it', 'quiet'),
    ...bands,
    text(MARGIN, height - 16, footOf(document), 'quiet small'),
    '</svg>\n',
  ].join('\n');
}

/** Panels beside each other; `top` is where their first row begins. */
function band(cases: readonly CaseResult[], top: number, layout: Layout): string[] {
  const parts: string[] = [];
  for (const [row, name] of layout.names.entries()) {
    const y = top + row * ROW;
    if (row % 2 === 0) {
      parts.push(`<rect class="stripe" y="${y}" width="${layout.width}" height="${ROW}"/>`);
    }
    parts.push(text(MARGIN, y + 15, layout.titles.get(name) ?? name, inkOf(name)));
  }
  for (const [column, one] of cases.entries()) {
    parts.push(...panel(one, MARGIN + LABEL + column * PANEL, top, layout));
  }
  return parts;
}

function panel({ case: what, results }: CaseResult, x: number, top: number, layout: Layout) {
  const at = (ratio: number): number => round(x + place(ratio, layout.ratioMax));
  const parts = [
    text(at(1), top - 36, what.name, 'ink bold', 'start'),
    text(at(1), top - 21, what.short, 'quiet small', 'start'),
  ];
  for (const tick of TICKS.filter((ratio) => ratio <= layout.ratioMax)) {
    const bottom = top + ROW * layout.names.length;
    const kind = tick === 1 ? 'one' : 'line';
    parts.push(
      text(at(tick), top - 5, `${tick}`, 'quiet small', 'middle'),
      `<line class="${kind}" x1="${at(tick)}" y1="${top}" x2="${at(tick)}" y2="${bottom}"/>`,
    );
  }
  for (const [row, name] of layout.names.entries()) {
    const result = results.find((one) => one.name === name);
    const y = top + row * ROW;
    const words = result === undefined ? '-' : ratioText(result);
    const ink = result === undefined ? 'quiet' : inkOf(name);
    parts.push(text(x + NUMBER, y + 15, words, ink, 'end'));
    if (result !== undefined && name !== REFERENCE) {
      parts.push(...bar(result, at, y + ROW / 2, layout.ratioMax));
    }
  }
  return parts;
}

/** From 1 to the median, with a thin line from quartile to quartile. */
function bar(result: PeerResult, at: (ratio: number) => number, y: number, ratioMax: number) {
  const { median, lower, upper } = result.ratio;
  const from = at(Math.min(1, median));
  const to = at(Math.max(1, median));
  const kind = result.name.startsWith('sockloop') ? 'ours' : 'other';
  const parts = [
    `<rect class="${kind}" x="${from}" y="${y - BAR / 2}" width="${round(to - from)}" ` +
      `height="${BAR}"/>`,
    `<line class="spread" x1="${at(lower)}" y1="${y}" x2="${at(upper)}" y2="${y}"/>`,
  ];
  if (median <= ratioMax) return parts;
  const tip = `${to + 6},${y} ${to},${y - BAR / 2} ${to},${y + BAR / 2}`;
  return [...parts, `<polygon class="${kind}" points="${tip}"/>`];
}

/** Where a ratio lies right of a panel's left edge: a doubling is everywhere as wide. */
function place(ratio: number, ratioMax: number): number {
  const inside = Math.min(Math.max(ratio, RATIO_MIN), ratioMax);
  const share = Math.log(inside / RATIO_MIN) / Math.log(ratioMax / RATIO_MIN);
  return BARS + share * (PANEL - BARS - 14);
}

function ratioText({ name, ratio }: PeerResult): string {
  return name === REFERENCE ? '1' : ratio.median.toFixed(2);
}

function inkOf(name: string): string {
  if (name.startsWith('sockloop')) return 'oursInk';
  return name === REFERENCE ? 'ink bold' : 'ink';
}

function footOf({ machine, plan }: BenchmarkDocument): string {
  return (
    `Medians of ${plan.rounds} slices, with their quartiles; ${machine.cpu}, ${machine.kernel}. ` +
    'The scale is logarithmic; left of 1 is less CPU than C epoll takes.'
  );
}

function text(x: number, y: number, words: string, kind: string, anchor = 'start'): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text class="${kind}" x="${x}" y="${y}" text-anchor="${anchor}">${escaped}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
