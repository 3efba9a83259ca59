// Goal: `sockloop send` says what went wrong in one line, with the right status, and soon.
// Method: the real client against servers that are not there, answer badly, late or not at all.

import assert from 'node:assert/strict';
import type { Socket as NodeSocket } from 'node:net';
import { test } from 'node:test';
import { createConnection } from '#src/socket/create.js';
import { Socket } from '#src/socket/socket.js';
import { echoPeer, freePort, peer } from '#test/harness/clients.js';
import { closeReader, run, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { assertOutcome, send, serve, sockloop } from '#test/harness/programs.js';

const timeout = 60_000;
const LOCAL = '127.0.0.1';
const HINT = "Try 'sockloop send --help' for more.\n";

test('send: wrong usage', { timeout }, async (t) => {
  leakCheck(t);
  const missing = 'send takes a HOST and a PORT, or --unix PATH';
  const table: [words: string[], why: string][] = [
    [[], missing],
    [[LOCAL], missing],
    ...['abc', '-1', '0', '65536', '', '80x'].map((text): [string[], string] => [
      ['--', LOCAL, text],
      `PORT takes a number from 1 to 65535, not "${text}"`,
    ]),
    [['--mode', 'x', LOCAL, '1'], '--mode takes echo, line, once, not "x"'],
    [
      ['--timeout', '0', LOCAL, '1'],
      '--timeout takes a time above 0 and up to 2147483 s, such as 10, 500ms or 2m, not "0"',
    ],
    [['--unix', ''], '--unix takes a path or @name'],
    [[LOCAL, '1', '-x'], "unknown option '-x'"],
  ];
  for (const [words, why] of table) {
    assertOutcome(await sockloopHere('send', ...words), 2, '', `sockloop: ${why}\n${HINT}`);
  }
});

test('send: nobody there', { timeout }, async (t) => {
  leakCheck(t);
  const port = `${await freePort()}`;
  const path = `${scratch(t)}/socket`;
  const table: [words: string[], why: string][] = [
    [[LOCAL, port], `cannot connect to 127.0.0.1:${port}: ECONNREFUSED (connection refused)`],
    [['not a name', port], 'cannot resolve "not a name": ENOTFOUND (name or service not known)'],
    [['--unix', path], `cannot connect to ${path}: ENOENT (no such file or directory)`],
  ];
  for (const [words, why] of table) {
    assertOutcome(await sockloopHere('send', ...words, 'x'), 1, '', `sockloop: ${why}\n`);
    const outcome = await sockloopHere('send', '--json', ...words, 'x');
    const code = /: (E\w+) \(/.exec(why)?.[1];
    const failure = { message: why, code };
    const document = { server: null, mode: 'line', exchanges: [], failure };
    assertOutcome(outcome, 1, `${JSON.stringify(document)}\n`, `sockloop: ${why}\n`);
  }
});

test('send: a server that breaks off', { timeout }, async (t) => {
  leakCheck(t);
  const none = 'the server closed the connection without a reply';
  const mute = (socket: NodeSocket): unknown => socket.resume().end();
  const half = (socket: NodeSocket): unknown => socket.once('data', () => socket.end('he'));
  const reset = (socket: NodeSocket): unknown =>
    socket.once('data', () => socket.resetAndDestroy());
  const table: [
    serve: (socket: NodeSocket) => unknown,
    words: string[],
    input: string,
    out: string,
    why: string | RegExp,
  ][] = [
    [mute, ['hello'], '', '', none],
    [mute, [], 'hello', '', none],
    [mute, ['--mode', 'once', 'hello'], '', '', none],
    [half, ['hello'], '', 'he', `${none.slice(0, 32)} after 2 bytes, before the end of the line`],
    [half, ['--mode', 'echo', 'hello'], '', 'he', `${none.slice(0, 32)} after 2 of 6 bytes`],
    [half, ['--mode', 'echo'], 'hello', 'he', `${none.slice(0, 32)} after 2 of 5 bytes`],
    [reset, ['hello'], '', '', /cannot receive from .*: ECONNRESET \(connection reset by peer\)/],
  ];
  for (const [serves, words, input, out, why] of table) {
    const port = await peer(t, (socket) => void serves(socket));
    const outcome = await send(t, [LOCAL, `${port}`, ...words], input);
    const told = new RegExp(`^sockloop: ${typeof why === 'string' ? why : why.source}\n$`);
    assertOutcome(outcome, 1, out, told);
  }
});

test('send: a second line to a server that takes one', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = await serve(t, '--mode', 'once');
  const { status, out } = await sockloopHere('send', '--json', LOCAL, `${port}`, 'one', 'two');
  assert.equal(status, 1);
  const { exchanges, failure } = JSON.parse(out) as {
    exchanges: { reply: string }[];
    failure: { message: string };
  };
  assert.deepEqual(
    exchanges.map(({ reply }) => reply),
    ['one\n'],
  );
  assert.match(failure.message, /server closed|cannot (send to|receive from)/);
  const text = await sockloopHere('send', LOCAL, `${port}`, 'one', 'two');
  assert.deepEqual([text.status, text.out], [1, 'one\n']);
  const why = /^sockloop: (the server closed .*|cannot (send to|receive from) .*: E\w+ .*)\n$/;
  assert.match(text.err, why);
});

test('send --timeout: a server that accepts and never answers', { timeout }, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => void socket.pause());
  const why = `127.0.0.1:${port}: ETIMEDOUT (no whole reply within 300 ms)\n`;
  const to = ['--timeout', '0.3', LOCAL, `${port}`];
  assertOutcome(await send(t, [...to, 'x']), 1, '', `sockloop: cannot receive from ${why}`);
  const big = await send(t, to, Buffer.alloc(20_000_000));
  assertOutcome(big, 1, '', `sockloop: cannot receive from ${why}`);
});

