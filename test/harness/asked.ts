/** What the runs of `make` beside the suite are asked for. Nothing asked for is nothing shown. */

/** A number above 0. Throws an Error that names it. */
export function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`${name} takes a number above 0, not "${text}"`);
}

/**
 * Those of `all` whose names have all the words of an environment variable, with `;` between them.
 * Throws an Error if there are none.
 */
export function named<Item>(
  variable: string,
  all: readonly Item[],
  nameOf: (item: Item) => string,
): readonly Item[] {
  const text = process.env[variable] ?? '';
  const words = text.split(';').filter((word) => word !== '');
  const chosen = all.filter((item) => words.every((word) => nameOf(item).includes(word)));
  if (chosen.length > 0) return chosen;
  throw new Error(`${variable}: nothing here is named "${text}"`);
}
