/** The colours of the charts, which are those of the style sheet at this moment. */

import { seriesStyles } from './series-styles.ts';

export interface Palette {
  readonly surface: string;
  readonly muted: string;
  readonly grid: string;
  /** By the style of a series. */
  readonly series: readonly string[];
  /** From few to many. */
  readonly heat: readonly Colour[];
}

/** Red, green and blue, 0 to 255. */
type Colour = readonly [red: number, green: number, blue: number];

const HEAT_STOPS = 5;

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    surface: read('surface'),
    muted: read('muted'),
    grid: read('grid'),
    series: seriesStyles.map((_, index) => read(`series-${index}`)),
    heat: Array.from({ length: HEAT_STOPS }, (_, index) => parsed(read(`heat-${index}`))),
  };
}

/** `share` of the way along the stops, 0 to 1. */
export function colourAt(stops: readonly Colour[], share: number): string {
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const before = stops[Math.floor(at)] ?? [0, 0, 0];
  const after = stops[Math.ceil(at)] ?? before;
  const part = at - Math.floor(at);
  const mixed = before.map((value, index) => {
    return Math.round(value + ((after[index] ?? value) - value) * part);
  });
  return `rgb(${mixed.join(' ')})`;
}

/** `#rrggbb`, the one form in which the style sheet has them. */
function parsed(colour: string): Colour {
  const at = (index: number): number => Number.parseInt(colour.slice(index, index + 2), 16);
  return [at(1), at(3), at(5)];
}
