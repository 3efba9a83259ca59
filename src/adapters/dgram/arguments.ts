import { isIPv4, isIPv6 } from 'node:net';
import {
  checkBlockList,
  checkFunction,
  checkNumber,
  checkSignal,
  wrongType,
} from '../arguments.ts';
import { badPort, badType, outOfBounds, outOfRange } from './errors.ts';
import type { SocketOptions, SocketType } from './options.ts';

// What node:dgram checks of its arguments, and how it reads them.

const UINT32_MAX = 2 ** 32 - 1;
const BYTES = 'of type string or an instance of Buffer, TypedArray, or DataView';

/** Throws unless the options are those of a socket, as far as node:dgram looks. */
export function checkSocketOptions(options: Partial<SocketOptions>): SocketType {
  checkUint32(options.recvBufferSize, 'options.recvBufferSize');
  checkUint32(options.sendBufferSize, 'options.sendBufferSize');
  checkBlockList(options.receiveBlockList, 'options.receiveBlockList');
  checkBlockList(options.sendBlockList, 'options.sendBlockList');
  checkFunction(options.lookup, 'lookup');
  if (options.type !== 'udp4' && options.type !== 'udp6') throw badType();
  checkSignal(options.signal, 'options.signal');
  return options.type;
}

function checkUint32(value: unknown, name: string): void {
  if (!value) return;
  checkNumber(value, name);
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= UINT32_MAX) return;
  const range = Number.isInteger(value) ? `>= 0 && <= ${UINT32_MAX}` : 'an integer';
  throw outOfRange(name, range, value as number);
}

/** Returns the port `value`, 1 to 65535, also as a string. */
export function checkedPort(value: unknown): number {
  if (typeof value === 'number' && value > 0 && value <= 65535 && Number.isInteger(value)) {
    return value;
  }
  const port = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  if (Number.isInteger(port) && port > 0 && port <= 65535) return port;
  throw badPort(value);
}

/** Throws unless `value` is a string. */
export function checkString(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') throw wrongType(name, 'of type string', value);
}

/** Throws unless `value` is a number. */
export function requireNumber(value: unknown, name: string): asserts value is number {
  if (typeof value !== 'number') throw wrongType(name, 'of type number', value);
}

/** The bytes of a message: of a string, of a view, or of a list of these. */
export function messageBytes(message: unknown): Uint8Array {
  if (message instanceof Uint8Array) return message;
  if (!Array.isArray(message)) return partBytes(message, 'buffer', message);
  const parts = message.map((part) => partBytes(part, 'buffer list arguments', message));
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
}

function partBytes(part: unknown, name: string, message: unknown): Uint8Array {
  if (typeof part === 'string') return Buffer.from(part);
  if (part instanceof Uint8Array) return part;
  if (!ArrayBuffer.isView(part)) throw wrongType(name, BYTES, message);
  return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
}

/** A part of the bytes of a message that is no list. */
export function messagePart(message: unknown, offset: unknown, length: unknown): Uint8Array {
  const bytes = partBytes(message, 'buffer', message);
  const from = Number(offset) >>> 0;
  const count = Number(length) >>> 0;
  if (from > bytes.length) throw outOfBounds('offset');
  if (from + count > bytes.length) throw outOfBounds('length');
  return from === 0 && count === bytes.length ? bytes : bytes.subarray(from, from + count);
}

/** Whether `address` is numeric and of the family of `type`. */
export function isOfType(type: SocketType, address: string): boolean {
  return type === 'udp4' ? isIPv4(address) : isIPv6(address);
}
