import { type Content, html, Markup } from './markup.ts';
import { fixed } from './page/figures.ts';

/** Tables of figures: the words are rounded, and each cell holds its number as it was measured. */

interface Column {
  readonly title: string;
  readonly kind: 'words' | 'number';
}

/** A number with the words for it, or words. */
export type Cell = Content | Figure;

export interface Figure {
  readonly value: number | null;
  readonly words: string;
}

export interface DataTable {
  readonly caption: string;
  /** The first one names the rows. */
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A column of numbers, and one of words. */
export const numbers = (title: string): Column => ({ title, kind: 'number' });
export const words = (title: string): Column => ({ title, kind: 'words' });

/** A number to so many digits after the point (0 to 3); null is a dash. */
export function figure(value: number | null, digits = 0): Figure {
  return { value, words: value === null ? '\u{2013}' : fixed(value, digits) };
}

/** The table in a frame that scrolls, for keys too, where the page is too narrow for it. */
export function dataTable({ caption, columns, rows }: DataTable): Markup {
  const head = columns.map(({ title, kind }) => {
    return html`<th scope="col"${classOf(kind)}>${title}</th>`;
  });
  const body = rows.map((row) => {
    const cells = row.map((cell, index) => {
      const content = isFigure(cell) ? figureMarkup(cell) : cell;
      if (index === 0) return html`<th scope="row"${classOf(columns[0]?.kind)}>${content}</th>`;
      return html`<td${classOf(columns[index]?.kind)}>${content}</td>`;
    });
    return html`<tr>${cells}</tr>\n`;
  });
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
<table>
<caption>${caption}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody>
</table>
</div>`;
}

/** The unrounded number is in the page too, for programs. */
export function figureMarkup({ value, words: text }: Figure): Markup {
  return value === null ? html`${text}` : html`<data value="${value}">${text}</data>`;
}

function isFigure(cell: Cell): cell is Figure {
  return typeof cell === 'object' && 'value' in cell;
}

function classOf(kind: Column['kind'] | undefined): Markup {
  return new Markup(kind === 'number' ? ' class="number"' : '');
}
