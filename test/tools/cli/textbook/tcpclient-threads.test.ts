// Goal: `tcpclient --threads`, the textbook's second client, asks once and sends from all threads,
// each message over a connection of its own, whatever the server does then.
// Method: the real program against the textbook's server, the servers of `sockloop serve` on
// several loops, ncat, socat, and peers of Node's net that misbehave.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { allDone, assertLines, assertStopped, TIME } from '#test/harness/client-threads.js';
import { bigText, closed, dial, freePort, peer } from '#test/harness/clients.js';
import { closeReader, eventually, run, start } from '#test/harness/command.js';
import { tcpclientHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { assertOutcome, quoted, serve, serveTextbook, tcpclient } from '#test/harness/programs.js';

const timeout = 60_000;
const LOCAL = '127.0.0.1';

const USAGE =
  'usage: tcpclient [--trace] [--threads N [--count M] [--timeout S]] <hostname> <port>\n';
const echo = (socket: Socket): unknown => socket.pipe(socket);

test('tcpclient --threads: wrong usage', { timeout }, async (t) => {
  leakCheck(t);
  const threads = '--threads takes a number from 1 to 1000, not';
  const table: [words: string[], err: string][] = [
    [['--threads'], USAGE],
    [['--threads', '2'], USAGE],
    [['--threads', '2', LOCAL], USAGE],
    [['--threads', '2', LOCAL, '1', 'more'], USAGE],
    [[LOCAL, '1', '--threads', '2'], USAGE],
    [['--count', '2', LOCAL, '1'], USAGE],
    [['--timeout', '2', LOCAL, '1'], USAGE],
    ...['0', '-1', 'x', '', '1.5', 'max'].map((text): [string[], string] => [
      ['--threads', text, LOCAL, '1'],
      `ERROR, ${threads} "${text}"\n`,
    ]),
    [
      ['--threads', '1001', LOCAL, '1'],
      `ERROR, ${threads} "1001": each thread takes some 11 MiB of memory\n`,
    ],
    ...['0', '1000001'].map((text): [string[], string] => [
      ['--threads', '2', '--count', text, LOCAL, '1'],
      `ERROR, --count takes a number from 1 to 1000000, not "${text}"\n`,
    ]),
    [
      ['--timeout', '0', '--threads', '2', LOCAL, '1'],
      'ERROR, --timeout takes a time above 0 and up to 2147483 s, such as 10, 500ms or 2m, ' +
        'not "0"\n',
    ],
    [['--threads', '2', LOCAL, '0'], 'ERROR, "0" is not a port: a number from 1 to 65535\n'],
    [
      ['--threads', '2', 'not a name', '80'],
      'ERROR, no such host as not a name: name or service not known\n',
    ],
  ];
  for (const [words, err] of table) assertOutcome(await tcpclientHere(...words), 1, '', err);
});

test('tcpclient --threads: the textbook client of many threads and the textbook server', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveTextbook(t);
  const words = ['--threads', '2', '--count', '3', 'localhost', `${port}`];
  const { status, out, err } = await run(t, tcpclient(...words), 'hello\nignored\n');
  assert.equal(status, 0, err);
  assertLines(out, 2, ['hello', 'hello', 'hello']);
  assert.match(err, allDone(2, 6, 36));
  await command.until('out', /(server received 6 bytes: hello\n(.*\n)*?){6}/);
});

// One client at a time, and all of them at once.
for (const [name, mode] of [
  ['blocking', 'line'],
  ['auto', 'once'],
] as const) {
  test(`tcpclient --threads: to serve --loop ${name} --mode ${mode}`, { timeout }, async (t) => {
    leakCheck(t);
    const { command, port } = await serve(t, '--loop', name, '--mode', mode);
    const words = ['--threads', '3', '--count', '4', LOCAL, `${port}`];
    const { status, out, err } = await run(t, tcpclient(...words), 'hello\n');
    assert.equal(status, 0, err);
    assertLines(out, 3, Array(4).fill('hello'));
    assert.match(err, allDone(3, 12, 72));
    const end = await command.stop();
    assert.match(end.out, /\nserved 12 connections: 72 bytes in, 72 out\n$/);
  });
}

for (const [tool, ...words] of [
  ['ncat', '-l', '-k', '-e', '/bin/cat', LOCAL],
  ['socat', `TCP-LISTEN:PORT,fork,reuseaddr,bind=${LOCAL}`, 'EXEC:cat'],
] as const) {
  test(`tcpclient --threads: to ${tool}`, { timeout, skip: reasonWithout(tool) }, async (t) => {
    leakCheck(t);
    const port = `${await freePort()}`;
    const rest = words.map((word) => word.replace('PORT', port));
    const server = start(t, [tool, ...rest, ...(tool === 'ncat' ? [port] : [])]);
    // Neither server says when it listens.
    for (let found = false; !found; ) {
      found = await dial({ port: Number(port) }).then(
        (socket) => closed(socket).then(() => true),
        () => delay(20, false),
      );
    }
    const client = tcpclient('--threads', '2', '--count', '2', LOCAL, port);
    const { status, out, err } = await run(t, client, 'hello\n');
    assert.equal(status, 0, err);
    assertLines(out, 2, ['hello', 'hello']);
    await server.stop();
  });
}

