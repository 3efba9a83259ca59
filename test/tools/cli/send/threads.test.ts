// Goal: `sockloop send --threads` sends from many blocking threads at once, prints each reply in
// one piece behind its thread, and says of every thread that fails why, while the others go on.
// Method: the real client against the real server on several loops, and against peers of Node's
// net that misbehave.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { allDone, assertLines, TIME } from '#test/harness/client-threads.js';
import { echoPeer, freePort, MIB, peer } from '#test/harness/clients.js';
import { closeReader, run, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { assertOutcome, quoted, send, serve, sockloop } from '#test/harness/programs.js';

const timeout = 60_000;
const LOCAL = '127.0.0.1';
const HINT = "Try 'sockloop send --help' for more.\n";

test('send --threads: wrong usage', { timeout }, async (t) => {
  leakCheck(t);
  const threads = '--threads takes a number from 1 to 1000, not';
  const many = 'each thread takes some 11 MiB of memory';
  const table: [words: string[], why: string][] = [
    [['--count', '2', LOCAL, '1'], '--count goes with --threads'],
    [['--threads', '2', LOCAL], 'send takes a HOST and a PORT, or --unix PATH'],
    [['--threads', '0', LOCAL, '1'], `${threads} "0"`],
    [['--threads', 'max', LOCAL, '1'], `${threads} "max"`],
    [['--threads', '1001', LOCAL, '1'], `${threads} "1001": ${many}`],
    [
      ['--threads', '2', '--count', '1000001', LOCAL, '1'],
      '--count takes a number from 1 to 1000000, not "1000001"',
    ],
    [['--threads', '2', '--mode', 'x', LOCAL, '1'], '--mode takes echo, line, once, not "x"'],
  ];
  for (const [words, why] of table) {
    assertOutcome(await sockloopHere('send', ...words), 2, '', `sockloop: ${why}\n${HINT}`);
  }
  const name = await sockloopHere('send', '--threads', '2', 'not a name', '1', 'x');
  const why = 'sockloop: cannot resolve "not a name": ENOTFOUND (name or service not known)\n';
  assertOutcome(name, 1, '', why);
});

// A reply ends by its lines, by its bytes or with the connection: it is the client that counts.
for (const [name, mode] of [
  ['blocking', 'once'],
  ['threads', 'line'],
  ['auto', 'echo'],
] as const) {
  test(`send --threads: to serve --loop ${name} --mode ${mode}`, { timeout }, async (t) => {
    leakCheck(t);
    const { command, port } = await serve(t, '--loop', name, '--mode', mode);
    const words = ['--threads', '2', '--count', '5', '--mode', mode, LOCAL, `${port}`];
    const { status, out, err } = await send(t, [...words, 'one', 'three']);
    assert.equal(status, 0, err);
    assertLines(out, 2, Array(5).fill(['one', 'three']).flat());
    assert.match(err, allDone(2, 20, 100));
    // One connection for each thread, or for each message.
    const end = await command.stop();
    const connections = mode === 'once' ? 20 : 2;
    assert.match(end.out, new RegExp(`\nserved ${connections} connections: 100 bytes in, `));
  });
}

test('send --threads: 9 of them, more than start at a time', { timeout }, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const words = ['--threads', '9', '--count', '100', LOCAL, `${port}`];
  const { status, out, err } = await send(t, [...words, 'hello']);
  assert.equal(status, 0, err);
  assertLines(out, 9, Array(100).fill('hello'));
  assert.match(err, allDone(9, 900, 5400));
});

test('send --threads: the lines of standard input, each thread all of them', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const to = ['--threads', '2', '--count', '2', LOCAL, `${port}`];
  const table: [words: string[], input: string, lines: string[], bytes: number][] = [
    // Only the end of the stream makes the last line whole: a connection for each round.
    [[], 'one\nhalf', ['one', 'half'], 8],
    [['two\nlines', ''], '', ['two', 'lines', ''], 11],
  ];
  for (const [words, input, lines, bytes] of table) {
    const { status, out, err } = await send(t, [...to, ...words], input);
    assert.equal(status, 0, err);
    assertLines(out, 2, [...lines, ...lines]);
    assert.match(err, allDone(2, 8, 4 * bytes));
  }
  const nothing = await send(t, to, '');
  assertOutcome(nothing, 0, '', allDone(2, 0, 0));
});

