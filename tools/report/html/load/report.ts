import type { LoadDocument, Verdict } from '../../../load/document.ts';
import { formatEndpoint } from '../../../load/plan/words.ts';
import { chartSection } from '../chart-section.ts';
import { keyFigures } from '../key-figures.ts';
import { html, type Markup } from '../markup.ts';
import { page } from '../page-shell.ts';
import { heatSection, keyFiguresOf, percentileSection, throughputSection } from './charts.ts';
import { errorsSection, generatorSection, planSection, summaryOf } from './facts.ts';

/**
 * A load run as one HTML file that needs nothing else: no network, no other file.
 *
 * Throws an Error where a histogram of the document cannot be read.
 */
export function loadReport(document: LoadDocument): string {
  const sections = [
    throughputSection(document),
    percentileSection(document),
    heatSection(document),
  ].filter(({ data: { xs, heat } }) => xs.length > 0 && heat?.most !== 0);
  const server = formatEndpoint(document.plan.endpoint);
  const missing =
    sections.length > 0
      ? []
      : [html`<p class="sentence">No reply came while it was measured: there is no chart.</p>`];
  return page({
    title: `Load on ${server} - sockloop`,
    command: 'sockloop load',
    heading: `Load on ${server}`,
    summary: summaryOf(document),
    body: [
      verdictBanner(document.verdict),
      keyFigures(keyFiguresOf(document)),
      ...missing,
      ...sections.map(chartSection),
      errorsSection(document),
      generatorSection(document),
      planSection(document),
    ],
    charts: sections.map(({ data }) => data),
    document,
    fileName: `sockloop-load-${document.startedAt.slice(0, 19).replaceAll(/[^\dT]/g, '')}.json`,
  });
}

function verdictBanner({ valid, reasons }: Verdict): Markup {
  const list = reasons.map((reason) => html`<li>${reason}</li>`);
  const details = reasons.length === 0 ? '' : html`<ul>${list}</ul>`;
  const mark = valid ? html`<path d="M8 12.5l3 3 5.5-6.5"/>` : html`<path d="M9 9l6 6M15 9l-6 6"/>`;
  return html`<section class="verdict${valid ? '' : ' bad'}" aria-labelledby="verdict-heading">
<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10"/>${mark}</svg>
<h2 id="verdict-heading">${valid ? 'VALID' : 'INVALID'}</h2>
<p>${
    valid
      ? 'The generator kept up, so these figures are the server\u{2019}s.'
      : 'Do not compare these figures with others:'
  }</p>
${details}
</section>`;
}
