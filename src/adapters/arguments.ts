import { BlockList } from 'node:net';
import { inspect } from 'node:util';

// What Node checks of arguments, and its errors: the same class, code and message.

/** An error with a code of Node's own. */
export function codedError<Made extends Error>(error: Made, code: string): Made & { code: string } {
  return Object.assign(error, { code });
}

/** An argument of a wrong type: `ERR_INVALID_ARG_TYPE`. */
export function wrongType(name: string, wanted: string, value: unknown): TypeError {
  const kind = name.includes('.') ? 'property' : 'argument';
  const message = `The "${name}" ${kind} must be ${wanted}. Received ${received(value)}`;
  return codedError(new TypeError(message), 'ERR_INVALID_ARG_TYPE');
}

/** What an argument is, in the words of Node's errors. */
export function received(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value !== 'object') return `type ${typeof value} (${inspect(value)})`;
  const name = value.constructor?.name;
  return name === undefined ? inspect(value, { depth: -1 }) : `an instance of ${name}`;
}

/** An argument of a wrong value: `ERR_INVALID_ARG_VALUE`. */
export function wrongValueOf(name: string, value: unknown, reason = 'is invalid'): TypeError {
  const kind = name.includes('.') ? 'property' : 'argument';
  const message = `The ${kind} '${name}' ${reason}. Received ${inspect(value)}`;
  return codedError(new TypeError(message), 'ERR_INVALID_ARG_VALUE');
}

/** An address that the block list of the socket holds. */
export function blockedAddress(address: string): Error {
  return codedError(new Error(`IP(${address}) is blocked by net.BlockList`), 'ERR_IP_BLOCKED');
}

/** Throws unless `value` is a function or undefined. */
export function checkFunction(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'function') {
    throw wrongType(name, 'of type function', value);
  }
}

/** Throws unless `value` is a number or undefined. */
export function checkNumber(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'number') {
    throw wrongType(name, 'of type number', value);
  }
}

/** Throws unless `value` is an AbortSignal or undefined. */
export function checkSignal(value: unknown, name: string): void {
  const isSignal = typeof value === 'object' && value !== null && 'aborted' in value;
  if (value !== undefined && !isSignal) throw wrongType(name, 'an instance of AbortSignal', value);
}

/** Throws unless `value` is a BlockList or undefined. */
export function checkBlockList(value: unknown, name: string): void {
  if (value !== undefined && !(value instanceof BlockList)) {
    throw wrongType(name, 'an instance of net.BlockList', value);
  }
}
