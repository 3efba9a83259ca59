// Goal: a log holds up nobody: what its reader does not take waits, then is dropped and counted,
// and lines come in order; a reader that comes back, or is slow, gets what waits.
// Method: LogStream over outputs made up here, and over a pipe that nobody reads.

import assert from 'node:assert/strict';
import { closeSync, openSync, readSync } from 'node:fs';
import { test } from 'node:test';
import { openPipe, openStreamPair } from '#src/sys/descriptors.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { FailureLines } from '#tools/terminal/failure-lines.js';
import { logOutput } from '#tools/terminal/log-output.js';
import { LogStream } from '#tools/terminal/log-stream.js';

const LINE_BYTES = 100;

/** Line `n`, of LINE_BYTES with its newline. */
const line = (n: number): Buffer => Buffer.from(`${`${n} `.padEnd(LINE_BYTES - 1, '.')}\n`);

/** An output that takes what `room` says, and keeps it. */
class Output {
  text = '';
  room = 0;
  readonly write = (bytes: Uint8Array): number => {
    const taken = Math.min(this.room, bytes.length);
    this.room -= taken;
    this.text += Buffer.from(bytes.subarray(0, taken)).toString();
    return taken;
  };
}

const numbersIn = (text: string): number[] =>
  [...text.matchAll(/^(\d+) \.*$/gm)].map(([, digits]) => Number(digits));

test('a log that nobody reads drops lines, counts them, and tells where they were', () => {
  const output = new Output();
  const log = new LogStream(1, output.write);
  for (let n = 0; n < 20_000; n++) log.write(line(n));
  output.room = Number.POSITIVE_INFINITY;
  log.write(line(20_000));
  const told = numbersIn(output.text);
  const [, digits] =
    /^sockloop: (\d+) lines dropped: nobody read standard output$/m.exec(output.text) ?? [];
  assert.equal(told.length + Number(digits), 20_001);
  assert.ok(told.length > 10_000, 'a queue of 1 MiB holds more than 10,000 of them');
  assert.deepEqual(
    told.slice(0, -1),
    Array.from({ length: told.length - 1 }, (_, n) => n),
  );
  assert.equal(told.at(-1), 20_000);
  assert.match(output.text, /dropped.*\n20000 \.*\n$/, 'the word stands where they were');
  assert.equal(log.pending, false);
});

test('a log is written piece by piece, and no line is torn', () => {
  const output = new Output();
  const log = new LogStream(2, output.write);
  for (let n = 0; n < 1000; n++) {
    output.room += 37;
    log.write(line(n));
  }
  assert.ok(log.pending);
  output.room = Number.POSITIVE_INFINITY;
  log.finish();
  assert.deepEqual(
    numbersIn(output.text),
    Array.from({ length: 1000 }, (_, n) => n),
  );
  assert.equal(output.text.length, 1000 * LINE_BYTES);
});

test('at the end a slow reader gets all of it, and a stuck one does not hold it', () => {
  const output = new Output();
  const slow = new LogStream(1, (bytes) => {
    output.room = Math.min(40_000, bytes.length);
    return calls++ % 2 === 0 ? 0 : output.write(bytes);
  });
  let calls = 0;
  for (let n = 0; n < 50; n++) slow.write(line(n));
  slow.finish();
  assert.equal(numbersIn(output.text).length, 50);

  const stuck = new LogStream(1, () => 0);
  stuck.write(line(0));
  const startMs = performance.now();
  stuck.finish();
  assert.ok(performance.now() - startMs >= 400, 'it gets a moment');
  assert.ok(stuck.pending);
});

test('a reader that has gone, and a full disk, are no errors', () => {
  let code = 'ENOSPC';
  const output = new Output();
  output.room = Number.POSITIVE_INFINITY;
  const log = new LogStream(1, (bytes) => {
    if (code === '') return output.write(bytes);
    throw Object.assign(new Error(code), { code });
  });
  log.write(line(0));
  log.write(line(1));
  log.finish();
  code = '';
  log.write(line(2));
  assert.match(output.text, /^sockloop: \d lines dropped.*\n2 /);
  code = 'EPIPE';
  log.write(line(3));
  assert.equal(log.pending, false);
  code = '';
  log.write(line(4));
  assert.deepEqual(numbersIn(output.text), [2], 'nobody reads: nothing is tried again');
});

test('a pipe is written without blocking, and stays as it is for others', (t) => {
  leakCheck(t);
  const sys = nativeSys();
  const pair = new Int32Array(2);
  assert.ok(openPipe(sys, pair, false) >= 0);
  const [reader = -1, writer = -1] = pair;
  const { F_GETFL, O_NONBLOCK } = sys.abi.constants;
  // Where a second description can be had, it is closed with the process: closed by hand here.
  const before = openSync('/dev/null', 'r');
  closeSync(before);
  const log = new LogStream(1, logOutput(writer));
  for (let n = 0; n < 5000; n++) log.write(line(n));
  assert.ok(log.pending, 'half a megabyte is more than a pipe holds');
  assert.equal(sys.fcntl(writer, F_GETFL, 0) & O_NONBLOCK, 0, 'the flags are shared with others');
  const pieces: Buffer[] = [];
  for (let length = 0; length < 5000 * LINE_BYTES; ) {
    const piece = Buffer.alloc(65_536);
    const count = readSync(reader, piece);
    pieces.push(piece.subarray(0, count));
    length += count;
    log.flush();
  }
  assert.deepEqual(
    numbersIn(Buffer.concat(pieces).toString()),
    Array.from({ length: 5000 }, (_, n) => n),
  );
  closeSync(reader);
  closeSync(writer);
  if (process.platform === 'linux') closeSync(before);
});

test('a socket for which the kernel lacks memory gets its lines later', (t) => {
  leakCheck(t);
  const native = nativeSys();
  const { ENOBUFS, ENOMEM } = native.abi.errno;
  const pair = new Int32Array(2);
  assert.equal(openStreamPair(native, pair), 0);
  const [reader = -1, writer = -1] = pair;
  let refusal = ENOBUFS;
  const sys = standIn(native, {
    send: (...values) => (refusal === 0 ? native.send(...values) : -refusal),
  });
  const log = new LogStream(1, logOutput(writer, sys));
  log.write(line(0));
  refusal = ENOMEM ?? 0;
  log.write(line(1));
  refusal = 0;
  log.write(line(2));
  assert.equal(log.pending, false);
  const bytes = Buffer.alloc(4 * LINE_BYTES);
  const length = readSync(reader, bytes);
  assert.deepEqual(numbersIn(bytes.toString('utf8', 0, length)), [0, 1, 2]);
  closeSync(reader);
  closeSync(writer);
});

test('failures are told once a second, with a count of the others', () => {
  const told: string[] = [];
  let nowMs = 0;
  const lines = new FailureLines(
    (text) => told.push(text),
    () => nowMs,
  );
  for (let n = 1; n <= 100; n++) {
    nowMs += 5;
    lines.add(`failure ${n}`);
  }
  assert.deepEqual(told, ['failure 1']);
  nowMs = 1100;
  lines.add('failure 101');
  assert.deepEqual(told.slice(1), ['failure 101; 99 more since the last line']);
  lines.add('failure 102');
  lines.end();
  assert.deepEqual(told.slice(2), ['failure 102']);
});
