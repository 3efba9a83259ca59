import { COLUMNS_MIN, type ProgressScreen } from './progress-screen.ts';

const CLEAR_BELOW = '\u001b[J';

/** Lines that stay where they are while they change, for as long as somebody looks on. */
export class RedrawnLines {
  readonly #screen: ProgressScreen;
  readonly #endsView: (error: unknown) => boolean;
  /** What is on the terminal, without its colours. */
  #drawn: readonly string[] = [];
  #painted: readonly string[] = [];
  #cursor: Disposable | null = null;
  #broken = false;

  /** `endsView` says of an error of writing that it only means that nobody looks on any more. */
  constructor(screen: ProgressScreen, endsView: (error: unknown) => boolean) {
    this.#screen = screen;
    this.#endsView = endsView;
  }

  get columns(): number {
    return Math.max(COLUMNS_MIN, this.#screen.columns());
  }

  /** Puts `lines` in the place of those before; `painted` are the same with their colours. */
  draw(lines: readonly string[], painted: readonly string[]): void {
    this.#cursor ??= this.#screen.hideCursor?.(() => this.#redraw()) ?? null;
    const start = this.#drawn.length === 0 ? '' : this.#toTop();
    this.write(start + painted.join('\n') + CLEAR_BELOW);
    this.#drawn = lines;
    this.#painted = painted;
  }

  /** Takes them from the terminal: what is printed next stands in their place. */
  clear(): void {
    if (this.#drawn.length === 0) return;
    this.write(this.#toTop() + CLEAR_BELOW);
    this.#drawn = [];
    this.#cursor?.[Symbol.dispose]();
    this.#cursor = null;
  }

  /** Below whatever stands on the terminal now. */
  #redraw(): void {
    const lines = this.#drawn;
    this.#drawn = [];
    this.draw(lines, this.#painted);
  }

  /** Writes a text as it is, unless nobody looks on. */
  write(text: string): void {
    if (this.#broken) return;
    try {
      this.#screen.write(text);
    } catch (error) {
      if (!this.#endsView(error)) throw error;
      this.#broken = true;
    }
  }

  /** To the beginning of what was drawn, which takes more rows if the terminal has got narrower. */
  #toTop(): string {
    const { columns } = this;
    const rows = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)),
      0,
    );
    return rows > 1 ? `\r\u001b[${rows - 1}A` : '\r';
  }
}
