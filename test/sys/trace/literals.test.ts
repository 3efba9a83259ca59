// Goal: what a trace prints of bytes and names is one line of ASCII that reads back as these bytes.
// Method: random bytes, read back by the rules of C for its string literals.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesLiteral, textLiteral } from '#src/sys/trace/format.js';

const SIMPLE: Readonly<Record<string, number>> = {
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '"': 34,
  '\\': 92,
};

/** The bytes of a C string literal; an octal escape has up to three digits. */
function readBack(literal: string): number[] {
  assert.match(literal, /^"[ -~]*"$/, 'one line of ASCII');
  const inside = literal.slice(1, -1);
  const bytes: number[] = [];
  for (let at = 0; at < inside.length; ) {
    const octal = /^\\([0-7]{1,3})/.exec(inside.slice(at));
    const char = inside[at] ?? '';
    if (octal !== null) {
      bytes.push(Number.parseInt(octal[1] ?? '', 8));
      at += octal[0].length;
    } else if (char === '\\') {
      const simple = SIMPLE[inside[at + 1] ?? ''];
      assert.ok(simple !== undefined, `C has no escape ${inside.slice(at, at + 2)}`);
      bytes.push(simple);
      at += 2;
    } else {
      assert.notEqual(char, '"', 'a quotation mark ends the literal');
      bytes.push(char.charCodeAt(0));
      at += 1;
    }
  }
  return bytes;
}

/** Bytes that matter: controls, digits, quotation marks, the edges of what is printable. */
const byte = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0, 1, 7, 8, 9, 10, 11, 12, 13, 27, 31, 32, 34, 47, 48, 55, 56, 57, 58, 92),
  fc.constantFrom(126, 127, 128, 255),
);

test('trace: bytes read back as they were, the first 32 of them', () => {
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 70 }), fc.nat(5), (list, skipped) => {
      const bytes = Uint8Array.from([...new Array<number>(skipped).fill(65), ...list, 66]);
      const literal = bytesLiteral(bytes, skipped, list.length);
      const isCut = list.length > 32;
      assert.equal(literal.endsWith('..."') || literal.endsWith('"...'), isCut, literal);
      assert.deepEqual(readBack(isCut ? literal.slice(0, -3) : literal), list.slice(0, 32));
    }),
    { numRuns: 500 },
  );
});

test('trace: every byte, before a digit and before none', () => {
  for (let value = 0; value < 256; value += 1) {
    for (const next of [0x2f, 0x30, 0x37, 0x38, 0x39, 0x3a, 0x61]) {
      const literal = bytesLiteral(Uint8Array.of(value, next), 0, 2);
      assert.deepEqual(readBack(literal), [value, next], literal);
      // As short as strace prints it: padded only before a digit.
      const isOctal = /^"\\[0-7]/.test(literal);
      const digits = /^"\\([0-7]+)/.exec(literal)?.[1] ?? '';
      const isDigit = next >= 0x30 && next <= 0x39;
      if (isOctal && !isDigit) assert.equal(digits, value.toString(8), literal);
      if (isOctal && isDigit)
        assert.ok(literal.startsWith(`"\\${value.toString(8).padStart(3, '0')}`));
    }
  }
  assert.equal(bytesLiteral(new Uint8Array(32).fill(97), 0, 32), `"${'a'.repeat(32)}"`);
  assert.equal(bytesLiteral(new Uint8Array(33).fill(97), 0, 33), `"${'a'.repeat(32)}"...`);
});

test('trace: a name reads back in full, as UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), (text) => {
      assert.deepEqual(readBack(textLiteral(text)), [...Buffer.from(text)]);
    }),
  );
});
