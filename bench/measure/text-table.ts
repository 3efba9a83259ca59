import type { Quartiles } from '#tools/measure/quartiles.js';
import { textTable } from '#tools/report/text/table.js';

/** A table as wide as its cells: the first column left-aligned, the others right-aligned. */
export function benchTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = head.map((title, at) => ({
    title,
    align: at === 0 ? ('left' as const) : ('right' as const),
  }));
  const lines = textTable(columns, rows, Number.POSITIVE_INFINITY);
  return lines.map((line) => `  ${line}`).join('\n');
}

export function percent(share: number, digits = 0): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/** A median, with its quartiles in brackets; nothing if there is none. */
export function spreadText({ median, lower, upper }: Quartiles, digits: number): string {
  if (Number.isNaN(median)) return '';
  return `${median.toFixed(digits)} (${lower.toFixed(digits)} to ${upper.toFixed(digits)})`;
}
