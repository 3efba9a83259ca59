// Goal: bytes that wait to be sent come out as they went in: queued, in front, staged, borrowed.
// Method: the same random calls to a queue and to a plain list of bytes; memory that is overwritten
// as soon as nothing may refer to it any more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deliver, ownedCopy } from '#src/base/borrowed.js';
import { GatheredSends } from '#src/loop/gathered-sends.js';
import { Outbox } from '#src/loop/outbox.js';
import { BUFFER_BYTES, STAGED_BYTES_MAX, STAGING_BYTES } from '#src/ring/limits.js';

/** Bytes that differ from place to place, and from piece to piece. */
let stamp = 0;
function fresh(length: number): Buffer {
  stamp += 1;
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + (at >> 8) * 7 + stamp * 13) & 255;
  return bytes;
}

type Step = readonly ['append' | 'consume' | 'prepend', number];
const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('append', 'append', 'consume', 'consume', 'prepend'),
  fc.oneof(fc.nat(200), fc.nat(200_000), fc.constantFrom(65_535, 65_536, 65_537, 131_072)),
);

test('outbox: behaves as one long piece of bytes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const outbox = new Outbox();
      let model = Buffer.alloc(0);
      // Bytes are put in front only while none was sent: a short write comes first.
      let untouched = true;
      for (const [what, size] of steps) {
        if (what === 'append') {
          const bytes = fresh(size + 5);
          outbox.append(bytes, 3, size);
          model = Buffer.concat([model, bytes.subarray(3, 3 + size)]);
          bytes.fill(0);
        } else if (what === 'prepend') {
          if (!untouched || size === 0) continue;
          const bytes = fresh(size);
          outbox.prepend(bytes);
          model = Buffer.concat([bytes, model]);
          bytes.fill(0);
        } else {
          const first = outbox.peek();
          const length = Math.min(size, first.length);
          assert.ok(model.subarray(0, first.length).equals(first));
          outbox.consume(length);
          model = model.subarray(length);
          untouched = model.length === 0;
        }
        assert.equal(outbox.length, model.length);
        assert.equal(outbox.peek().length > 0, model.length > 0, 'what is there can be sent');
      }
      while (outbox.length > 0) {
        const first = outbox.peek();
        assert.ok(model.subarray(0, first.length).equals(first));
        outbox.consume(first.length);
        model = model.subarray(first.length);
      }
      assert.deepEqual([model.length, outbox.peek().length], [0, 0]);
    }),
    { numRuns: 200 },
  );
});

const BUFFERS = 4;

/** The memory of a loop: buffers, and behind them that for copies. */
function memory() {
  const bytes = new Uint8Array(BUFFERS * BUFFER_BYTES + STAGING_BYTES).fill(0xee);
  const given: number[] = [];
  const buffers = {
    bytes,
    countMax: BUFFERS,
    offset: (id: number) => id * BUFFER_BYTES,
    give: (id: number) => void given.push(id),
  };
  const sends = new GatheredSends(buffers, BUFFERS * BUFFER_BYTES);
  const chunk = (id: number, text: Buffer): Uint8Array => {
    bytes.set(text, id * BUFFER_BYTES);
    return bytes.subarray(id * BUFFER_BYTES, id * BUFFER_BYTES + text.length);
  };
  return { bytes, given, sends, chunk };
}

test('sends: no copy overlaps another, whatever their lengths, until they are confirmed', () => {
  const length = fc.oneof(fc.nat(300), fc.nat(STAGED_BYTES_MAX), fc.constant(STAGED_BYTES_MAX));
  fc.assert(
    fc.property(fc.array(length, { maxLength: 60 }), fc.nat(7), (lengths, offset) => {
      const { sends } = memory();
      for (const _round of [1, 2]) {
        const staged: { readonly place: number; readonly bytes: Buffer }[] = [];
        let sum = 0;
        for (const size of lengths) {
          const bytes = fresh(size + offset);
          const fits = sum + size <= STAGING_BYTES;
          assert.equal(sends.hasRoom(size), fits);
          const place = sends.place(bytes, offset, size);
          assert.equal(place >= 0, fits);
          if (!fits) continue;
          sum += size;
          staged.push({ place, bytes: Buffer.from(bytes.subarray(offset)) });
          bytes.fill(0);
        }
        for (const { place, bytes } of staged) {
          assert.ok(bytes.equals(sends.bytes(place, bytes.length)));
        }
        const { batch } = sends;
        sends.confirm();
        assert.notEqual(sends.batch, batch, 'the next batch is another one');
      }
    }),
    { numRuns: 60 },
  );
});

