// Goal: the buffers that a kernel fills and that sends go out of are never lost, never mixed up and
// never overwritten too early.
// Method: the real kernel; sources and sinks driven by hand around one backend, and every byte is
// compared.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { StreamSink } from '#src/loop/backend.js';
import { RingBackend } from '#src/loop/ring/backend.js';
import { BUFFER_BYTES, BUFFERS_AT_FIRST, BUFFERS_MAX } from '#src/ring/limits.js';
import { nativeSys } from '#src/sys/native.js';
import { pattern } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { unwilling, withoutRing } from './environment.ts';
import { pushInto, takeFrom, Wired } from './socket-pairs.ts';

const sys = nativeSys();
const limits = { skip: withoutRing, timeout: 60_000 };
const TURNS_MAX = 20_000;
const MIB = 1024 * 1024;

function openBackend(t: TestContext, over = sys): RingBackend {
  const backend = new RingBackend(over);
  t.after(() => backend.destroy());
  return backend;
}

/** A stream that the test knows the end of. */
function wire(
  t: TestContext,
  backend: RingBackend,
  sink: Partial<StreamSink> = {},
  sendBytes?: number,
): Wired {
  const wired = new Wired(sys, backend, sink, sendBytes);
  t.after(() => sys.close(wired.peer));
  return wired;
}

/** Turns until `done` says so. */
function pollUntil(backend: RingBackend, done: () => boolean): void {
  for (let turns = 0; turns < TURNS_MAX; turns++) {
    if (done()) return;
    backend.poll(1);
    backend.closePhase();
  }
  assert.fail('waited in vain');
}

/** Something to say, and how much of it was said. */
class Source {
  readonly text: Buffer;
  readonly #fd: number;
  #sent = 0;

  constructor(fd: number, text: Buffer) {
    this.#fd = fd;
    this.text = text;
  }

