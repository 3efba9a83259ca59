// Goal: bytes that come in any pieces leave as lines, in a buffer that does not grow without need.
// Method: any text cut anywhere, against a split; then the loans and the limits one by one.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NEWLINE } from '#src/base/bytes.js';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { leakCheck } from '#test/harness/leaks.js';

const NO_LIMIT = 2 ** 30;

/** Text with many newlines, some lines longer than the first buffer. */
const texts = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom('\n', '\n\n', '\r\n').map((text) => Uint8Array.from(Buffer.from(text))),
      fc.integer({ min: 1, max: 9000 }).map((length) => new Uint8Array(length).fill(97)),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Uint8Array.from(Buffer.concat(parts)));

const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 5000 })));

/** The pieces of `bytes`, of the lengths in `lengths`, which begin again at their end. */
function* pieces(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const length = lengths.length === 0 ? bytes.length : (lengths[index % lengths.length] ?? 1);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

function put(buffer: LineBuffer, piece: Uint8Array): void {
  buffer.reserve(piece.length);
  assert.ok(buffer.bytes.length - buffer.end >= piece.length, 'there is room');
  buffer.bytes.set(piece, buffer.end);
  buffer.commit(piece.length);
}

/** The lines of `bytes` by the plain rule: each ends with its newline, the rest has none. */
function split(bytes: Uint8Array): { lines: Uint8Array[]; rest: Uint8Array } {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    lines.push(bytes.subarray(start, end + 1));
    start = end + 1;
  }
  return { lines, rest: bytes.subarray(start) };
}

