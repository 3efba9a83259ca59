// Goal: the textbook's client sends a line, prints its echo, and says plainly why it cannot.
// Method: the real program against servers of Node's net that answer well, badly or not at all.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { bigText, freePort, peer } from '#test/harness/clients.js';
import { closeReader, run, start } from '#test/harness/command.js';
import { tcpclientHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { assertOutcome, quoted, tcpclient } from '#test/harness/programs.js';

const timeout = 60_000;

const USAGE =
  'usage: tcpclient [--trace] [--threads N [--count M] [--timeout S]] <hostname> <port>\n';
const notAPort = (text: string): string =>
  `ERROR, "${text}" is not a port: a number from 1 to 65535\n`;
const echo = (socket: Socket): unknown => socket.pipe(socket);

test('tcpclient: wrong usage, bad ports, nobody there', { timeout }, async (t) => {
  leakCheck(t);
  const nobody = `${await freePort()}`;
  const table: [words: string[], err: string | RegExp][] = [
    [[], USAGE],
    [['127.0.0.1'], USAGE],
    [['127.0.0.1', '1', 'more'], USAGE],
    ...['abc', '-1', '0', '65536', '', '80x'].map((text): [string[], string] => [
      ['127.0.0.1', text],
      notAPort(text),
    ]),
    [['not a name', '80'], 'ERROR, no such host as not a name: name or service not known\n'],
    [['', '80'], 'ERROR, no such host as : name or service not known\n'],
    [['127.0.0.1', nobody], 'ERROR connecting: Connection refused\n'],
    [['localhost', nobody], 'ERROR connecting: Connection refused\n'],
  ];
  for (const [words, err] of table) assertOutcome(await tcpclientHere(...words), 1, '', err);
  assertOutcome(await run(t, tcpclient()), 1, '', USAGE);
});

test('tcpclient: one line out, its echo printed, no prompt without a terminal', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = `${await peer(t, echo)}`;
  const table: [input: string | Buffer, printed: string | Buffer][] = [
    ['hello\n', 'hello\n'],
    ['hello', 'hello\n'],
    ['one\ntwo\n', 'one\n'],
    ['\n', '\n'],
    ['', ''],
    ['a\0b\n', 'a\0b\n'],
    ['gr\u{fc}\u{df}e\n', 'gr\u{fc}\u{df}e\n'],
    [Buffer.from([0xff, 0xfe, 0x80, 0x0a]), Buffer.from([0xff, 0xfe, 0x80, 0x0a])],
  ];
  for (const [input, printed] of table) {
    const host = input === 'hello\n' ? 'localhost' : '127.0.0.1';
    const { status, outBytes, err } = await run(t, tcpclient(host, port), input);
    const expected = Buffer.concat([Buffer.from('Echo from server: '), Buffer.from(printed)]);
    const whole = input === '' ? Buffer.from('Echo from server: \n') : expected;
    assert.deepEqual([status, err, outBytes], [0, '', whole]);
  }
});

test('tcpclient: 10 MB, with and without a newline', { timeout }, async (t) => {
  leakCheck(t);
  const port = `${await peer(t, echo)}`;
  const big = bigText();
  const line = Buffer.concat([big, Buffer.from('\n')]);
  for (const input of [big, line]) {
    const { status, outBytes } = await run(t, tcpclient('127.0.0.1', port), input);
    assert.equal(status, 0);
    assert.ok(outBytes.equals(Buffer.concat([Buffer.from('Echo from server: '), line])));
  }
});

test('tcpclient: a server that does not answer as it should', { timeout }, async (t) => {
  leakCheck(t);
  const none = 'The server closed the connection without a reply';
  const table: [serve: (socket: Socket) => void, input: string, out: string, why: string][] = [
    [(socket) => socket.resume().end(), 'hello\n', '', none],
    [(socket) => socket.resume().end(), 'hello', '', none],
    [
      (socket) => socket.once('data', () => socket.end('hel')),
      'hello\n',
      'Echo from server: hel\n',
      'The server closed the connection after 3 bytes, before the end of the line',
    ],
    [
      (socket) => socket.once('data', () => socket.resetAndDestroy()),
      'hello\n',
      '',
      'Connection reset by peer',
    ],
  ];
  for (const [serve, input, out, why] of table) {
    const port = `${await peer(t, serve)}`;
    const outcome = await run(t, tcpclient('127.0.0.1', port), input);
    assertOutcome(outcome, 1, out, `ERROR talking to the server: ${why}\n`);
  }
});

test('tcpclient: more than was asked for is left alone', { timeout }, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => {
    socket.once('data', () => socket.end('one\ntwo\n'));
  });
  const outcome = await run(t, tcpclient('127.0.0.1', `${port}`), 'x\n');
  assertOutcome(outcome, 0, 'Echo from server: one\n', '');
});

test('tcpclient: asks for the message on a terminal', {
  timeout,
  skip: reasonWithout('script'),
}, async (t) => {
  leakCheck(t);
  const port = await peer(t, echo);
  const words = quoted(tcpclient('127.0.0.1', `${port}`));
  const command = start(t, ['script', '-qec', words, '/dev/null']);
  await command.until('out', /^Please enter msg: $/);
  command.child.stdin?.write('hello\n');
  const { status, out } = await command.end();
  assert.equal(status, 0);
  assert.equal(out, 'Please enter msg: hello\r\nEcho from server: hello\r\n');
});

test('tcpclient: Ctrl-C ends it while it waits, for the server as for the user', {
  timeout,
}, async (t) => {
  leakCheck(t);
  for (const input of ['', 'hello\n']) {
    let came: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => {
      came = resolve;
    });
    const port = await peer(t, (socket) => {
      if (input === '') came();
      else socket.once('data', came);
    });
    const command = start(t, tcpclient('127.0.0.1', `${port}`));
    command.child.stdin?.write(input);
    await reached;
    const { status, signal, err } = await command.stop('SIGINT');
    assert.deepEqual([status, signal, err], [null, 'SIGINT', '']);
  }
});

test('tcpclient: a reader of its output that leaves ends it without a stack', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await peer(t, echo);
  const command = start(t, tcpclient('127.0.0.1', `${port}`));
  await closeReader(command);
  command.child.stdin?.end('hello\n');
  const { status, err } = await command.end();
  assert.deepEqual([status, err], [1, '']);
});
