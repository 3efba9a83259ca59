import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EchoMode } from '#tools/echo/session.js';
import { InFlightTimes } from '#tools/load/engine/in-flight.js';
import { MessagePool } from '#tools/load/traffic/message-pool.js';

/** The bytes that a connection has sent after `pieces`, and the position of its stream. */
function stream(pool: MessagePool, start: number, pieces: readonly number[]) {
  const sent: Uint8Array[] = [];
  const to = {
    write: (bytes: Uint8Array, offset = 0, length = bytes.length - offset): boolean => {
      sent.push(bytes.slice(offset, offset + length));
      return true;
    },
  };
  let at = start;
  for (const piece of pieces) {
    const count = Math.min(piece, pool.piecesAt(at));
    pool.write(to, at, count);
    at = pool.after(at, count * pool.messageBytes);
  }
  return Buffer.concat(sent);
}

/** True if the pool accepts `bytes` as the stream, in chunks of these lengths. */
function accepts(pool: MessagePool, start: number, bytes: Uint8Array, chunks: readonly number[]) {
  let at = start;
  let from = 0;
  for (let turn = 0; from < bytes.length; turn += 1) {
    const length = chunks[turn % chunks.length] ?? 1;
    const chunk = bytes.subarray(from, from + length);
    if (!pool.matches(chunk, at)) return false;
    at = pool.after(at, chunk.length);
    from += chunk.length;
  }
  return true;
}

const shape = fc.record({
  bytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 100_000 })),
  mode: fc.constantFrom<EchoMode>('echo', 'line', 'once'),
  number: fc.nat(5000),
  pieces: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
  chunks: fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 1, maxLength: 5 }),
});

test('what was sent is taken in whatever pieces it comes, and one wrong bit is not', () => {
  fc.assert(
    fc.property(shape, fc.nat(), ({ bytes, mode, number, pieces, chunks }, place) => {
      const pool = new MessagePool({ kind: 'bytes', bytes }, mode, 3);
      const start = pool.startOf(number);
      const sent = stream(pool, start, pieces);
      assert.equal(sent.length % bytes, 0);
      const long = chunks.some((length) => length > 100) ? chunks : [65_536];
      assert(accepts(pool, start, sent, long));
      const at = place % sent.length;
      sent[at] = (sent[at] ?? 0) ^ 1;
      assert(!accepts(pool, start, sent, long));
    }),
    { numRuns: 60 },
  );
});

test('lines end with the only newline in them', () => {
  for (const bytes of [1, 2, 7, 64, 5000, 70_000]) {
    const pool = new MessagePool({ kind: 'bytes', bytes }, 'line', 5);
    const sent = stream(pool, pool.startOf(11), [1, 2, 3, 1]);
    for (const [at, byte] of sent.entries()) {
      assert.equal(byte === 10, at % bytes === bytes - 1, `byte ${at} of lines of ${bytes}`);
    }
  }
});

test('connections that follow each other send different bytes', () => {
  for (const bytes of [8, 64, 1024, 20_000, 1_000_000]) {
    const pool = new MessagePool({ kind: 'bytes', bytes }, 'echo', 5);
    const first = Array.from({ length: 8 }, (_, number) =>
      stream(pool, pool.startOf(number), [1]).toString('latin1'),
    );
    assert.equal(new Set(first).size, 8, `messages of ${bytes} bytes`);
  }
});

test('a given message is sent as it is', () => {
  const base64 = Buffer.from('one\ntwo\n').toString('base64');
  const pool = new MessagePool({ kind: 'given', base64, source: 'test' }, 'line', 5);
  for (const number of [0, 1, 77]) {
    assert.equal(stream(pool, pool.startOf(number), [1, 1]).toString(), 'one\ntwo\none\ntwo\n');
  }
});

test('messages in flight keep their order and their times, however many there are', () => {
  const step = fc.constantFrom('put', 'send', 'take');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const times = new InFlightTimes(3, 2);
      times.next();
      const flight = times.next();
      const neighbour = times.next();
      neighbour.put(-1);
      const model: { due: number; sent: number | null }[] = [];
      let clock = 0;
      for (const what of steps) {
        clock += 1;
        const next = model.find(({ sent }) => sent === null);
        if (what === 'put') {
          flight.put(clock);
          model.push({ due: clock, sent: null });
        } else if (what === 'send' && next !== undefined) {
          assert.equal(flight.nextDueMs, next.due);
          flight.send(clock);
          next.sent = clock;
        } else if (what === 'take' && model.length > 0) {
          const oldest = model.shift();
          assert.equal(flight.dueMs, oldest?.due);
          if (oldest?.sent !== null) assert.equal(flight.sentMs, oldest?.sent);
          flight.take();
        }
        assert.equal(flight.awaited, model.filter(({ sent }) => sent !== null).length);
        assert.equal(flight.waiting, model.filter(({ sent }) => sent === null).length);
      }
      assert.equal(neighbour.dueMs, -1);
    }),
  );
});
