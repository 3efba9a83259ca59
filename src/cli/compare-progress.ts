import { formatCount } from '../load/figures.ts';
import type { CompareProgress } from './compare-run.ts';
import { isBrokenPipe } from './exit.ts';
import type { ProgressScreen } from './progress.ts';

/** A terminal that does not know its size, or is narrower than this, is taken for this wide. */
const COLUMNS_MIN = 24;
const BAR_COLUMNS = 20;

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_BELOW = '\u001b[J';

/** Shows how a comparison goes: a line that stays where it is; in a pipe, one for each place. */
export class CompareProgressView {
  readonly #screen: ProgressScreen;
  #drawn = '';
  #words = '';
  #note: string | null = null;
  #broken = false;

  constructor(screen: ProgressScreen) {
    this.#screen = screen;
  }

  show(now: CompareProgress): void {
    if (this.#screen.terminal) {
      if (this.#note === null) this.#redraw(lineOf(now, this.#columns()));
    } else if (now.words !== this.#words) {
      this.#write(`${leftWords(now).padStart(10)}  ${now.words}\n`);
    }
    this.#words = now.words;
  }

  /** Words that stand in the place of the progress from here on, on a terminal. */
  note(words: string): void {
    this.#note = words;
    if (this.#screen.terminal) this.#redraw(words.slice(0, this.#columns() - 1));
  }

  /** Takes the progress from the terminal: what is printed next stands in its place. */
  clear(): void {
    if (this.#drawn === '') return;
    this.#write(this.#toStart() + CLEAR_BELOW + SHOW_CURSOR);
    this.#drawn = '';
  }

  #redraw(line: string): void {
    const start = this.#drawn === '' ? HIDE_CURSOR : this.#toStart();
    const { color } = this.#screen;
    const painted = color ? line.replace(/\[(=*>?)/, '[\u001b[36m$1\u001b[0m') : line;
    this.#write(start + painted + CLEAR_BELOW);
    this.#drawn = line;
  }

  /** To the beginning of what was drawn, which takes more rows if the terminal has got narrower. */
  #toStart(): string {
    const rows = Math.max(1, Math.ceil(this.#drawn.length / this.#columns()));
    return rows > 1 ? `\r\u001b[${rows - 1}A` : '\r';
  }

  #columns(): number {
    return Math.max(COLUMNS_MIN, this.#screen.columns());
  }

  #write(text: string): void {
    if (this.#broken) return;
    try {
      this.#screen.write(text);
    } catch (error) {
      // Nobody looks on any more, which is no reason to end the measurement.
      if (!isBrokenPipe(error)) throw error;
      this.#broken = true;
    }
  }
}

/** The line of a terminal with so many columns, of which the last is left free. */
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
