import { codedError, wrongType } from '../arguments.ts';

// What node:net checks of its arguments, and how it reads them.

/** The options, and the listener behind them, of the arguments of `connect` and `listen`. */
export function normalized<Options extends object>(
  args: readonly unknown[],
): [Options, (() => void) | null] {
  const [first, second] = args;
  const last = args.at(-1);
  const callback = typeof last === 'function' ? (last as () => void) : null;
  // The types of the overloads hold for what JavaScript passes only if it keeps to them.
  const options = (): object => {
    if (typeof first === 'object' && first !== null) return first;
    if (typeof first === 'string' && portOf(first) === null) return { path: first };
    const port = typeof first === 'function' ? undefined : first;
    return typeof second === 'string' ? { port, host: second } : { port };
  };
  return [(args.length === 0 ? {} : options()) as Options, callback];
}

/** The number in `value`, null if there is none. */
export function portOf(value: unknown): number | null {
  const isNumber = typeof value === 'number' || (typeof value === 'string' && value.trim() !== '');
  const port = isNumber ? Number(value) : Number.NaN;
  return Number.isNaN(port) ? null : port;
}

/** Returns the port `value`: a whole number up to 65535, also as a string. */
export function checkedPort(value: unknown, name: string): number {
  const port = portOf(value);
  if (port !== null && Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  const type =
    typeof value === 'string' ? `type string ('${value}')` : `type ${typeof value} (${value})`;
  const message = `${name} should be >= 0 and < 65536. Received ${type}.`;
  throw codedError(new RangeError(message), 'ERR_SOCKET_BAD_PORT');
}

/** Returns a timeout of Node: milliseconds, 0 and up, cut at 2^31 - 1. */
export function checkedTimeoutMs(value: unknown): number {
  if (typeof value !== 'number') throw wrongType('msecs', 'of type number', value);
  if (value < 0 || !Number.isFinite(value)) {
    const message =
      'The value of "msecs" is out of range. ' +
      `It must be a non-negative finite number. Received ${value}`;
    throw codedError(new RangeError(message), 'ERR_OUT_OF_RANGE');
  }
  return Math.min(value, 2 ** 31 - 1);
}
