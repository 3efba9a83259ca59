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
