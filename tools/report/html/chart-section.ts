import { type DataTable, dataTable } from './data-table.ts';
import { html, type Markup } from './markup.ts';
import type { ChartData } from './page/chart-data.ts';
import { seriesStyles } from './page/series-styles.ts';

/** A chart with its texts and its table. */
export interface ChartSection {
  readonly heading: string;
  /** One sentence: what it shows and how it is read. */
  readonly sentence: string;
  readonly data: ChartData;
  readonly yTitle: string;
  readonly xTitle: string;
  /** Null where there is no axis on the right. */
  readonly rightTitle: string | null;
  readonly table: DataTable;
}

const HINT =
  'Point at the chart, or move through it with the arrow keys, to read what is below the line.';

/** The markup around a chart; the page's script draws it. */
export function chartSection(section: ChartSection): Markup {
  const { heading, sentence, data, table } = section;
  const { id } = data;
  const right = section.rightTitle === null ? '' : html`<span>${section.rightTitle}</span>`;
  return html`<section aria-labelledby="${id}-heading">
<div class="together">
<h2 id="${id}-heading">${heading}</h2>
<p class="sentence">${sentence}</p>
<figure>
${legend(data)}
<p class="axis"><span>${section.yTitle}</span>${right}</p>
<div class="plot" id="${id}" role="group" tabindex="0"
 aria-label="${heading}" aria-describedby="${id}-readout"></div>
<p class="axis across">${section.xTitle}</p>
<p class="readout" id="${id}-readout" aria-live="polite">${HINT}</p>
</figure>
</div>
${folded('The figures behind it', dataTable(table))}
</section>`;
}

/** The data of a chart, folded until the reader opens it. */
export function folded(title: string, content: Markup): Markup {
  return html`<details><summary>${title}</summary>
${content}
</details>`;
}

function legend({ series, heat }: ChartData): Markup {
  const items = series.map(({ name, style, colour, markers }) => {
    const { dash = [], marker = '' } = seriesStyles[style] ?? {};
    const point = markers ? html`<path d="${marker}" transform="translate(19 7) scale(4.5)"/>` : '';
    return html`<li><svg class="swatch" viewBox="0 0 38 14" aria-hidden="true"
 style="color:var(--series-${colour})"><path class="line" d="M1 7H37"
 stroke-dasharray="${dash.join(' ')}"/>${point}</svg>${name}</li>`;
  });
  if (heat !== null) {
    const most = heat.most === 1 ? '1 message' : `1 to ${heat.most.toLocaleString('en')} messages`;
    items.unshift(html`<li><span class="ramp" aria-hidden="true"></span>${most} in a cell</li>`);
  }
  return html`<ul class="legend">${items}</ul>`;
}
