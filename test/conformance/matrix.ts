import type { Case } from './case.ts';
import type { LoopTarget } from './environment.ts';

/** The result of one case on one backend. */
type Cell = 'pass' | 'fail' | { readonly skip: string };

export interface Row {
  readonly name: string;
  readonly laws: Case['laws'];
  readonly cells: Map<string, Cell>;
}

/** The matrix backend x case, as lines for a terminal and as a page. */
export function matrixPage(
  targets: readonly LoopTarget[],
  rows: readonly Row[],
): { text: string; markdown: string } {
  const names = targets.map((target) => target.name);
  const notes: string[] = [];
  const noteOf = (reason: string): number => {
    if (!notes.includes(reason)) notes.push(reason);
    return notes.indexOf(reason) + 1;
  };
  const word = (cell: Cell | undefined): string => {
    if (cell === undefined) return '-';
    return typeof cell === 'string' ? cell : `skip ${noteOf(cell.skip)}`;
  };
  const table = rows.map((row) => ({
    name: row.laws.length === 0 ? row.name : `${row.name} (${row.laws.join(', ')})`,
    words: names.map((name) => word(row.cells.get(name))),
  }));
  const reasons = notes.map((note, index) => `${index + 1}. ${note}`);
  return {
    text: [...tally(names, rows), ...reasons.map((reason) => `  skip ${reason}`)].join('\n'),
    markdown: [
      '# Conformance',
      '',
      'Every case of `test/conformance` over every backend, as `make docs` saw it.',
      'The numbers behind a case are the laws of `src/loop/backend.ts` that it shows, with a D',
      'those of `src/loop/datagram/contract.ts`. A simulated kernel is named with the platform',
      'whose calls and structures it answers with.',
      '',
      `| case | ${names.join(' | ')} |`,
      `| --- | ${names.map(() => '---').join(' | ')} |`,
      ...table.map(({ name, words }) => `| ${name} | ${words.join(' | ')} |`),
      '',
      ...(reasons.length === 0 ? [] : ['What was skipped, and why:', '', ...reasons, '']),
    ].join('\n'),
  };
}

/** A line for each backend: how many passed, were skipped, failed. */
function tally(names: readonly string[], rows: readonly Row[]): string[] {
  const width = Math.max(...names.map((name) => name.length));
  return names.map((name) => {
    const cells = rows.map((row) => row.cells.get(name));
    const count = (wanted: string): number => cells.filter((cell) => cell === wanted).length;
    const skipped = cells.filter((cell) => typeof cell === 'object').length;
    const counts = `${count('pass')} pass, ${skipped} skip, ${count('fail')} fail`;
    return `conformance ${name.padEnd(width)}  ${counts}`;
  });
}
