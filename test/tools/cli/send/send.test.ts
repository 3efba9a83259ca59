// Goal: whatever goes out through `sockloop send` comes back whole, in each mode and form.
// Method: the real client against the real server, byte for byte.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { bigText, echoPeer, peer } from '#test/harness/clients.js';
import { eventually, run, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { assertOutcome, send, serve, sockloop } from '#test/harness/programs.js';

const timeout = 60_000;
const LOCAL = '127.0.0.1';
const NEWLINE = Buffer.from('\n');

/** Which clients a server answers: `echo` never closes, which `once` waits for. */
const PAIRS = [
  ['echo', ['echo', 'line']],
  ['line', ['line', 'echo']],
  ['once', ['once']],
] as const;

const BYTES = Buffer.from([0xff, 0xfe, 0, 0x80, 0xc3]);

for (const [serverMode, modes] of PAIRS) {
  test(`send --mode ${modes.join(' and ')} to serve --mode ${serverMode}`, {
    timeout,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serve(t, '--mode', serverMode);
    const messages: [words: string[], out: string][] = [
      [['hello'], 'hello\n'],
      [['one', 'two', 'three'], 'one\ntwo\nthree\n'],
      [[''], '\n'],
      [['--', '-n', '--json'], '-n\n--json\n'],
      [['gr\u{fc}\u{df}e \u{1f600}'], 'gr\u{fc}\u{df}e \u{1f600}\n'],
    ];
    if (serverMode !== 'once') messages.push([['two\nlines', 'x'], 'two\nlines\nx\n']);
    for (const mode of modes) {
      for (const [words, out] of messages) {
        const outcome = await sockloopHere('send', '--mode', mode, LOCAL, `${port}`, ...words);
        assertOutcome(outcome, 0, out, '');
      }
    }
    // What goes through where both sides agree on the mode needs no second look.
    const big = bigText();
    const inputs: (string | Buffer)[] = [
      Buffer.concat([Buffer.from('a\nb\n\na\0b\n\0\n'), BYTES, NEWLINE, BYTES]),
      Buffer.concat([big, NEWLINE]),
    ];
    if (serverMode === 'line') inputs.push('', 'a\n', big);
    for (const input of inputs) {
      const words = ['--mode', serverMode, LOCAL, `${port}`];
      const { status, outBytes, err } = await send(t, words, input);
      assert.deepEqual([status, err], [0, '']);
      assert.ok(outBytes.equals(Buffer.from(input)), `${input.length} bytes come back whole`);
    }
    const end = await command.stop();
    assert.deepEqual([end.status, end.err], [0, '']);
  });
}

test('send: over UNIX sockets', { timeout }, async (t) => {
  leakCheck(t);
  const path = `${scratch(t)}/socket`;
  const unix = start(t, sockloop('serve', '--unix', path, '--mode', 'line'));
  await unix.until('out', /^listening/);
  assertOutcome(await sockloopHere('send', '--unix', path, 'one', 'two'), 0, 'one\ntwo\n', '');
  const big = bigText();
  const { status, outBytes } = await send(t, ['--unix', path], big);
  assert.ok(status === 0 && outBytes.equals(big));
  const json = await sockloopHere('send', '--unix', path, '--json', 'x');
  assert.equal(JSON.parse(json.out).server, path);
});

test('send: lines go out as they come', { timeout }, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const command = start(t, sockloop('send', LOCAL, `${port}`));
  for (const line of ['one\n', 'two\n', 'three\n']) {
    command.child.stdin?.write(line);
    await command.until('out', new RegExp(`${line}$`));
  }
  command.child.stdin?.end('four');
  const { status, out } = await command.end();
  assert.deepEqual([status, out], [0, 'one\ntwo\nthree\nfour']);
});

/** `document` with the times taken out, once they were seen to be times. */
function withoutTimes(document: { exchanges: { roundTripMs?: number }[] }): unknown {
  for (const exchange of document.exchanges) {
    const { roundTripMs } = exchange;
    assert.ok(roundTripMs !== undefined && roundTripMs >= 0 && roundTripMs < 60_000);
    delete exchange.roundTripMs;
  }
  return document;
}

test('send --json: one document', { timeout }, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  // Its name, which may have an IPv6 address that nobody listens on.
  const to = ['--json', '--mode', 'echo', 'localhost', `${port}`];
  const text = (reply: string): object => {
    const bytes = Buffer.byteLength(reply);
    return { sentBytes: bytes, receivedBytes: bytes, reply };
  };
  const odd = { sentBytes: 3, receivedBytes: 3, replyBase64: '/wAK' };
  const mark = '\u{feff}\u{fc}\n';
  const table: [words: string[], input: string | Buffer, exchanges: object[]][] = [
    [['a', ''], '', [text('a\n'), text('\n')]],
    [[], 'a\nb', [text('a\n'), text('b')]],
    [[], '', []],
    [[], Buffer.concat([Buffer.from([0xff, 0, 10]), Buffer.from(mark)]), [odd, text(mark)]],
  ];
  for (const [words, input, exchanges] of table) {
    const { status, out, err } = await send(t, [...to, ...words], input);
    assert.deepEqual([status, err, out.indexOf('\n')], [0, '', out.length - 1]);
    const server = `${LOCAL}:${port}`;
    assert.deepEqual(withoutTimes(JSON.parse(out)), { server, mode: 'echo', exchanges });
  }
});

test('send --trace: the calls on standard error, the reply on the other', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const { status, out, err } = await send(t, ['--trace', LOCAL, `${port}`, 'hello']);
  assert.deepEqual([status, out], [0, 'hello\n']);
  for (const form of [
    /^socket\(AF_INET, SOCK_STREAM\|SOCK_CLOEXEC, IPPROTO_IP\) = \d+$/m,
    new RegExp(`^connect\\(\\d+, \\{AF_INET, 127\\.0\\.0\\.1:${port}\\}, 16\\) = 0$`, 'm'),
    /^send\(\d+, "hello\\n", 6, MSG_NOSIGNAL\) = 6$/m,
    /^recv\(\d+, "hello\\n", 65536, 0\) = 6$/m,
    /^close\(\d+\) = 0\n$/m,
  ]) {
    assert.match(err, form);
  }
});

test('send: more than was asked for counts for the next line', { timeout }, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket: Socket) => {
    socket.once('data', () => socket.write('one\ntwo\nthree'));
  });
  const outcome = await send(t, [LOCAL, `${port}`, 'a', 'b']);
  assertOutcome(outcome, 0, 'one\ntwo\n', '');
});

test('send: an input that another process has made non-blocking', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const words = sockloop('send', LOCAL, `${port}`);
  const flag = 'import fcntl, os; fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK); ';
  const python = `${flag}os.execv(${JSON.stringify(words[0])}, ${JSON.stringify(words)})`;
  if ((await run(t, ['sh', '-c', 'command -v python3'])).status !== 0) {
    return t.skip('python3 is not installed: nothing else here sets the flag');
  }
  const command = start(t, ['python3', '-c', python]);
  await eventually(() => assert.equal(command.err, ''));
  for (const line of ['one\n', 'two\n']) {
    command.child.stdin?.write(line);
    await command.until('out', new RegExp(`${line}$`));
  }
  command.child.stdin?.end();
  assertOutcome(await command.end(), 0, 'one\ntwo\n', '');
});
