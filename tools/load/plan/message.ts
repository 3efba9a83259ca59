import { Buffer } from 'node:buffer';
import * as v from 'valibot';
import { formatBytes } from '#src/base/number-format.js';
import { MESSAGE_BYTES_MAX } from '../limits.ts';
import type { MessagePlan } from '../plan.ts';
import { mustBeEqual, type PlanField, whole } from './field.ts';
import { count, record, tagged, text } from './forms.ts';

const bytesOf = (base64: string): number => Buffer.byteLength(base64, 'base64');

/** What a message is. */
export const MESSAGE = {
  form: tagged('kind', [
    record({ kind: v.literal('bytes'), bytes: count }),
    record({ kind: v.literal('given'), base64: text, source: text }),
  ]),
  asked: v.variant('kind', [
    v.object({
      kind: v.literal('bytes'),
      bytes: whole('the size of a message in bytes', 1, MESSAGE_BYTES_MAX),
    }),
    v.pipe(
      v.object({ kind: v.literal('given'), base64: v.string(), source: v.string() }),
      v.check(
        ({ base64 }) => bytesOf(base64) >= 1 && bytesOf(base64) <= MESSAGE_BYTES_MAX,
        ({ input: { base64, source } }) =>
          `the size of the message from ${source} is 1 to ${MESSAGE_BYTES_MAX}, ` +
          `not ${bytesOf(base64)}`,
      ),
    ),
  ]),
  flags: {
    size: {
      group: 'messages',
      value: '<size>',
      help: 'bytes (64, 4k, 1M) that differ in each message; 64 if left out',
    },
    message: { group: 'messages', value: '<text>', help: 'this text every time' },
    file: { group: 'messages', value: '<path>', help: 'what is in this file every time' },
  },
  merge: mustBeEqual<MessagePlan>({
    what: 'message is',
    words: (message) => {
      if (message.kind === 'bytes') return `${formatBytes(message.bytes)} that differ each time`;
      return `${formatBytes(bytesOf(message.base64))} from ${message.source}`;
    },
    // Equal bytes may come from files of different names, and others from one of the same name.
    of: (message) => (message.kind === 'given' ? message.base64 : message.bytes),
  }),
  facts: (message) => [['message', messageWords(message)]],
  brief: (message) => {
    if (message.kind === 'bytes') return `${formatBytes(message.bytes)} each`;
    return `${formatBytes(bytesOf(message.base64))} each (${message.source})`;
  },
} as const satisfies PlanField<MessagePlan>;

/** `messages of 64 bytes`. */
export function messageWords(message: MessagePlan): string {
  if (message.kind === 'bytes') return `messages of ${formatBytes(message.bytes)}`;
  return `messages from ${message.source}`;
}
