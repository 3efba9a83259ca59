import { html, type Markup } from './markup.ts';

/** The key figures at the top: name, value, and a remark each. */
export function keyFigures(figures: readonly (readonly [string, string, string])[]): Markup {
  const items = figures.map(([name, value, beside]) => {
    return html`<div><dt>${name}</dt><dd>${value}</dd><dd class="beside">${beside}</dd></div>\n`;
  });
  return html`<dl class="key-figures">${items}</dl>`;
}
