import { SERVE_LOOPS, type ServeLoop } from './calls.ts';
import type { Cell } from './cells.ts';
import { type CellOutcome, OUTCOMES } from './outcome.ts';

/** A cell and what it has come to. */
export interface Result {
  readonly cell: Cell;
  readonly outcome: CellOutcome;
}

/** The part of the table that a cell belongs to. */
function partOf({ program, gate, variant }: Cell): string {
  const words = variant === null ? program : `${program} ${variant}`;
  if (program !== 'serve' || variant === '--udp') return words;
  return gate === null ? `${words}, while it serves` : `${words}, at its start`;
}

/** The row of a cell: its call and its fault. */
function rowOf({ call, fault }: Cell): string {
  return `${call} | ${fault}`;
}

/** The table call x errno x loop x outcome, in Markdown: a table for each program. */
export function faultsTable(results: readonly Result[]): string {
  const parts = [...new Set(results.map(({ cell }) => partOf(cell)))];
  return parts
    .map((part) => {
      const ours = results.filter(({ cell }) => partOf(cell) === part);
      const loops = SERVE_LOOPS.filter((loop) => ours.some(({ cell }) => cell.loop === loop));
      const rows = [...new Set(ours.map(({ cell }) => rowOf(cell)))];
      const lines = rows.map((row) => {
        const words = loops.map((loop) => wordsOf(ours, row, loop));
        return `| ${row} | ${words.join(' | ')} |`;
      });
      return [
        `### ${part}`,
        '',
        `| call | error | ${loops.join(' | ')} |`,
        `| --- | --- | ${loops.map(() => '---').join(' | ')} |`,
        ...lines,
        '',
      ].join('\n');
    })
    .join('\n');
}

/** `closed / closed / exit 1`, for once, every third and always; one word if they agree. */
function wordsOf(results: readonly Result[], row: string, loop: ServeLoop): string {
  const ours = results.filter(({ cell }) => rowOf(cell) === row && cell.loop === loop);
  if (ours.length === 0) return '';
  const words = ours.map(({ outcome: { word, forbidden } }) => (forbidden ? `**${word}**` : word));
  return new Set(words).size === 1 ? (words[0] ?? '') : words.join(' / ');
}

/** The page of a run. */
export function faultsPage(results: readonly Result[], date: Date): string {
  const bad = results.filter(({ outcome }) => outcome.forbidden);
  const counts = Object.keys(OUTCOMES).map((word) => {
    const count = results.filter(({ outcome }) => outcome.word === word).length;
    return `| ${word} | ${count} | ${OUTCOMES[word]} |`;
  });
  return [
    `Run of ${date.toISOString().slice(0, 10)}: ${results.length} cells, ${bad.length} forbidden.`,
    '',
    '| outcome | cells | what it means |',
    '| --- | ---: | --- |',
    ...counts,
    '',
    faultsTable(results),
  ].join('\n');
}
