// Goal: lines and frames come out as they went in, however the bytes are cut into pieces, and what
// is too long is noticed before it fills the memory.
// Method: random messages in random pieces (fast-check), then the edges one by one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, encodeLength, FrameBuffer, LineBuffer, type PrefixBytes } from 'sockloop';
import { bytesOf } from '#test/net/stream/pollers.js';

const prefixes: readonly PrefixBytes[] = [1, 2, 4];
const RUNS = { numRuns: 300 };

/** `bytes` in pieces whose lengths come from `cuts`, over and over. */
function* pieces(bytes: Uint8Array, cuts: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const length = cuts[index % cuts.length] ?? 1;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

const cuts = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 });
const payload = fc.uint8Array({ maxLength: 255 });
const line = fc.uint8Array({ maxLength: 3000 }).map((bytes) => {
  const text = bytes.map((byte) => (byte === 10 ? 11 : byte));
  return Uint8Array.from([...text, 10]);
});

/** Takes with `append`, or as a reader that receives into the buffer. */
function feed(buffer: LineBuffer | FrameBuffer, piece: Uint8Array, copies: boolean): void {
  if (copies) {
    buffer.append(piece);
    return;
  }
  buffer.reserve(piece.length);
  buffer.bytes.set(piece, buffer.end);
  buffer.commit(piece.length);
}

test('tcp: frames come out as they went in', () => {
  for (const prefixBytes of prefixes) {
    const property = fc.property(fc.array(payload), cuts, fc.boolean(), (all, sizes, copies) => {
      const stream = Buffer.concat(all.map((bytes) => encodeFrame(bytes, prefixBytes)));
      const frames = new FrameBuffer(prefixBytes, 255);
      const taken: Uint8Array[] = [];
      for (const piece of pieces(stream, sizes)) {
        feed(frames, piece, copies);
        for (let frame = frames.takeFrame(); frame !== null; frame = frames.takeFrame()) {
          taken.push(frame.slice());
        }
        assert.equal(frames.overlong, false);
      }
      assert.deepEqual(taken, all);
      assert.equal(frames.length, 0);
    });
    fc.assert(property, RUNS);
  }
});

/** The frames that `bytes` give in pieces, and whether one is too long. */
function framesOf(prefixBytes: PrefixBytes, bytes: Uint8Array, sizes: readonly number[]) {
  const frames = new FrameBuffer(prefixBytes, 60);
  const taken: Uint8Array[] = [];
  for (const piece of pieces(bytes, sizes)) {
    if (frames.overlong) break;
    frames.append(piece);
    for (let frame = frames.takeFrame(); frame !== null; frame = frames.takeFrame()) {
      taken.push(frame.slice());
    }
  }
  return { taken, overlong: frames.overlong };
}

test('tcp: any bytes give the same frames, however they are cut', () => {
  const byte = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 255 }));
  const bytes = fc.array(byte, { maxLength: 200 }).map((all) => Uint8Array.from(all));
  const few = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
  for (const prefixBytes of prefixes) {
    const property = fc.property(bytes, few, (stream, sizes) => {
      const whole = framesOf(prefixBytes, stream, [1]);
      assert.deepEqual(framesOf(prefixBytes, stream, sizes), whole);
      assert.deepEqual(framesOf(prefixBytes, stream, [60]), whole);
    });
    fc.assert(property, RUNS);
  }
});

test('tcp: lines come out as they went in, and the rest last', () => {
  const property = fc.property(
    fc.array(line),
    payload,
    cuts,
    fc.boolean(),
    (all, tail, sizes, copies) => {
      const rest = tail.filter((byte) => byte !== 10);
      const lines = new LineBuffer(3001);
      const taken: Uint8Array[] = [];
      for (const piece of pieces(Buffer.concat([...all, rest]), sizes)) {
        feed(lines, piece, copies);
        for (let next = lines.takeLine(); next !== null; next = lines.takeLine()) {
          taken.push(next.slice());
        }
        assert.equal(lines.overlong, false);
      }
      assert.deepEqual(taken, all);
      assert.deepEqual(lines.takeRest().slice(), rest);
      assert.equal(lines.length, 0);
      lines.append(bytesOf('again\n'));
      assert.deepEqual(lines.takeLine()?.slice(), bytesOf('again\n'));
    },
  );
  fc.assert(property, RUNS);
});

test('tcp: a frame that is too long is noticed by its prefix alone', () => {
  const frames = new FrameBuffer(4, 1000);
  frames.append(encodeFrame(new Uint8Array(1000), 4));
  frames.append(new Uint8Array([0, 0, 3, 233]));
  assert.equal(frames.overlong, false, 'the next frame fits');
  assert.equal(frames.takeFrame()?.length, 1000);
  assert.equal(frames.overlong, true);
  assert.equal(frames.takeFrame(), null);
  assert.ok(frames.bytes.length <= 4096);

  const huge = new FrameBuffer(4);
  huge.append(new Uint8Array([255, 255, 255, 255]));
  assert.equal(huge.overlong, true);
  assert.equal(huge.takeFrame(), null);
  assert.deepEqual(huge.takeRest(), new Uint8Array([255, 255, 255, 255]));
});

test('tcp: a line that is too long is noticed', () => {
  const lines = new LineBuffer(4);
  lines.append(bytesOf('abc\nabcde'));
  assert.equal(lines.overlong, false, 'nobody has looked yet');
  assert.deepEqual(lines.takeLine()?.slice(), bytesOf('abc\n'));
  assert.equal(lines.takeLine(), null);
  assert.equal(lines.overlong, true);
});

test('tcp: the prefix of a frame', () => {
  const into = new Uint8Array(6);
  assert.equal(encodeLength(0x01020304, 4, into, 1), 4);
  assert.deepEqual(into, new Uint8Array([0, 1, 2, 3, 4, 0]));
  assert.equal(encodeLength(2 ** 32 - 1, 4, into), 4);
  assert.deepEqual(into, new Uint8Array([255, 255, 255, 255, 4, 0]));
  for (const [length, prefixBytes, offset] of [
    [256, 1, 0],
    [65536, 2, 0],
    [2 ** 32, 4, 0],
    [-1, 4, 0],
    [1.5, 4, 0],
    [1, 4, 3],
    [1, 4, -1],
  ] as const) {
    assert.throws(() => encodeLength(length, prefixBytes, into, offset), RangeError);
  }
  assert.throws(() => encodeFrame(new Uint8Array(256), 1), /at most 255 bytes/);
  assert.throws(() => new FrameBuffer(3 as PrefixBytes), /1, 2 or 4 bytes/);
  assert.throws(() => new FrameBuffer(4, -1), RangeError);
  assert.throws(() => new LineBuffer(0), RangeError);
  assert.throws(() => new LineBuffer(1).commit(5000), /were not reserved/);
});

test('frames: the longest one, with its prefix, takes no more memory than it has bytes', () => {
  const frames = new FrameBuffer(4, 10_000);
  const frame = encodeFrame(new Uint8Array(10_000), 4);
  frames.append(frame.subarray(0, -1));
  frames.append(frame.subarray(-1));
  assert.equal(frames.bytes.length, frame.length + 1, 'and what it was short of');
  assert.equal(frames.takeFrame()?.length, 10_000);
});
