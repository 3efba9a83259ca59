import { counted, formatRate, formatTime } from '#src/base/number-format.js';
import type { LoadProgress } from '../../load/engine/run.ts';
import type { ProgressScreen } from '../../terminal/progress-screen.ts';
import { RedrawnLines } from '../../terminal/redrawn-lines.ts';

/** Widest line: longer ones are hard to read. */
const COLUMNS_MAX = 100;
const LINE_MS = 1000;

const CLEAR_LINE_END = '\u001b[K';

const PHASES: Readonly<Record<LoadProgress['phase'], string>> = {
  connecting: 'connecting',
  ramp: 'ramping up',
  warmup: 'warming up',
  measuring: 'measuring',
  ending: 'ending',
};
const PHASE_COLUMNS = 10;
const BAR_COLUMNS_MIN = 6;

/** Shows the progress of a run: two lines redrawn in place, or a line a second in a pipe. */
export class ProgressView {
  readonly #screen: ProgressScreen;
  readonly #lines: RedrawnLines;
  readonly #startAtMs: number | null;
  #nextLineMs = LINE_MS;
  #last: LoadProgress | null = null;
  #note: string | null = null;
  #announced = false;

  /** `startAtMs` is when the run is to begin, on the wall clock; null is at once. */
  constructor(screen: ProgressScreen, startAtMs: number | null = null) {
    this.#screen = screen;
    // Output that fails (no reader, full disk) does not end the measurement. The summary reports
    // such errors.
    this.#lines = new RedrawnLines(screen, () => true);
    this.#startAtMs = startAtMs;
  }

  show(now: LoadProgress): void {
    this.#last = now;
    if (this.#screen.terminal) this.#redraw(now);
    else if (this.#waitMs(now) > 0) this.#announce(now);
    else if (now.elapsedMs >= this.#nextLineMs) {
      this.#lines.write(`${plainLine(now)}\n`);
      // A step that came late is made once.
      this.#nextLineMs = (Math.floor(now.elapsedMs / LINE_MS) + 1) * LINE_MS;
    }
  }

  /** Replaces the figures by `words` from now on, on a terminal. */
  note(words: string): void {
    this.#note = words;
    if (this.#screen.terminal && this.#last !== null) this.#redraw(this.#last);
  }

  /** Clears the progress, so that the next output takes its place. */
  clear(): void {
    this.#lines.clear();
  }

  #redraw(now: LoadProgress): void {
    const { color } = this.#screen;
    const { columns } = this.#lines;
    const [bar = '', figures = ''] = progressLines(now, columns, this.#waitMs(now));
    const lines = [bar, this.#note?.slice(0, columns - 1) ?? figures];
    const painted = lines.map((line) => (color ? colored(line) : line) + CLEAR_LINE_END);
    this.#lines.draw(lines, painted);
  }

  /** How long the run still has to wait for its time. */
  #waitMs({ phase }: LoadProgress): number {
    if (phase !== 'connecting' || this.#startAtMs === null) return 0;
    return Math.max(0, this.#startAtMs - Date.now());
  }

  /** In a pipe it is said once. */
  #announce(now: LoadProgress): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#lines.write(`begins in ${seconds(this.#waitMs(now))}\n`);
  }
}

/**
 * The two lines of a terminal with so many columns, of which the last is left free. `waitMs` is how
 * long the run has to wait for its beginning.
 */
export function progressLines(now: LoadProgress, columns: number, waitMs = 0): string[] {
  const width = Math.min(columns, COLUMNS_MAX) - 1;
  if (waitMs > 0) return [`begins in ${seconds(waitMs)}`, figuresOf(now, width)];
  const phase = PHASES[now.phase].padEnd(PHASE_COLUMNS);
  const left = `${seconds(Math.max(0, now.totalMs - now.elapsedMs))} left`;
  const bar = width - phase.length - left.length - ' [] '.length;
  const first =
    bar < BAR_COLUMNS_MIN ? `${phase} ${left}` : `${phase} [${barOf(now, bar)}] ${left}`;
  return [first.slice(0, width), figuresOf(now, width)];
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function barOf({ elapsedMs, totalMs }: LoadProgress, columns: number): string {
  const share = totalMs > 0 ? Math.min(1, Math.max(0, elapsedMs / totalMs)) : 0;
  const done = Math.round(share * columns);
  const tip = done > 0 && done < columns ? '>' : '';
  return ('='.repeat(done - tip.length) + tip).padEnd(columns);
}

/** The figures that fit into `width`, the most important ones first to be chosen. */
function figuresOf(now: LoadProgress, width: number): string {
  const errors = now.errors === 0 ? 'no errors' : counted(now.errors, 'error');
  const connections = counted(now.connections, 'connection');
  // In the order of the line, each with its rank. Before the measured time there is no rate, and
  // before its first second is over there are no times.
  const measures = now.phase === 'measuring' || now.phase === 'ending';
  const fields: [rank: number, text: string][] = [
    [0, measures ? formatRate(Math.round(now.perSecond)) : ''],
    [3, now.p50Us > 0 ? `p50 ${formatTime(now.p50Us)}` : ''],
    [2, now.p99Us > 0 ? `p99 ${formatTime(now.p99Us)}` : ''],
    [now.errors === 0 ? 5 : 1, errors],
    [4, connections],
  ];
  const gap = width >= 60 ? '   ' : '  ';
  const chosen = new Set<number>();
  let used = 0;
  for (const [rank, text] of fields.toSorted(([one], [two]) => one - two)) {
    const needed = text.length + (chosen.size === 0 ? 0 : gap.length);
    if (text === '' || used + needed > width) continue;
    used += needed;
    chosen.add(rank);
  }
  return fields.flatMap(([rank, text]) => (chosen.has(rank) ? [text] : [])).join(gap);
}

/** The bar and the figures in their colours. */
function colored(line: string): string {
  return line
    .replace(
      /\[(=*>?)( *)\]/,
      (_, done: string, rest: string) => `[\u001b[36m${done}\u001b[0m${rest}]`,
    )
    .replace(/\d[\d,]* errors?\b/, (text) => `\u001b[31m${text}\u001b[0m`);
}

/** One line for a log: `   3.5 s  measuring   182,331/s   p50 243 us   p99 1.21 ms   no errors`. */
function plainLine(now: LoadProgress): string {
  const phase = PHASES[now.phase].padEnd(PHASE_COLUMNS);
  return `${seconds(now.elapsedMs).padStart(8)}  ${phase}  ${figuresOf(now, COLUMNS_MAX)}`;
}