test('send --threads: more input than threads take', { timeout }, async (t) => {
  leakCheck(t);
  const to = ['--threads', '2', LOCAL, `${await freePort()}`];
  const many = await send(t, to, Buffer.alloc(1_000_001, '\n'));
  const why = 'sockloop: threads send 1000000 messages each at the most\n';
  assertOutcome(many, 1, '', why);
  const line = Buffer.alloc(40_000_000);
  line[line.length - 1] = 10;
  const large = await send(t, to, Buffer.concat([line, line]));
  assertOutcome(large, 1, '', 'sockloop: the messages are longer than 67108864 bytes in all\n');
});

test('send --threads: to a name, and over UNIX sockets', { timeout }, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const named = await sockloopHere('send', '--json', '--threads', '1', 'localhost', `${port}`, 'x');
  assert.equal(named.status, 0, named.err);
  assert.equal((JSON.parse(named.out) as Document).server, `${LOCAL}:${port}`);
  const path = `${scratch(t)}/socket`;
  await peer(t, (socket) => socket.pipe(socket), { path });
  const { status, out, err } = await send(t, ['--threads', '2', '--unix', path, 'one', 'two']);
  assert.equal(status, 0, err);
  assertLines(out, 2, ['one', 'two']);
});

test('send --threads --trace: the calls of each thread behind its number', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const { status, out, err } = await send(t, ['--threads', '2', '--trace', LOCAL, `${port}`, 'x']);
  assert.equal(status, 0, err);
  assertLines(out, 2, ['x']);
  for (const thread of [1, 2]) {
    for (const call of [
      'socket\\(',
      'connect\\(',
      'send\\(\\d+, "x\\\\n"',
      'recv\\(',
      'close\\(',
    ]) {
      assert.match(err, new RegExp(`^\\[thread ${thread}\\] ${call}.* = \\d+$`, 'm'));
    }
  }
  assert.match(err.trimEnd().split('\n').at(-1) ?? '', /^2 threads, 2 messages, 2 replies, /);
});

interface Document {
  server: string | null;
  mode: string;
  threads: Record<string, unknown>[];
  totals: Record<string, unknown>;
}

test('send --threads --json: one document, with what each thread came to', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => {
    socket.once('data', (line: Buffer) => socket.end(line));
  });
  const words = ['--json', '--threads', '3', '--count', '4', '--mode', 'once', LOCAL, `${port}`];
  const { status, out, err } = await sockloopHere('send', ...words, 'hello');
  assert.deepEqual([status, err, out.indexOf('\n')], [0, '', out.length - 1]);
  const { server, mode, threads, totals } = JSON.parse(out) as Document;
  assert.deepEqual([server, mode], [`${LOCAL}:${port}`, 'once']);
  const counts = { connections: 4, messages: 4, replies: 4, mismatches: 0, receivedBytes: 24 };
  for (const [index, { roundTripMs, ...facts }] of threads.entries()) {
    assert.deepEqual(facts, { thread: index + 1, outcome: 'done', ...counts });
    const { min, mean, max } = roundTripMs as { min: number; mean: number; max: number };
    assert.ok(min > 0 && min <= mean && mean <= max && max < 60_000);
  }
  const { elapsedMs, ...sums } = totals;
  assert.ok(typeof elapsedMs === 'number' && elapsedMs > 0);
  assert.deepEqual(sums, {
    threads: 3,
    failed: 0,
    stopped: 0,
    ...{ connections: 12, messages: 12, replies: 12, mismatches: 0, receivedBytes: 72 },
  });
});

