import { COLUMNS_MIN, type ProgressScreen } from './progress-screen.ts';

const CLEAR_BELOW = '\u001b[J';

/** Lines redrawn in place until the view ends. */
export class RedrawnLines {
  readonly #screen: ProgressScreen;
  readonly #endsView: (error: unknown) => boolean;
  /** The lines on the terminal, without colours. */
  #drawn: readonly string[] = [];
  #painted: readonly string[] = [];
  #cursor: Disposable | null = null;
  #broken = false;

  /** `endsView` returns true for write errors that only end the view. */
  constructor(screen: ProgressScreen, endsView: (error: unknown) => boolean) {
    this.#screen = screen;
    this.#endsView = endsView;
  }

  get columns(): number {
    return Math.max(COLUMNS_MIN, this.#screen.columns());
  }

  /** Replaces the lines. `painted` are the same lines with colours. */
  draw(lines: readonly string[], painted: readonly string[]): void {
    this.#cursor ??= this.#screen.hideCursor?.(() => this.#redraw()) ?? null;
    const start = this.#drawn.length === 0 ? '' : this.#toTop();
    this.write(start + painted.join('\n') + CLEAR_BELOW);
    this.#drawn = lines;
    this.#painted = painted;
  }

  /** Clears the lines; the next output takes their place. */
  clear(): void {
    if (this.#drawn.length === 0) return;
    this.write(this.#toTop() + CLEAR_BELOW);
    this.#drawn = [];
    this.#cursor?.[Symbol.dispose]();
    this.#cursor = null;
  }

  /** Leaves the lines as they are; the next output begins below them. */
  leave(): void {
    if (this.#drawn.length === 0) return;
    this.write('\n');
    this.#drawn = [];
    this.#cursor?.[Symbol.dispose]();
    this.#cursor = null;
  }

  /** Draws the lines below the current output. */
  #redraw(): void {
    const lines = this.#drawn;
    this.#drawn = [];
    this.draw(lines, this.#painted);
  }

  /** Writes text unless the view has ended. */
  write(text: string): void {
    if (this.#broken) return;
    try {
      this.#screen.write(text);
    } catch (error) {
      if (!this.#endsView(error)) throw error;
      this.#broken = true;
    }
  }

  /** Moves to the first line drawn. A terminal that became narrower has wrapped the lines. */
  #toTop(): string {
    const { columns } = this;
    const rows = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)),
      0,
    );
    return rows > 1 ? `\r\u001b[${rows - 1}A` : '\r';
  }
}
