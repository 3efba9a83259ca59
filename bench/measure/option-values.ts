import { parseCount } from '#tools/terminal/flags.js';

/** The values of command line options. */

const COUNT_MAX = 1_000_000;

export function count(flag: string, text: string): number {
  return parseCount(text, 1, COUNT_MAX, flag);
}

export function counts(flag: string, text: string): number[] {
  return words(text).map((word) => count(flag, word));
}

export function words(text: string): string[] {
  return text.split(',').filter((word) => word !== '');
}

/** The items that have the names in `text`, in the order of `items`; all have different names. */
export function chosen<Item extends { readonly name: string }>(
  what: string,
  text: string,
  items: readonly Item[],
): Item[] {
  const names = words(text);
  const known = items.map((item) => item.name).join(', ');
  if (names.length === 0) throw new Error(`--${what}s names none; there are: ${known}`);
  for (const name of names) {
    if (items.some((item) => item.name === name)) continue;
    throw new Error(`there is no ${what} "${name}"; there are: ${known}`);
  }
  return items.filter(({ name }) => names.includes(name));
}
