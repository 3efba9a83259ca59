/** Numbers for people: three significant digits, and a unit. */

const TIMES = [
  ['ns', 1e-3],
  ['us', 1],
  ['ms', 1e3],
  ['s', 1e6],
] as const;

const SIZES = [
  ['bytes', 1],
  ['kB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
] as const;

/** A time in microseconds: `243 us`, `1.21 ms`, `12.0 s`. */
export function formatTime(us: number): string {
  return us === 0 ? '0 us' : scaled(us, TIMES);
}

/** A number of bytes, in powers of 1000: `64 bytes`, `12.8 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  return scaled(bytes, SIZES);
}

/** A number with separated thousands: `1,234,567`. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A rate per second: `182,331/s`, `12.5/s`. */
export function formatRate(perSecond: number): string {
  const whole = perSecond >= 100 || Number.isInteger(perSecond);
  return `${whole ? formatCount(perSecond) : threeDigits(perSecond)}/s`;
}

/** A share from 0 to 1: `43 %`. */
export function formatShare(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** `1 thread`, `2 threads`. */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function scaled(value: number, units: readonly (readonly [unit: string, size: number])[]): string {
  // A value that rounds to 1000 of one unit is 1.00 of the next.
  const entry = units.find(([, size]) => value / size < 999.5) ?? units.at(-1);
  const [unit, size] = entry ?? ['', 1];
  return `${threeDigits(value / size)} ${unit}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return formatCount(value);
  return value.toFixed(value >= 9.995 ? 1 : 2);
}