test('tcpclient --threads: any line, whole or not', { timeout }, async (t) => {
  leakCheck(t);
  const port = `${await peer(t, (socket) => void echo(socket))}`;
  const table: [input: string | Buffer, printed: string | Buffer, bytes: number][] = [
    ['hello', 'hello', 5],
    ['\n', '', 1],
    ['', '', 0],
    [Buffer.from([0xff, 0xfe, 0, 0x80, 0x0a]), Buffer.from([0xff, 0xfe, 0, 0x80]), 5],
  ];
  for (const [input, printed, bytes] of table) {
    const words = ['--threads', '1', '--count', '2', LOCAL, port];
    const { status, outBytes, err } = await run(t, tcpclient(...words), input);
    const line = [Buffer.from('thread 1: '), Buffer.from(printed), Buffer.from('\n')];
    assert.deepEqual([status, outBytes], [0, Buffer.concat([...line, ...line])]);
    assert.match(err, allDone(1, 2, 2 * bytes));
  }
});

test('tcpclient --threads: the lines of 6 threads are never mixed', { timeout }, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => void echo(socket));
  const line = bigText(100_000).toString();
  const words = ['--threads', '6', '--count', '3', LOCAL, `${port}`];
  const { status, out, err } = await run(t, tcpclient(...words), `${line}\n`);
  assert.equal(status, 0, err);
  assertLines(out, 6, [line, line, line]);
  assert.match(err, allDone(6, 18, 18 * (line.length + 1)));
});

test('tcpclient --threads: 10 MB in one line', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = await serve(t, '--mode', 'once');
  const line = bigText().toString();
  const { status, out } = await run(t, tcpclient('--threads', '2', LOCAL, `${port}`), `${line}\n`);
  assert.equal(status, 0);
  assertLines(out, 2, [line]);
});

test('tcpclient --threads: asks once on a terminal', {
  timeout,
  skip: reasonWithout('script'),
}, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => void echo(socket));
  const words = quoted(tcpclient('--threads', '3', LOCAL, `${port}`));
  const command = start(t, ['script', '-qec', words, '/dev/null']);
  await command.until('out', /^Please enter msg: $/);
  command.child.stdin?.write('hello\n');
  const { status, out } = await command.end();
  assert.equal(status, 0);
  const lines = out.split('\r\n');
  assert.deepEqual(
    lines.slice(1, 4).sort(),
    [1, 2, 3].map((thread) => `thread ${thread}: hello`),
  );
  assert.match(
    out,
    /^Please enter msg: hello\r\n(thread .*\r\n){3}3 threads, 3 messages, 3 replies, .*\r\n$/,
  );
});

test('tcpclient --threads: nobody there', { timeout }, async (t) => {
  leakCheck(t);
  const port = await freePort();
  const { status, out, err } = await run(
    t,
    tcpclient('--threads', '3', '--count', '5', LOCAL, `${port}`),
    'hello\n',
  );
  assert.deepEqual([status, out], [1, '']);
  const lines = err.trimEnd().split('\n');
  const why = `cannot connect to ${LOCAL}:${port}: ECONNREFUSED (connection refused)`;
  assert.deepEqual(
    lines.slice(0, 3).sort(),
    [1, 2, 3].map((thread) => `thread ${thread}: ${why}`),
  );
  const totals = '^3 threads \\(3 failed\\), 0 of 15 messages, 0 replies, 0 bytes back, ';
  assert.match(lines[3] ?? '', new RegExp(`${totals}${TIME.source}$`));
});

test('tcpclient --threads: a server that never answers holds each thread for the timeout', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => void socket.resume());
  const words = ['--threads', '2', '--count', '100', '--timeout', '0.3', LOCAL, `${port}`];
  const startMs = performance.now();
  const { status, out, err } = await run(t, tcpclient(...words), 'hello\n');
  assert.ok(performance.now() - startMs < 5000, 'all threads wait at the same time');
  assert.deepEqual([status, out], [1, '']);
  const why = `: cannot receive from ${LOCAL}:${port}: ETIMEDOUT (no whole reply within 300 ms)`;
  assert.equal(err.split(`${why}\n`).length, 3, err);
  assert.match(err, /\n2 threads \(2 failed\), 2 of 200 messages, 0 replies, 0 bytes back, .*\n$/);
});

test('tcpclient --threads: Ctrl-C ends threads that wait, with totals', { timeout }, async (t) => {
  leakCheck(t);
  let came = 0;
  const port = await peer(t, (socket) => void socket.once('data', () => came++));
  const command = start(t, tcpclient('--threads', '2', LOCAL, `${port}`));
  command.child.stdin?.end('hello\n');
  await eventually(() => assert.equal(came, 2));
  const startMs = performance.now();
  assertStopped(await command.stop('SIGINT'), 2);
  assert.ok(performance.now() - startMs < 1000, 'within a second');
});

test('tcpclient --threads: a reader of its output that leaves ends it without a word', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => void echo(socket));
  const command = start(t, tcpclient('--threads', '2', '--count', '1000000', LOCAL, `${port}`));
  await closeReader(command);
  command.child.stdin?.end('hello\n');
  const { status, err } = await command.end();
  assert.deepEqual([status, err], [1, '']);
});
