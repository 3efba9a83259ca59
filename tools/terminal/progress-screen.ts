import { HiddenCursor } from './cursor.ts';
import { prompt } from './output.ts';
import { hasColor } from './style.ts';

/** A terminal that does not know its size, or is narrower than this, is taken for this wide. */
export const COLUMNS_MIN = 24;

/** Where progress is shown. */
export interface ProgressScreen {
  /** Lines are redrawn in place; else there is one more of them for each second. */
  readonly terminal: boolean;
  readonly color: boolean;
  /** Columns of the terminal, which may change at any time. */
  columns(): number;
  write(text: string): void;
  /** Hides the cursor until what is returned is disposed of; a screen without one has none. */
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
