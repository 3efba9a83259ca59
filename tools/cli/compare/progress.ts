import { formatCount } from '#src/base/number-format.js';
import type { CompareProgress } from '../../compare/run.ts';
import { isBrokenPipe } from '../../terminal/exit.ts';
import type { ProgressScreen } from '../../terminal/progress-screen.ts';
import { RedrawnLines } from '../../terminal/redrawn-lines.ts';

const BAR_COLUMNS = 20;

/** Shows the progress of a comparison: a line redrawn in place; in a pipe, one per load point. */
export class CompareProgressView {
  readonly #screen: ProgressScreen;
  readonly #lines: RedrawnLines;
  #words = '';
  #note: string | null = null;

  constructor(screen: ProgressScreen) {
    this.#screen = screen;
    this.#lines = new RedrawnLines(screen, isBrokenPipe);
  }

  show(now: CompareProgress): void {
    if (this.#screen.terminal) {
      if (this.#note === null) this.#redraw(lineOf(now, this.#lines.columns));
    } else if (now.words !== this.#words) {
      this.#lines.write(`${leftWords(now).padStart(10)}  ${now.words}\n`);
    }
    this.#words = now.words;
  }

  /** Words that stand in the place of the progress from here on, on a terminal. */
  note(words: string): void {
    this.#note = words;
    if (this.#screen.terminal) this.#redraw(words.slice(0, this.#lines.columns - 1));
  }

  /** Takes the progress from the terminal: what is printed next stands in its place. */
  clear(): void {
    this.#lines.clear();
  }

  #redraw(line: string): void {
    const { color } = this.#screen;
    const painted = color ? line.replace(/\[(=*>?)/, '[\u001b[36m$1\u001b[0m') : line;
    this.#lines.draw([line], [painted]);
  }
}

/** The line of a terminal with `columns` columns; the last one stays free. */
export function lineOf(now: CompareProgress, columns: number): string {
  const { words, detail, doneMs, totalMs } = now;
  const done = totalMs === 0 ? 0 : Math.round((doneMs / totalMs) * BAR_COLUMNS);
  const tip = done > 0 && done < BAR_COLUMNS ? '>' : '';
  const bar = ('='.repeat(done - tip.length) + tip).padEnd(BAR_COLUMNS);
  const left = leftWords(now).padStart(9);
  const what = detail === '' ? words : `${words}, ${detail}`;
  const whole = `[${bar}] ${left}  ${what}`;
  // A narrow terminal loses the bar first.
  return (whole.length < columns ? whole : `${left}  ${what}`.trim()).slice(0, columns - 1);
}

function leftWords({ doneMs, totalMs }: CompareProgress): string {
  if (totalMs === 0) return '';
  return `${formatCount(Math.ceil((totalMs - doneMs) / 1000))} s left`;
}