test('send --threads --json: a failure is in the document', { timeout }, async (t) => {
  leakCheck(t);
  const port = await freePort();
  const words = ['--json', '--threads', '1', LOCAL, `${port}`, 'x'];
  const { status, out, err } = await sockloopHere('send', ...words);
  const message = `cannot connect to ${LOCAL}:${port}: ECONNREFUSED (connection refused)`;
  assert.deepEqual([status, err], [1, `thread 1: ${message}\n`]);
  const { server, threads, totals } = JSON.parse(out) as Document;
  const none = { connections: 0, messages: 0, replies: 0, mismatches: 0, receivedBytes: 0 };
  assert.equal(server, null);
  const failure = { message, code: 'ECONNREFUSED' };
  assert.deepEqual(threads, [
    { thread: 1, outcome: 'failed', ...none, roundTripMs: null, failure },
  ]);
  const { elapsedMs, ...sums } = totals;
  assert.ok(typeof elapsedMs === 'number');
  assert.deepEqual(sums, { threads: 1, failed: 1, stopped: 0, ...none });
});

test('send --threads: one that fails does not hold the others up', { timeout }, async (t) => {
  leakCheck(t);
  let connections = 0;
  const port = await peer(t, (socket) => {
    connections += 1;
    if (connections === 1) socket.once('data', () => socket.resetAndDestroy());
    else socket.pipe(socket);
  });
  const words = ['--threads', '3', '--count', '20', LOCAL, `${port}`, 'hello'];
  const { status, out, err } = await send(t, words);
  assert.equal(status, 1);
  const [, failed] = /^thread (\d): cannot receive from .*: ECONNRESET \(.*\)\n/.exec(err) ?? [];
  const lines = out.split('\n').slice(0, -1).sort();
  const others = [1, 2, 3].filter((thread) => `${thread}` !== failed);
  const expected = others.flatMap((thread) => Array(20).fill(`thread ${thread}: hello`));
  assert.deepEqual(lines, expected);
  const totals = '^3 threads \\(1 failed\\), 41 of 60 messages, 40 replies, 240 bytes back, ';
  assert.match(err.split('\n')[1] ?? '', new RegExp(`${totals}${TIME.source}$`));
});

test('send --threads: replies that are not what was sent', { timeout }, async (t) => {
  leakCheck(t);
  const answer = (reply: string) => (socket: Socket) => {
    socket.on('data', () => socket.write(reply));
  };
  const other = await peer(t, answer('HELLO\n'));
  const { status, out, err } = await send(t, ['--threads', '2', LOCAL, `${other}`, 'hello']);
  assert.equal(status, 0);
  assertLines(out, 2, ['HELLO']);
  assert.match(err, /^2 threads, 2 messages, 2 replies \(2 not what was sent\), 12 bytes back, /);
  const short = await peer(t, (socket) => void socket.once('data', () => socket.end('he')));
  const half = await send(t, ['--threads', '1', LOCAL, `${short}`, 'hello']);
  const why = 'the server closed the connection after 2 bytes, before the end of the line';
  const totals = '1 thread \\(1 failed\\), 1 message, 0 replies, 2 bytes back';
  const told = new RegExp(`^thread 1: ${why}\n${totals}, ${TIME.source}\n$`);
  assertOutcome(half, 1, 'thread 1: he\n', told);
  const endless = await peer(t, answer('x'.repeat(2 * MIB)));
  const to = ['--json', '--threads', '1', LOCAL, `${endless}`];
  const long = await sockloopHere('send', ...to, 'hello');
  assert.equal(long.status, 1);
  assert.match(long.err, new RegExp(`^thread 1: the reply is longer than ${MIB + 6} bytes\n`));
});

test('send --threads: an output that is full or whose reader leaves ends all threads', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const words = sockloop('send', '--threads', '2', '--count', '1000000', LOCAL, `${port}`, 'x');
  const full = await run(t, ['sh', '-c', `exec ${quoted(words)} > /dev/full`]);
  assertOutcome(
    full,
    1,
    '',
    'sockloop: cannot write to standard output: ENOSPC (no space left on device)\n',
  );
  const command = start(t, words);
  await command.until('out', /\n/);
  await closeReader(command);
  const { status, err } = await command.end();
  assert.deepEqual([status, err], [1, '']);
});
