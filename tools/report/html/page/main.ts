/** Draws the charts once the page is open, and again when its colours or its width change. */

import type UPlot from 'uplot';
import { drawChart, sizeIn } from './chart.ts';
import type { ChartData } from './chart-data.ts';
import { CursorReadout } from './cursor-readout.ts';
import { readPalette } from './palette.ts';

interface Drawn {
  readonly data: ChartData;
  readonly host: HTMLElement;
  readonly readout: CursorReadout;
  chart: UPlot;
}

const root = document.documentElement;
const drawn: Drawn[] = [];

for (const data of JSON.parse(textOf('charts')) as ChartData[]) {
  const host = document.getElementById(data.id);
  const output = document.getElementById(`${data.id}-readout`);
  if (host === null || output === null) continue;
  const readout = new CursorReadout(data, output);
  drawn.push({ data, host, readout, chart: draw(data, host, readout) });
}
for (const one of drawn) listen(one);
offerDocument();

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
// A printer takes the page as it stands at this moment: light, as wide as paper, nothing folded.
addEventListener('beforeprint', () => print(true));
addEventListener('afterprint', () => print(false));
matchMedia('print').addEventListener('change', ({ matches }) => print(matches));

function textOf(id: string): string {
  return document.getElementById(id)?.textContent ?? '';
}

function draw(data: ChartData, host: HTMLElement, readout: CursorReadout): UPlot {
  return drawChart(host, data, readPalette(), (chart) => readout.moved(chart));
}

function redraw(): void {
  for (const one of drawn) {
    one.chart.destroy();
    one.chart = draw(one.data, one.host, one.readout);
  }
}

function listen(one: Drawn): void {
  one.host.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (one.readout.keyed(one.chart, event.key)) event.preventDefault();
  });
  one.host.addEventListener('blur', () => one.chart.setCursor({ left: -10, top: -10 }));
  new ResizeObserver(() => {
    const size = sizeIn(one.host);
    if (size.width !== one.chart.width || size.height !== one.chart.height) one.chart.setSize(size);
  }).observe(one.host);
}

function print(printing: boolean): void {
  if (root.classList.contains('printing') === printing) return;
  root.classList.toggle('printing', printing);
  for (const details of document.querySelectorAll('details')) {
    if (printing && !details.open) details.dataset['folded'] = '';
    if (printing) details.open = true;
    else if (details.dataset['folded'] !== undefined) {
      details.open = false;
      delete details.dataset['folded'];
    }
  }
  redraw();
}

/** Lets the reader save what the page was made from; without a script the link would be dead. */
function offerDocument(): void {
  const link = document.querySelector<HTMLAnchorElement>('a#save');
  if (link === null) return;
  link.href = URL.createObjectURL(new Blob([textOf('document')], { type: 'application/json' }));
  link.hidden = false;
}
