/** The values of command line options. */

export function positive(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`"${text}" is no positive number`);
}

export function words(text: string): string[] {
  return text.split(',').filter((word) => word !== '');
}

export function positives(text: string): number[] {
  return words(text).map(positive);
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
