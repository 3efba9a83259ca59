// Quantities as people type them: a number, with or without a unit. Each function returns NaN for
// any other text.

const SECONDS_IN: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  // The micro sign and the Greek letter mu.
  '\u00b5s': 1e-6,
  '\u03bcs': 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  min: 60,
  h: 3600,
};

const BYTES_IN: Readonly<Record<string, number>> = {
  b: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  kb: 1e3,
  m: 2 ** 20,
  mib: 2 ** 20,
  mb: 1e6,
  g: 2 ** 30,
  gib: 2 ** 30,
  gb: 1e9,
};

/** Without `m`, which means a thousandth or a minute elsewhere. */
const ONES_IN: Readonly<Record<string, number>> = { k: 1e3, K: 1e3, M: 1e6, G: 1e9 };

/** Digits of a product with a decimal fraction; those after are rounding errors. */
const EXACT_DIGITS = 15;

/**
 * A time in milliseconds: seconds (`10`, `0.5`), or with units (`500ms`, `10s`, `2m`, `1h30m`).
 * Units are ns, us, ms, s, m or min, and h.
 */
export function parseDurationMs(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return exact(Number(text) * 1e3);
  if (!/^(\d+(\.\d+)?[a-z\u00b5\u03bc]+)+$/.test(text)) return Number.NaN;
  let ms = 0;
  for (const [, number = '', unit = ''] of text.matchAll(/([\d.]+)([a-z\u00b5\u03bc]+)/g)) {
    ms += Number(number) * (unitOf(unit, SECONDS_IN) * 1e3);
  }
  return exact(ms);
}

/**
 * Bytes: `64`, `64k` or `64KiB` (65,536), `64kB` (64,000), and the same with M and G. NaN also for
 * a fraction of a byte.
 */
export function parseSizeBytes(text: string): number {
  return whole(text.toLowerCase(), BYTES_IN);
}

/** A whole number: `20000`, `20k`, `1.5M`. */
export function parseWhole(text: string): number {
  return whole(text, ONES_IN);
}

/** A number, with or without a fraction: `20000`, `0.5`, `20k`. */
export function parseNumber(text: string): number {
  return scaled(text, ONES_IN);
}

function whole(text: string, units: Readonly<Record<string, number>>): number {
  const value = scaled(text, units);
  // 1.5k is a whole number; 1.0 is not accepted as one.
  const isWhole = /^\d+$/.test(text) || (/[a-z]$/i.test(text) && Number.isInteger(value));
  return isWhole && Number.isSafeInteger(value) ? value : Number.NaN;
}

function scaled(text: string, units: Readonly<Record<string, number>>): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([a-zA-Z]*)$/.exec(text) ?? [];
  if (number === undefined) return Number.NaN;
  return unit === '' ? Number(number) : exact(Number(number) * unitOf(unit, units));
}

function unitOf(name: string, units: Readonly<Record<string, number>>): number {
  return Object.hasOwn(units, name) ? (units[name] ?? Number.NaN) : Number.NaN;
}

function exact(value: number): number {
  return Number(value.toPrecision(EXACT_DIGITS));
}