test('send --timeout: a server that never accepts', {
  timeout,
  skip: process.platform === 'linux' ? false : 'only Linux lets a client wait for a full queue',
}, async (t) => {
  leakCheck(t);
  using listener = new Socket('IPv4');
  listener.bind({ address: LOCAL, port: 0 });
  listener.listen(0);
  const name = listener.getSockName();
  assert.ok(name.family !== 'UNIX');
  using _ = createConnection({ host: LOCAL, port: name.port });
  const outcome = await send(t, ['--timeout', '0.3', LOCAL, `${name.port}`, 'x']);
  const why = `cannot connect to 127.0.0.1:${name.port}: ETIMEDOUT (no answer within 300 ms)`;
  assertOutcome(outcome, 1, '', `sockloop: ${why}\n`);
});

test('send: ends when the server breaks off, whatever may still come in', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => {
    socket.once('data', () => socket.end());
  });
  const command = start(t, sockloop('send', LOCAL, `${port}`));
  // The input stays open, as a terminal does.
  command.child.stdin?.write('hello\n');
  const why = 'sockloop: the server closed the connection without a reply\n';
  assertOutcome(await command.end(5000), 1, '', why);
});

test('send: Ctrl-C ends it while it waits', { timeout }, async (t) => {
  leakCheck(t);
  let came: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    came = resolve;
  });
  const port = await peer(t, (socket) => void socket.once('data', () => came()));
  const command = start(t, sockloop('send', LOCAL, `${port}`, 'x'));
  await reached;
  const { status, signal, err } = await command.stop('SIGINT');
  assert.deepEqual([status, signal, err], [null, 'SIGINT', '']);
});

test('send: a reader of its output that leaves ends it without a word', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const command = start(t, sockloop('send', LOCAL, `${port}`));
  await closeReader(command);
  command.child.stdin?.end('hello\n');
  const { status, err } = await command.end();
  assert.deepEqual([status, err], [1, '']);
});

test('send: an input that cannot be read, an output that is full', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const shell = (redirection: string): string[] => [
    'sh',
    '-c',
    `exec "$@" ${redirection}`,
    'sh',
    ...sockloop('send', LOCAL, `${port}`),
  ];
  const cases: [string, RegExp][] = [
    ['< /', /^sockloop: EISDIR: illegal operation on a directory, read\n$/],
    [
      '> /dev/full',
      /^sockloop: cannot write to standard output: ENOSPC \(no space left on device\)\n$/,
    ],
  ];
  for (const [redirection, why] of cases) {
    assertOutcome(await run(t, shell(redirection), 'x\n'), 1, '', why);
  }
});

test('send: a UNIX server that shuts down while it is full does not make it spin', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const path = `${scratch(t)}/socket`;
  using listener = new Socket('UNIX');
  listener.bind({ path });
  listener.listen(1);
  const command = start(t, sockloop('send', '--trace', '--timeout', '5', '--unix', path));
  command.child.stdin?.end(Buffer.alloc(10_000_000));
  // One send fills the queue, whose reader does not read.
  await command.until('err', /^send\(.* = 65536$/m);
  const [connection] = listener.accept();
  using accepted = connection;
  accepted.shutdown('both');
  const { status, err } = await command.end();
  assert.equal(status, 1);
  assert.match(err, /\nsockloop: cannot send to .*: EPIPE \(broken pipe\)\n$/);
});
