import { type Figure, figureMarkup } from './data-table.ts';
import { html, type Markup } from './markup.ts';
import { grouped } from './page/figures.ts';

/** Bars without a chart: each group is a small table, so that it reads without eyes too. */

interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly name: string;
  readonly total: Figure;
  /** What the bar is made of, from the left: about the total. */
  readonly parts: readonly number[];
  /** Half of the rounds lie between these. */
  readonly lower: number;
  readonly upper: number;
}

/** The bars of each group on a scale of its own, the best one first. */
export function barGroups(groups: readonly BarGroup[], valueTitle: string): Markup {
  return html`<div class="groups">${groups.map((group) => barTable(group, valueTitle))}</div>`;
}

function barTable({ title, bars }: BarGroup, valueTitle: string): Markup {
  const most = Math.max(...bars.map(({ upper, total }) => Math.max(upper, total.value ?? 0)));
  const share = (value: number): string => (most === 0 ? 0 : (value / most) * 100).toFixed(2);
  const rows = bars.map(({ name, total, parts, lower, upper }, index) => {
    const pieces = parts.map((part, at) => {
      return html`<i${at === 0 ? '' : html` class="soft"`} style="width:${share(part)}%"></i>`;
    });
    const spread = html`<s style="left:${share(lower)}%;width:${share(upper - lower)}%"></s>`;
    return html`<tr${index === 0 ? html` class="best"` : ''}><th scope="row">${name}</th>
<td><span class="bar" aria-hidden="true">${pieces}${spread}</span></td>
<td class="value">${figureMarkup(total)}</td></tr>\n`;
  });
  return html`<table class="bars">
<caption>${title}</caption>
<colgroup><col class="name"><col><col class="value"></colgroup>
<thead><tr><th scope="col">loop</th><td></td><th scope="col">${valueTitle}</th></tr></thead>
<tbody>${rows}</tbody>
</table>`;
}

/** What the colours of the parts of a bar mean. */
export function barKey(names: readonly string[]): Markup {
  const items = names.map((name, index) => {
    const look = index === 0 ? 'key' : 'key soft';
    return html`<li><span class="${look}" aria-hidden="true"></span>${name}</li>`;
  });
  return html`<ul class="legend">${items}</ul>`;
}

/** `1 connection`, `1,000 connections`. */
export function connectionWords(count: number): string {
  return `${grouped(count)} ${count === 1 ? 'connection' : 'connections'}`;
}
