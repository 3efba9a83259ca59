import type { DuplexOptions } from 'node:stream';
import { checkBlockList, checkNumber, checkSignal, wrongType } from '../arguments.ts';
import { unsupported } from './node-errors.ts';
import type { SocketOptions } from './options.ts';

const UNSUPPORTED = [
  'objectMode',
  'readableObjectMode',
  'writableObjectMode',
  'handle',
  'onread',
] as const;

/** Throws for an option of a wrong type, or one that is not supported. */
export function checkSocketOptions(options: SocketOptions): void {
  if (typeof options !== 'object') throw wrongType('options', 'of type object', options);
  checkNumber(options.keepAliveInitialDelay, 'options.keepAliveInitialDelay');
  checkSignal(options.signal, 'signal');
  checkBlockList(options.blockList, 'options.blockList');
  for (const name of UNSUPPORTED) {
    const value: unknown = Reflect.get(options, name);
    if (value) throw unsupported(`options.${name}`, value);
  }
}

/** The part of the options that concerns streams. */
export function duplexOptions(options: SocketOptions): DuplexOptions {
  const { highWaterMark, readableHighWaterMark, writableHighWaterMark } = options;
  const { readable = true, writable = true } = options.fd === undefined ? {} : options;
  return {
    allowHalfOpen: Boolean(options.allowHalfOpen),
    emitClose: false,
    autoDestroy: true,
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
    ...(readableHighWaterMark === undefined ? {} : { readableHighWaterMark }),
    ...(writableHighWaterMark === undefined ? {} : { writableHighWaterMark }),
    ...(readable ? {} : { readable }),
    ...(writable ? {} : { writable }),
  };
}
