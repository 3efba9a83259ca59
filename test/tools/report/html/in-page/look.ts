/** What a test looks at in a page. Each of these runs there, so it can use nothing around it. */

export interface Drawing {
  readonly id: string;
  readonly colours: number;
  /** Of its pixels: another one means that it was drawn anew. */
  readonly sum: number;
  readonly width: number;
}

/** Every chart, by the chart it is of. */
export function drawings(): Drawing[] {
  return [...document.querySelectorAll('canvas')].map((canvas) => {
    // A copy that is made to be read: reading the chart itself would slow it down from then on.
    const copy = document.createElement('canvas');
    copy.width = canvas.width;
    copy.height = canvas.height;
    const context = copy.getContext('2d', { willReadFrequently: true });
    context?.drawImage(canvas, 0, 0);
    const data = context?.getImageData(0, 0, copy.width, copy.height).data;
    const colours = new Set<number>();
    let sum = 0;
    const pixels = new Uint32Array(data?.buffer ?? new ArrayBuffer(0));
    for (const pixel of pixels) {
      colours.add(pixel);
      sum = (Math.imul(sum, 31) + pixel) | 0;
    }
    const id = canvas.closest('.plot')?.id ?? '';
    return { id, colours: colours.size, sum, width: canvas.clientWidth };
  });
}

export interface ReadTable {
  readonly caption: string;
  readonly head: readonly string[];
  /** The numbers behind the words; words where there is no number. */
  readonly rows: readonly (readonly (number | string)[])[];
  /** The words. */
  readonly texts: readonly (readonly string[])[];
  /** Cells that head a row or a column and do not say of what. */
  readonly withoutScope: number;
}

/** Every table, also of what is folded. */
export function tables(): ReadTable[] {
  return [...document.querySelectorAll('table')].map((table) => {
    const body = [...table.querySelectorAll('tbody tr')].map((row) => [...row.children]);
    return {
      caption: table.caption?.textContent ?? '',
      head: [...table.querySelectorAll('thead th')].map((cell) => cell.textContent ?? ''),
      rows: body.map((cells) =>
        cells.map((cell) => {
          const value = cell.querySelector('data')?.value;
          return value === undefined ? (cell.textContent ?? '') : Number(value);
        }),
      ),
      texts: body.map((cells) => cells.map((cell) => cell.textContent ?? '')),
      withoutScope: table.querySelectorAll('th:not([scope])').length,
    };
  });
}

/** What reaches beyond the page, but for what scrolls within a frame of its own. */
export function overflowing(): string[] {
  const width = document.documentElement.clientWidth;
  const found: string[] = [];
  if (document.documentElement.scrollWidth > width) found.push('the page scrolls to the side');
  for (const element of document.querySelectorAll('body *')) {
    const { right, width: own } = element.getBoundingClientRect();
    const frame = element.parentElement?.closest('.scroll');
    const scrolls = frame !== null && frame !== undefined;
    if (own > 0 && right > width + 1 && !scrolls && getComputedStyle(element).clip === 'auto') {
      found.push(`${element.tagName}.${element.className} ends at ${right} of ${width}`);
    }
  }
  return found;
}

/** Frames whose content is cut off: on paper nobody can scroll. */
export function cutOff(): string[] {
  const main = document.querySelector('main')?.getBoundingClientRect().right ?? 0;
  return [...document.querySelectorAll('.scroll')]
    .filter((frame) => (frame.firstElementChild?.getBoundingClientRect().right ?? 0) > main + 1)
    .map((frame) => frame.getAttribute('aria-label') ?? '');
}

/** Texts whose contrast to what is below them is less than WCAG AA asks for. */
export function faintTexts(): string[] {
  const channels = (colour: string): number[] => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light = (colour: readonly number[]): number => {
    const [red = 0, green = 0, blue = 0] = colour.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const below = (start: Element): number[] => {
    for (let at: Element | null = start; at !== null; at = at.parentElement) {
      const [red = 0, green = 0, blue = 0, alpha = 1] = channels(
        getComputedStyle(at).backgroundColor,
      );
      if (alpha > 0) return [red, green, blue];
    }
    return [255, 255, 255];
  };
  const found: string[] = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const parent = node.parentElement;
    const words = node.textContent?.trim() ?? '';
    if (parent === null || words === '' || !parent.checkVisibility()) continue;
    const style = getComputedStyle(parent);
    const [text, ground] = [light(channels(style.color).slice(0, 3)), light(below(parent))];
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    const size = Number.parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${words.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return found;
}

/** Colours of the style sheet, by their names. */
export function colours(names: readonly string[]): string[] {
  const style = getComputedStyle(document.documentElement);
  return names.map((name) => style.getPropertyValue(name).trim());
}

export interface Focused {
  readonly name: string;
  readonly isOutlined: boolean;
}

/** What has the focus, or null where nothing of the page has. */
export function focused(): Focused | null {
  const element = document.activeElement;
  if (element === null || element === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const label = element.getAttribute('aria-label') ?? element.textContent ?? '';
  const isOutlined = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2;
  return { name: `${element.tagName.toLowerCase()} ${label.trim()}`, isOutlined };
}

/** Back to the beginning of the page. */
export function focusFirst(): void {
  document.querySelector<HTMLElement>('a[href], summary, .plot, .scroll')?.focus();
}

/** Everything that has to be reached with a keyboard, once what was folded is open. */
export function reachable(): string[] {
  const all = document.querySelectorAll('a[href], summary, .plot, .scroll');
  return [...all].map((element) => {
    const label = element.getAttribute('aria-label') ?? element.textContent ?? '';
    return `${element.tagName.toLowerCase()} ${label.trim()}`;
  });
}

/** How many parts are folded, and how many there are. */
export function folded(): { readonly closed: number; readonly all: number } {
  const all = [...document.querySelectorAll('details')];
  return { closed: all.filter(({ open }) => !open).length, all: all.length };
}

export interface DrawnBar {
  readonly name: string;
  readonly value: number;
  readonly width: number;
}

/** The bars of each group: what they stand for, and how long they are. */
export function bars(): DrawnBar[][] {
  return [...document.querySelectorAll('table.bars')].map((table) =>
    [...table.querySelectorAll('tbody tr')].map((row) => ({
      name: row.querySelector('th')?.textContent ?? '',
      value: Number(row.querySelector('data')?.value),
      width: [...row.querySelectorAll('.bar i')]
        .map((part) => part.getBoundingClientRect().width)
        .reduce((sum, width) => sum + width, 0),
    })),
  );
}

/** The document that the page holds, as text. */
export function heldDocument(): string {
  return document.getElementById('document')?.textContent ?? '';
}

/** What stands below a chart. */
export function readoutOf(id: string): string {
  return document.getElementById(`${id}-readout`)?.textContent ?? '';
}