/** Everything that can be taken now, copied. */
function takeAll(buffer: LineBuffer): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let line = buffer.takeLine(); line !== null; line = buffer.takeLine()) {
    lines.push(line.slice());
  }
  return lines;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('line buffer', () => {
  it('gives the same lines wherever the bytes are cut', (t) => {
    leakCheck(t);
    fc.assert(
      fc.property(texts, cuts, (bytes, lengths) => {
        const buffer = new LineBuffer(NO_LIMIT);
        const lines: Uint8Array[] = [];
        for (const piece of pieces(bytes, lengths)) {
          put(buffer, piece);
          lines.push(...takeAll(buffer));
          assert.equal(buffer.overlong, false);
        }
        const expected = split(bytes);
        assert.deepEqual(lines, expected.lines);
        assert.equal(buffer.length, expected.rest.length);
        assert.deepEqual(buffer.takeRest(), expected.rest);
        assert.equal(buffer.length, 0);
      }),
    );
  });

  it('gives the same lines to a reader that takes one now and then', (t) => {
    leakCheck(t);
    fc.assert(
      fc.property(texts, cuts, fc.array(fc.boolean()), (bytes, lengths, takes) => {
        const buffer = new LineBuffer(NO_LIMIT);
        const lines: Uint8Array[] = [];
        let turn = 0;
        for (const piece of pieces(bytes, lengths)) {
          put(buffer, piece);
          if (takes[turn++ % takes.length] !== true) continue;
          const line = buffer.takeLine();
          if (line !== null) lines.push(line.slice());
        }
        lines.push(...takeAll(buffer));
        assert.deepEqual(lines, split(bytes).lines);
      }),
    );
  });

  it('stops at the first line that is too long, wherever the bytes are cut', (t) => {
    leakCheck(t);
    fc.assert(
      fc.property(texts, cuts, fc.integer({ min: 1, max: 6000 }), (bytes, lengths, bytesMax) => {
        const buffer = new LineBuffer(bytesMax);
        const lines: Uint8Array[] = [];
        for (const piece of pieces(bytes, lengths)) {
          put(buffer, piece);
          lines.push(...takeAll(buffer));
          if (buffer.overlong) break;
        }
        const { lines: whole, rest } = split(bytes);
        const first = [...whole, rest].findIndex((line) => line.length > bytesMax);
        assert.equal(buffer.overlong, first >= 0);
        assert.deepEqual(lines, first < 0 ? whole : whole.slice(0, first));
        // It stays so until somebody takes what there is.
        assert.equal(buffer.takeLine(), null);
        assert.equal(buffer.overlong, first >= 0);
        buffer.takeRest();
        assert.equal(buffer.takeLine(), null);
        assert.equal(buffer.overlong, false);
      }),
    );
  });

  it('takes a line of just the length that is allowed', (t) => {
    leakCheck(t);
    const buffer = new LineBuffer(4);
    put(buffer, bytesOf('abc\nabcd'));
    assert.equal(textOf(buffer.takeLine()), 'abc\n');
    assert.equal(buffer.takeLine(), null);
    assert.equal(buffer.overlong, false, 'only its newline is missing');
    put(buffer, bytesOf('\n'));
    assert.equal(buffer.takeLine(), null);
    assert.equal(buffer.overlong, true);
    assert.equal(textOf(buffer.takeRest()), 'abcd\n');
  });

  it('does not grow beyond the longest line and one reservation', (t) => {
    leakCheck(t);
    const arrivals = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(texts, arrivals, fc.integer({ min: 1, max: 9000 }), (bytes, sizes, bytesMax) => {
        const buffer = new LineBuffer(bytesMax);
        const reservation = 3000;
        for (const piece of pieces(bytes, sizes)) {
          buffer.reserve(reservation);
          buffer.bytes.set(piece, buffer.end);
          buffer.commit(piece.length);
          takeAll(buffer);
          assert.ok(buffer.bytes.length <= Math.max(4096, bytesMax + reservation));
          if (buffer.overlong) break;
        }
      }),
    );
  });

  it('moves bytes seldom: a long line in small pieces is quick', (t) => {
    leakCheck(t);
    let moved = 0;
    const buffer = new LineBuffer(NO_LIMIT);
    const piece = new Uint8Array(100).fill(97);
    let storage = buffer.bytes;
    for (let count = 0; count < 100_000; count++) {
      put(buffer, piece);
      assert.equal(buffer.takeLine(), null);
      if (buffer.bytes === storage) continue;
      moved += storage.length;
      storage = buffer.bytes;
    }
    assert.equal(buffer.length, 10_000_000);
    assert.ok(moved < 2 * buffer.length, `${moved} bytes were moved`);
  });

  it('reuses its memory for short lines', (t) => {
    leakCheck(t);
    const buffer = new LineBuffer(NO_LIMIT);
    const storage = buffer.bytes;
    for (let count = 0; count < 10_000; count++) {
      put(buffer, bytesOf(`line ${count}\nbegin`));
      assert.equal(textOf(buffer.takeLine())?.endsWith(`line ${count}\n`), true);
    }
    assert.equal(buffer.bytes, storage);
  });

  it('keeps what is pending when it makes room', (t) => {
    leakCheck(t);
    const buffer = new LineBuffer(NO_LIMIT);
    put(buffer, bytesOf('one\ntwo\nthr'));
    assert.equal(textOf(buffer.takeLine()), 'one\n');
    buffer.reserve(4090);
    assert.equal(buffer.length, 7);
    buffer.reserve(100_000);
    assert.equal(buffer.length, 7);
    assert.equal(textOf(buffer.takeLine()), 'two\n');
    assert.equal(buffer.takeLine(), null);
    put(buffer, bytesOf('ee\n'));
    assert.equal(textOf(buffer.takeLine()), 'three\n');
  });

  it('lends lines until the next reservation', (t) => {
    leakCheck(t);
    const buffer = new LineBuffer(NO_LIMIT);
    put(buffer, bytesOf('one\ntwo\nrest'));
    const [one, two, rest] = [buffer.takeLine(), buffer.takeLine(), buffer.takeRest()];
    assert.equal(buffer.takeLine(), null);
    assert.deepEqual([textOf(one), textOf(two), textOf(rest)], ['one\n', 'two\n', 'rest']);
    assert.equal(one?.buffer, buffer.bytes.buffer, 'nothing was copied');
    // Now the memory is the buffer's again.
    put(buffer, bytesOf('ONE\n'));
    assert.equal(textOf(one), 'ONE\n');
  });

  it('replaces its memory only where what is asked for has no room', (t) => {
    leakCheck(t);
    const buffer = new LineBuffer(100_000);
    const { bytes } = buffer;
    buffer.reserve(bytes.length);
    buffer.commit(4000);
    buffer.reserve(bytes.length - 4000);
    assert.equal(buffer.bytes, bytes);
    assert.equal(buffer.end, 4000);
    buffer.reserve(bytes.length - 3999);
    assert.notEqual(buffer.bytes, bytes);
    assert.deepEqual([buffer.length, buffer.bytes.length >= 4097], [4000, true]);
  });

  it('takes no more than was reserved, and no line of nothing', (t) => {
    leakCheck(t);
    const buffer = new LineBuffer(8);
    buffer.reserve(10);
    const room = buffer.bytes.length - buffer.end;
    for (const count of [room + 1, -1]) {
      const message = `${count} bytes were not reserved`;
      assert.throws(() => buffer.commit(count), new RangeError(message));
    }
    assert.equal(buffer.length, 0);
    for (const bytesMax of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const message = `a line takes 1 byte and more, not ${bytesMax}`;
      assert.throws(() => new LineBuffer(bytesMax), new RangeError(message));
    }
  });
});

it('line buffer: what is taken as the rest is no overlong line any more', () => {
  const lines = new LineBuffer(4);
  lines.append('abcdefgh');
  assert.equal(lines.takeLine(), null);
  assert.equal(lines.overlong, true);
  assert.equal(Buffer.from(lines.takeRest()).toString(), 'abcdefgh');
  assert.equal(lines.overlong, false);
  lines.append('ij\n');
  assert.equal(Buffer.from(lines.takeLine() ?? []).toString(), 'ij\n');
});
