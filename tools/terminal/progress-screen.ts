import { HiddenCursor } from './cursor.ts';
import { prompt } from './output.ts';
import { hasColor } from './style.ts';

/** The least width of a terminal, and that of one which does not report its size. */
export const COLUMNS_MIN = 24;

/** The output for progress lines. */
export interface ProgressScreen {
  /** True to redraw lines in place; else a line is added each second. */
  readonly terminal: boolean;
  readonly color: boolean;
  /** The width of the terminal, which may change at any time. */
  columns(): number;
  write(text: string): void;
  /** Hides the cursor until the result is disposed of. Absent without a cursor. */
  hideCursor?(redraw: () => void): Disposable;
}

/** The standard error of this process. */
export function standardErrorScreen(): ProgressScreen {
  const { stderr, env } = process;
  return {
    terminal: stderr.isTTY === true && env['TERM'] !== 'dumb',
    color: hasColor(stderr),
    columns: () => stderr.columns ?? COLUMNS_MIN,
    write: prompt,
    hideCursor: (redraw) => new HiddenCursor(prompt, redraw),
  };
}
