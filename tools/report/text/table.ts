/** How a column of a table is set. The last one takes what is left of the line and wraps. */
interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/** Between two columns. */
const GAP = '  ';

/** A last column narrower than this is not readable: the table gets wider instead. */
const LAST_COLUMNS_MIN = 20;

/**
 * A table for a terminal of `width` columns, one string for each line, without a frame.
 *
 * The last column is wrapped between words; the others are as wide as their longest cell.
 */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  const before = widths.slice(0, -1);
  const used = before.reduce((sum, columnWidth) => sum + columnWidth + GAP.length, 0);
  const left = Math.max(LAST_COLUMNS_MIN, width - used);
  const indent = ' '.repeat(used);
  const lines: string[] = [];
  for (const row of [columns.map(({ title }) => title), ...rows]) {
    const front = before.map((columnWidth, index) => {
      const cell = row[index] ?? '';
      return columns[index]?.align === 'right'
        ? cell.padStart(columnWidth)
        : cell.padEnd(columnWidth);
    });
    const [first = '', ...more] = wrapped(row[widths.length - 1] ?? '', left);
    const last = columns.at(-1)?.align === 'right' ? first.padStart(widths.at(-1) ?? 0) : first;
    lines.push([...front, last].join(GAP).trimEnd());
    lines.push(...more.map((words) => indent + words));
  }
  return lines;
}

/** `text` in lines of at most `columns` columns, broken between words where that is possible. */
export function wrapped(text: string, columns: number): string[] {
  // A terminal that does not know its size says 0.
  const width = Math.max(1, columns);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
    while (line.length > width) {
      // A path may be longer than any line.
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  lines.push(line);
  return lines;
}
