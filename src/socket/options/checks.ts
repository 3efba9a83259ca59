// Checks of the values of options, with errors that name the option.

/** `value` if it is an integer of its range; throws in the name of the option if not. */
export function integer(
  name: string,
  value: unknown,
  min: number,
  max: number,
  takes = `an integer from ${min} to ${max}`,
): number {
  if (typeof value !== 'number') throw wrongType(name, takes, value);
  if (!Number.isInteger(value) || value < min || value > max) throw outOfRange(name, takes, value);
  return value;
}

/** The error for a value of the wrong type. */
export function wrongType(name: string, takes: string, value: unknown): TypeError {
  return new TypeError(`${name} takes ${takes}, not ${words(value)}`);
}

/** The error for a value out of its range. */
export function outOfRange(name: string, takes: string, value: unknown): RangeError {
  return new RangeError(`${name} takes ${takes}, not ${words(value)}`);
}

function words(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'bigint':
      return `${value}n`;
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? 'an array' : 'an object';
    case 'function':
      return 'a function';
    default:
      return String(value);
  }
}