  /** Says at most `length` bytes more. */
  speak(length: number): void {
    if (this.#sent === this.text.length) return;
    this.#sent += pushInto(sys, this.#fd, this.text.subarray(this.#sent, this.#sent + length));
  }
}

/** What comes out at one end. */
class Ear {
  readonly #fd: number;
  readonly #pieces: Buffer[] = [];
  length = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  listen(): void {
    const piece = takeFrom(sys, this.#fd);
    this.#pieces.push(piece);
    this.length += piece.length;
  }

  get heard(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

test('ring buffers: more chunks at once than there are buffers', limits, (t) => {
  leakCheck(t);
  const backend = openBackend(t);
  const texts = Array.from({ length: BUFFERS_AT_FIRST + 30 }, (_, index) =>
    pattern(3000, index + 1),
  );
  const heard = texts.map((): Buffer[] => []);
  for (const [index, text] of texts.entries()) {
    const received = (chunk: Uint8Array): void => {
      heard[index]?.push(Buffer.from(chunk));
    };
    pushInto(sys, wire(t, backend, { received }).peer, text);
  }
  assert.equal(backend.buffers.count, BUFFERS_AT_FIRST);
  backend.poll(0);
  assert.ok(backend.stats.outOfBuffers >= 30, 'counted');
  assert.equal(backend.buffers.count, 2 * BUFFERS_AT_FIRST);
  const all = (): boolean => heard.every((pieces) => Buffer.concat(pieces).length === 3000);
  pollUntil(backend, all);
  for (const [index, text] of texts.entries()) {
    assert.ok(Buffer.concat(heard[index] ?? []).equals(text));
  }
});

test('ring buffers: who finds none comes first in the next turn', limits, (t) => {
  leakCheck(t);
  const backend = openBackend(t);
  const piece = pattern(40_000, 1);
  const greedy = Array.from({ length: BUFFERS_MAX + 50 }, () => wire(t, backend));
  let heard = 0;
  const modest = wire(t, backend, {
    received: () => {
      heard += 1;
    },
  });
  const fillAndTurn = (): void => {
    for (const { peer } of greedy) pushInto(sys, peer, piece);
    backend.poll(0);
  };
  while (backend.buffers.count < BUFFERS_MAX) fillAndTurn();
  for (let message = 1; message <= 20; message += 1) {
    pushInto(sys, modest.peer, Buffer.from('hello'));
    for (let turns = 0; heard < message && turns < 4; turns += 1) fillAndTurn();
    assert.equal(heard, message, `no buffer for message ${message}`);
  }
});

/** A stream that is sent to, what was sent, and what came of it. */
class Sink {
  readonly wired: Wired;
  readonly ear: Ear;
  readonly #sent: Buffer[] = [];
  #length = 0;

  constructor(t: TestContext, backend: RingBackend, received: Received, sendBytes?: number) {
    this.wired = wire(t, backend, { received }, sendBytes);
    this.ear = new Ear(this.wired.peer);
  }

  send(bytes: Uint8Array, offset = 0, length = bytes.length - offset): void {
    this.#sent.push(Buffer.from(bytes.subarray(offset, offset + length)));
    this.#length += length;
    this.wired.stream.send(bytes, offset, length);
  }

  /** Whether all has arrived. */
  get done(): boolean {
    return this.ear.length === this.#length;
  }

  check(): void {
    assert.ok(this.ear.heard.equals(Buffer.concat(this.#sent)), 'what was sent at the call');
    assert.deepEqual(this.wired.errors, []);
  }
}

type Received = (chunk: Uint8Array) => void;

const ignore: Received = () => undefined;

/** One source, and four sinks that get its chunks in as many ways. */
function relay(t: TestContext, backend: RingBackend, index: number) {
  // Some have next to no room, so that their sends fall short.
  const room = (place: number): number | undefined => ((index + place) % 2 ? 4096 : undefined);
  const halves = new Sink(t, backend, ignore, room(0));
  const framed = new Sink(t, backend, ignore, room(1));
  const inverted = new Sink(t, backend, ignore, room(2));
  const own: Sink = new Sink(
    t,
    backend,
    (chunk) => {
      const middle = chunk.length >> 1;
      own.send(chunk);
      if (middle > 0) halves.send(chunk, 0, middle);
      inverted.send(chunk.map((byte) => byte ^ 0xff));
      halves.send(chunk.subarray(middle));
      framed.send(Buffer.from(`${chunk.length}:`));
      framed.send(chunk, 0, 1);
      if (chunk.length > 1) framed.send(chunk, 1);
      framed.send(Buffer.from(';'));
      framed.send(chunk.subarray(0, 1));
    },
    room(3),
  );
  const source = new Source(own.wired.peer, pattern(150_000 + index, index + 1));
  return { source, own, sinks: [own, halves, framed, inverted] };
}

/** What a kernel does that is short of memory shows whether a buffer was given back too early. */
const kernels: Readonly<Record<string, () => typeof sys>> = {
  '': () => sys,
  ', of a kernel that takes submissions in parts': () => unwilling(sys, 5, new Map()),
};

for (const [title, kernel] of Object.entries(kernels)) {
  test(`ring buffers: as many as there may be, and still more chunks${title}`, limits, (t) => {
    leakCheck(t);
    const backend = openBackend(t, kernel());
    const count = 2 * BUFFERS_MAX + 50;
    const ears: Ear[] = [];
    const sources: Source[] = [];
    for (let index = 0; index < count; index++) {
      const wired = wire(t, backend, {
        received: (chunk) => wired.stream.send(chunk, 0, chunk.length),
      });
      ears.push(new Ear(wired.peer));
      sources.push(new Source(wired.peer, pattern(5000, index + 1)));
    }
    for (let round = 0; round < 5; round++) {
      for (const source of sources) source.speak(1000);
      const echoed = (): boolean => {
        for (const ear of ears) ear.listen();
        return ears.every(({ length }) => length === 1000 * (round + 1));
      };
      pollUntil(backend, echoed);
    }
    assert.equal(backend.buffers.count, BUFFERS_MAX);
    assert.ok(backend.stats.outOfBuffers > 0);
    const heard = ears.map((ear) => ear.heard);
    assert.ok(sources.every(({ text }, index) => heard[index]?.equals(text)));
  });

  test(`ring buffers: chunks that are sent on in many ways${title}`, limits, (t) => {
    leakCheck(t);
    const backend = openBackend(t, kernel());
    const relays = Array.from({ length: 40 }, (_, index) => relay(t, backend, index));
    let turn = 0;
    const heard = (): boolean => {
      turn += 1;
      for (const [index, { source, sinks }] of relays.entries()) {
        source.speak(1 + ((turn * 7919 + index * 104_729) % BUFFER_BYTES));
        for (const [place, { ear }] of sinks.entries()) if (turn % (place + 1) === 0) ear.listen();
      }
      return relays.every(
        ({ source, own, sinks }) =>
          own.ear.length === source.text.length && sinks.every(({ done }) => done),
      );
    };
    pollUntil(backend, heard);
    assert.ok(backend.stats.partialSends + backend.stats.eagain > 0, 'short writes');
    for (const { source, own, sinks } of relays) {
      for (const sink of sinks) sink.check();
      assert.ok(own.ear.heard.equals(source.text));
    }
  });

  test(`ring buffers: a chunk that is kept is sent as it was at the call${title}`, limits, (t) => {
    leakCheck(t);
    const kept: Uint8Array[] = [];
    // Chunks of a loop that is closed, too: their memory is that of the next one.
    for (let loops = 0; loops < 3; loops++) {
      const backend = openBackend(t, kernel());
      const old = new Sink(t, backend, ignore);
      const echoes = Array.from({ length: 20 }, (_, index) => {
        const echo: Sink = new Sink(t, backend, (chunk) => {
          kept.push(chunk);
          for (const one of kept.slice(-4)) old.send(one);
          echo.send(chunk);
          for (const one of kept.slice(0, 1)) old.send(one);
        });
        return { echo, source: new Source(echo.wired.peer, pattern(30_000, index + 1)) };
      });
      const heard = (): boolean => {
        for (const { echo, source } of echoes) {
          source.speak(3000);
          echo.ear.listen();
        }
        return echoes.every(({ echo, source }) => echo.ear.length === source.text.length);
      };
      const all = (): boolean => {
        const over = heard();
        // Outside of any callback.
        if (!over) for (const one of kept.slice(0, 2)) old.send(one);
        old.ear.listen();
        return over && old.done;
      };
      pollUntil(backend, all);
      for (const sink of [old, ...echoes.map(({ echo }) => echo)]) sink.check();
      backend.destroy();
    }
  });
}

test('ring buffers: one write of any size into a socket with next to no room', limits, (t) => {
  leakCheck(t);
  const backend = openBackend(t);
  for (const size of [1, 64, 65, 16_384, 16_385, BUFFER_BYTES, BUFFER_BYTES + 1, MIB]) {
    const text = pattern(size, size);
    const wired = wire(t, backend, {}, 4096);
    const ear = new Ear(wired.peer);
    wired.stream.send(Buffer.from(text), 0, size);
    const queued = wired.stream.queuedBytes;
    const all = (): boolean => {
      ear.listen();
      return ear.length === size;
    };
    pollUntil(backend, all);
    assert.ok(ear.heard.equals(text), `${size} bytes`);
    pollUntil(backend, () => wired.stream.queuedBytes === 0);
    assert.equal(wired.drains, queued > 0 ? 1 : 0);
  }
});

test('ring buffers: 64 MiB in one write, read in small pieces', limits, (t) => {
  leakCheck(t);
  const backend = openBackend(t);
  const wired = wire(t, backend);
  const piece = pattern(MIB);
  const text = Buffer.concat(new Array<Buffer>(64).fill(piece));
  wired.stream.send(text, 0, text.length);
  const [sent, came] = [createHash('sha256').update(text), createHash('sha256')];
  text.fill(0);
  let length = 0;
  const all = (): boolean => {
    const bytes = takeFrom(sys, wired.peer);
    came.update(bytes);
    length += bytes.length;
    return length === text.length;
  };
  pollUntil(backend, all);
  assert.equal(came.digest('hex'), sent.digest('hex'));
  pollUntil(backend, () => wired.drains === 1);
});
