import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { HiddenCursor } from '../../terminal/cursor.ts';
import { ExpectedError } from '../../terminal/exit.ts';
import { printError, printOut, writeOut } from '../../terminal/output.ts';
import { COLUMNS_MIN, type ProgressScreen } from '../../terminal/progress-screen.ts';
import { RedrawnLines } from '../../terminal/redrawn-lines.ts';
import { onStopSignals } from '../../terminal/stop-signals.ts';
import { hasColor } from '../../terminal/style.ts';
import { Keys } from './keys.ts';
import { topLine, topLines } from './lines.ts';
import { type Figures, figuresOf } from './rates.ts';
import { scrape } from './scrape.ts';
import type { Snapshot } from './snapshot.ts';

/** How to look at a server. */
export interface TopPlan {
  readonly url: string;
  readonly intervalMs: number;
  /** Shows the first figures and ends. */
  readonly once: boolean;
}

const CLEAR_LINE_END = '\u001b[K';
/** A pipe has no rows, and no width that matters. */
const PLAIN = { columns: 80, rows: 1000 };
const ANSWER_MS_MIN = 1000;

/** Looks at the server until it ends, or is told to. Rejects if it does not answer at first. */
export async function runTop({ url, intervalMs, once: isOnce }: TopPlan): Promise<void> {
  const limitMs = Math.max(ANSWER_MS_MIN, intervalMs);
  let before = await scrape(url, limitMs);
  const startMs = before.atMs;
  const ended = new AbortController();
  const view = isOnce ? null : openView(url, startMs);
  using _signals = onStopSignals(() => ended.abort());
  using _keys = new Keys(() => ended.abort());
  using _view = { [Symbol.dispose]: () => view?.end() };
  while (await paused(intervalMs, ended.signal)) {
    const now = await looked(url, limitMs);
    if (now === null) return;
    const figures = figuresOf(before, now);
    before = now;
    if (view === null) {
      for (const line of topLines(figures, url, PLAIN.columns + 1, PLAIN.rows)) printOut(line);
      return;
    }
    view.show(figures);
  }
}

/** True once the time has passed; false if the view has to end. */
async function paused(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  const ended = once(signal, 'abort').then(() => false);
  return await Promise.race([pause(ms, true), ended]);
}

/** The next look; null, and a word, if the server has gone. */
async function looked(url: string, limitMs: number): Promise<Snapshot | null> {
  try {
    return await scrape(url, limitMs);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    printError(`sockloop: ${error.message}`);
    return null;
  }
}

interface View {
  show(figures: Figures): void;
  end(): void;
}

function openView(url: string, startMs: number): View {
  const screen = standardOutputScreen();
  if (!screen.terminal) {
    return {
      show: (figures) => printOut(topLine(figures, (figures.now.atMs - startMs) / 1000)),
      end: () => undefined,
    };
  }
  const lines = new RedrawnLines(screen, () => false);
  return {
    show: (figures) => {
      const rows = process.stdout.rows ?? PLAIN.rows;
      const text = topLines(figures, url, lines.columns, rows);
      const painted = text.map((line, index) => paintedLine(line, index, screen) + CLEAR_LINE_END);
      lines.draw(text, painted);
    },
    // What was shown last stays, and the shell goes on below.
    end: () => lines.leave(),
  };
}

/** The head is bold, and the labels are dim. */
function paintedLine(line: string, index: number, { color }: ProgressScreen): string {
  if (!color) return line;
  if (index === 0) return `\u001b[1m${line}\u001b[0m`;
  return line.replace(
    /^(connections|traffic|loop lag|process|\s*thread\b.*)/,
    '\u001b[2m$1\u001b[0m',
  );
}

function standardOutputScreen(): ProgressScreen {
  const { stdout, env } = process;
  const write = (text: string): void => writeOut(Buffer.from(text));
  return {
    terminal: stdout.isTTY === true && env['TERM'] !== 'dumb',
    color: hasColor(stdout),
    columns: () => stdout.columns ?? COLUMNS_MIN,
    write,
    hideCursor: (redraw) => new HiddenCursor(write, redraw),
  };
}
