import type UPlot from 'uplot';
import type { ChartData } from './chart-data.ts';
import { countWords, grouped, timeWords, valueWords } from './figures.ts';
import { countAt, rowAt, rowMiddle } from './heat.ts';

/** The values at the cursor, as text below the chart. The pointer or the keyboard moves it. */
export class CursorReadout {
  readonly #data: ChartData;
  readonly #output: HTMLElement;
  readonly #hint: string;
  /** Where the keyboard is; the pointer moves it too. */
  #index = -1;
  #row = -1;

  constructor(data: ChartData, output: HTMLElement) {
    this.#data = data;
    this.#output = output;
    this.#hint = output.textContent ?? '';
  }

  /** The cursor of the chart has moved, or gone. */
  moved(chart: UPlot): void {
    const { idx, left = -1, top = -1 } = chart.cursor;
    if (idx === null || idx === undefined || left < 0) {
      this.#output.textContent = this.#hint;
      return;
    }
    const last = this.#data.xs.length - 1;
    // The index of a series is exact where that of the axis is the nearest.
    this.#index = Math.min(last, chart.cursor.idxs?.[1] ?? idx);
    const { heat } = this.#data;
    if (heat !== null) this.#row = rowAt(this.#data, heat, chart.posToVal(top, 'y'));
    this.#output.replaceChildren(...this.#parts().map(([name, words]) => part(name, words)));
  }

  /** Moves the cursor by a key. Returns whether the key does that. */
  keyed(chart: UPlot, key: string): boolean {
    const last = this.#data.xs.length - 1;
    const steps: Record<string, number> = {
      ArrowLeft: this.#index - 1,
      ArrowRight: this.#index + 1,
      PageUp: this.#index - 10,
      PageDown: this.#index + 10,
      Home: 0,
      End: last,
      ArrowUp: this.#index,
      ArrowDown: this.#index,
    };
    if (key === 'Escape') {
      chart.setCursor({ left: -10, top: -10 });
      return true;
    }
    const index = steps[key];
    if (index === undefined) return false;
    const { heat } = this.#data;
    if (heat === null && (key === 'ArrowUp' || key === 'ArrowDown')) return false;
    if (key === 'ArrowUp') this.#row = Math.min((heat?.rows.length ?? 0) - 2, this.#row + 1);
    if (key === 'ArrowDown') this.#row = Math.max(0, this.#row - 1);
    this.#point(chart, Math.min(last, Math.max(0, index)));
    return true;
  }

  #point(chart: UPlot, index: number): void {
    const { heat } = this.#data;
    const xs = chart.data[0];
    const [start = 0, end = start] = [xs[index], xs[index + 1]].map((x) => x ?? undefined);
    const x = this.#data.xEnd === null ? start : (start + end) / 2;
    const top =
      heat === null || this.#row < 0
        ? 0
        : chart.valToPos(rowMiddle(this.#data, heat, this.#row), 'y');
    chart.setCursor({ left: chart.valToPos(x, 'x'), top });
  }

  #parts(): [name: string, words: string][] {
    const { xs, xEnd, x, series, heat } = this.#data;
    const at = this.#index;
    const start = xs[at] ?? 0;
    const end = xs[at + 1] ?? xEnd ?? start;
    const where =
      xEnd === null ? valueWords(start, x.unit) : `${grouped(start, 1)} to ${grouped(end, 1)} s`;
    const parts: [string, string][] = [['', x.unit === 'count' ? grouped(start) : where]];
    for (const { name, unit, values } of series) {
      const value = values[at] ?? null;
      if (value !== null) parts.push([name, valueWords(value, unit)]);
    }
    const [below, above] = heat?.rows.slice(Math.max(0, this.#row), this.#row + 2) ?? [];
    if (heat === null || below === undefined || above === undefined) return parts;
    const count = countAt(heat, (start + end) / 2, this.#row);
    parts.push([`${timeWords(below)} to ${timeWords(above)}`, countWords(count, 'message')]);
    return parts;
  }
}

function part(name: string, words: string): HTMLElement {
  const element = document.createElement('span');
  const strong = document.createElement('b');
  strong.textContent = words;
  element.append(...(name === '' ? [strong] : [`${name} `, strong]));
  return element;
}
