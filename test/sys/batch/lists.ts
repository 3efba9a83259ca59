/** Lists of calls for the tests: their memory, and the two ways to make them. */

import assert from 'node:assert/strict';
import { CallList, listBytes } from '#src/sys/batch/call-list.js';
import { makeCalls } from '#src/sys/batch/make-calls.js';
import { nativeSys } from '#src/sys/native.js';

export const sys = nativeSys();

/** The most records of these lists. */
export const RECORDS = 64;
/** Where their data begins: behind the records. */
export const DATA_AT = 8192;
const DATA_BYTES = 65_536;

/** How the calls of a list are made, and why they cannot be. */
export interface Way {
  readonly name: string;
  readonly oneByOne: boolean;
  readonly skip: string | false;
}

const { batching } = sys;
const reason = batching === true ? false : batching.reason;

export const ways: readonly Way[] = [
  { name: 'together', oneByOne: false, skip: reason },
  { name: 'one by one', oneByOne: true, skip: false },
];

/** An empty list over zeroed memory. */
export function newList(oneByOne: boolean): CallList {
  assert.ok(listBytes(RECORDS) <= DATA_AT);
  const list = new CallList(sys, new Uint8Array(DATA_AT + DATA_BYTES), RECORDS, oneByOne);
  assert.equal(list.direct, !oneByOne);
  return list;
}

/** Makes a list whose records all have to be made, and returns their results. */
export function made(list: CallList): number[] {
  assert.equal(makeCalls(sys, list, 0), list.count);
  return results(list);
}

export function results(list: CallList): number[] {
  return Array.from({ length: list.count }, (_, index) => list.result(index));
}

/** Writes `text` at an offset of the data, and returns its length. */
export function put(list: CallList, offset: number, text: string): number {
  return Buffer.from(list.memory.buffer).write(text, DATA_AT + offset, 'latin1');
}

/** The text of `length` bytes at an offset of the data. */
export function text(list: CallList, offset: number, length: number): string {
  const start = DATA_AT + offset;
  return Buffer.from(list.memory.buffer).toString('latin1', start, start + length);
}