test('sends: the memory of copies is all free again once they are confirmed', () => {
  const { sends } = memory();
  for (let round = 0; round < 40; round += 1) {
    const places = Array.from({ length: STAGING_BYTES / STAGED_BYTES_MAX }, () =>
      sends.place(new Uint8Array(STAGED_BYTES_MAX), 0, STAGED_BYTES_MAX),
    );
    assert.equal(new Set(places.filter((place) => place >= 0)).size, places.length);
    assert.equal(sends.hasRoom(1), false);
    sends.confirm();
  }
});

test('sends: what is too long to be copied is not, and needs no room', () => {
  const { sends } = memory();
  const long = fresh(STAGED_BYTES_MAX + 1);
  assert.equal(sends.place(long, 0, long.length), -1);
  assert.equal(sends.hasRoom(long.length), true);
  assert.ok(sends.place(long, 1, STAGED_BYTES_MAX) >= 0);
});

test('sends: a buffer that is sent from comes back when the batch is confirmed, no sooner', () => {
  const { bytes, given, sends, chunk } = memory();
  const text = fresh(1000);
  const echo = (id: number, send: (part: Uint8Array) => number): number => {
    const part = chunk(id, text);
    sends.borrow(id, part);
    const place = send(part);
    sends.giveBack();
    return place;
  };
  assert.equal(
    echo(0, () => -1),
    -1,
  );
  assert.deepEqual(given.splice(0), [0], 'what nobody sends is free at once');
  const whole = echo(1, (part) => sends.place(part, 0, part.length));
  const part = echo(2, (own) => sends.place(own, 10, 20));
  const inside = echo(3, (own) => sends.place(own.subarray(100, 300), 50, 100));
  assert.deepEqual(
    [whole, part, inside],
    [1, 2, 3].map((id) => id * BUFFER_BYTES).map((at, index) => at + ([0, 10, 150][index] ?? 0)),
  );
  assert.deepEqual(given, [], 'they are being sent from');
  assert.ok(text.subarray(150, 250).equals(bytes.subarray(inside, inside + 100)));
  sends.giveBack();
  assert.deepEqual(given, [], 'nothing is given twice');
  sends.confirm();
  assert.deepEqual(given.splice(0), [1, 2, 3]);
  sends.confirm();
  assert.deepEqual(given, []);
  // A batch that is confirmed while a sink borrows: what it sent is done.
  sends.borrow(0, chunk(0, text));
  sends.place(chunk(0, text).subarray(0, 10), 0, 10);
  sends.confirm();
  assert.deepEqual(given, []);
  sends.giveBack();
  assert.deepEqual(given, [0]);
});

test('sends: the own copy of a chunk is sent from its place, and a part of it is copied', () => {
  const { sends, chunk } = memory();
  const part = chunk(1, fresh(2000));
  sends.borrow(1, part);
  let places: number[] = [];
  const received = (lent: Uint8Array): void => {
    const own = ownedCopy(lent);
    places = [
      [0, 2000],
      [100, 1000],
      [0, 1999],
    ].map(([offset = 0, length = 0]) => {
      const place = sends.place(own, offset, length);
      const bytes = sends.bytes(place, length);
      assert.ok(own.subarray(offset, offset + length).every((byte, at) => byte === bytes[at]));
      return place;
    });
  };
  deliver({ received }, part);
  assert.deepEqual(
    places.map((place) => place < BUFFERS * BUFFER_BYTES),
    [true, false, false],
  );
  sends.giveBack();
});

test('sends: what is not of the chunk, or differs from it, is copied', () => {
  const { sends, chunk } = memory();
  const text = fresh(1000);
  const part = chunk(1, text);
  sends.borrow(1, part);
  const changed = Buffer.from(text);
  changed[999] = (changed[999] ?? 0) ^ 1;
  const beyond = new Uint8Array(part.buffer, part.byteOffset + 990, 20);
  const before = new Uint8Array(part.buffer, part.byteOffset - 1, 20);
  for (const bytes of [changed, beyond, before]) {
    const place = sends.place(bytes, 0, bytes.length);
    assert.ok(place >= BUFFERS * BUFFER_BYTES);
    assert.deepEqual([...sends.bytes(place, bytes.length)], [...bytes]);
  }
  sends.giveBack();
});
