/** Figures as words, for the page's own text and for what its script writes. */

/** What a number counts. */
export type Unit = 'count' | 'perSecond' | 'us' | 'seconds' | 'percentile';

const TIMES = [
  ['ns', 1e-3],
  ['us', 1],
  ['ms', 1e3],
  ['s', 1e6],
] as const;

/** A figure and its unit stay on one line. */
const SPACE = '\u{a0}';

/** A number with its thousands apart, and so many digits after the point. */
export function fixed(value: number, digits: number): string {
  const [whole = '', fraction] = value.toFixed(digits).split('.');
  const apart = whole.replaceAll(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? apart : `${apart}.${fraction}`;
}

/** `1 message`, `2,000 messages`, `3 replies`. */
export function countWords(count: number, noun: string): string {
  const many = noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${grouped(count)} ${count === 1 ? noun : many}`;
}

/** A number with at most so many digits: what ends in 0 is left out. */
export function grouped(value: number, digits = 0): string {
  return trimmed(fixed(value, digits));
}

/** A number to three digits that say something, or to the unit where it has more: `0.125`. */
function rounded(value: number): string {
  const size = Math.abs(value);
  return fixed(value, size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3);
}

/** A time in microseconds in the unit that suits it: `87 us`, `1.24 ms`. */
export function timeWords(us: number): string {
  if (us === 0) return `0${SPACE}us`;
  // What would round up to 1000 of one unit is 1 of the next.
  const [unit, size] = TIMES.find(([, unitUs]) => us / unitUs < 999.5) ?? ['s', 1e6];
  return `${rounded(us / size)}${SPACE}${unit}`;
}

/** A number with its unit, to be read beside a chart. */
export function valueWords(value: number, unit: Unit): string {
  switch (unit) {
    case 'us':
      return timeWords(value);
    case 'perSecond':
      return `${rounded(value)}/s`;
    case 'seconds':
      return `${grouped(value, 1)}${SPACE}s`;
    case 'percentile':
      return `${percentileWords(value)}${SPACE}%`;
    case 'count':
      return grouped(value, 2);
  }
}

/** A percentile with as many nines as it needs: `50`, `99.9`, `99.999`. */
export function percentileWords(percentile: number): string {
  if (percentile >= 100) return '100';
  const nines = Math.max(0, Math.floor(-Math.log10(1 - percentile / 100) + 1e-9) - 1);
  return String(Number(percentile.toFixed(Math.min(6, nines + 1))));
}

/** A time as {@link timeWords} has it, without what ends in 0: `1.5 ms`, for an axis. */
export function markTimeWords(us: number): string {
  const [value = '', unit = ''] = timeWords(us).split(SPACE);
  return `${trimmed(value)}${SPACE}${unit}`;
}

/** A share in percent, to three digits: `11.4 %`. */
export function percentWords(percent: number): string {
  return `${rounded(percent)}${SPACE}%`;
}

function trimmed(words: string): string {
  return words.includes('.') ? words.replace(/\.?0+$/, '') : words;
}
