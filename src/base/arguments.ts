// Checks of arguments. A wrong type is a TypeError, a wrong value a RangeError. Messages quote
// strings: the port "7000" is not 7000.

/** `value` for a message: `7000`, `the string "7000"`, `an object`. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `the string ${JSON.stringify(value)}`;
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'an array' : 'an object';
    case 'function':
      return 'a function';
    case 'bigint':
      return `the bigint ${value}n`;
    default:
      return String(value);
  }
}

/** Throws unless `value` is a whole number from `least` to `most`; `what` names it. */
export function requireWhole(
  what: string,
  value: unknown,
  least: number,
  most: number,
): asserts value is number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) {
    return;
  }
  throw wrongValue(value, `${what} is a number from ${least} to ${most}`);
}

/** Throws unless `value` is a port. */
export function requirePort(value: unknown): asserts value is number {
  requireWhole('a port', value, 0, 65535);
}

/** Throws unless `value` is a time above 0 and at most `mostMs`, in milliseconds. */
export function requireTimeout(
  what: string,
  value: unknown,
  mostMs: number,
): asserts value is number {
  if (typeof value === 'number' && value > 0 && value <= mostMs) return;
  throw wrongValue(value, `${what} is above 0 and at most ${mostMs} ms`);
}

/** Throws unless `value` is a host: a name, an address, or null. */
export function requireHost(value: unknown): asserts value is string | null {
  if (value === null || typeof value === 'string') return;
  throw new TypeError(`a host is a name, an address or null, not ${shown(value)}`);
}

/** Throws unless `value` is a string. */
export function requireText(what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new TypeError(`${what} is a string, not ${shown(value)}`);
}

/** Throws unless `value` is true, false or undefined. */
export function requireFlag(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw new TypeError(`${name} is true or false, not ${shown(value)}`);
}

/** Throws unless `value` is a function or undefined. */
export function requireFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return;
  throw new TypeError(`${name} is a function, not ${shown(value)}`);
}

/** Throws unless `value` is a function. */
export function requireCallback(value: unknown): void {
  if (typeof value !== 'function')
    throw new TypeError(`a callback is a function, not ${shown(value)}`);
}

/** Throws unless `value` is an object. */
export function requireObject(name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) return;
  throw new TypeError(`${name} is an object, not ${shown(value)}`);
}

/** The error for a `value` that breaks `rule`: "a port is a number from 0 to 65535". */
export function wrongValue(value: unknown, rule: string): Error {
  const message = `${rule}, not ${shown(value)}`;
  return typeof value === 'number' ? new RangeError(message) : new TypeError(message);
}
