// Goal: `sockloop serve` listens where it is told, says what it does, and echoes in each mode.
// Method: the real program, each flag and each form of output, with clients of Node's net.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { bigText, peer, talk } from '#test/harness/clients.js';
import { run, type Scope, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { autoLoop } from '#test/harness/loops.js';
import { scratch } from '#test/harness/other-programs.js';
import { assertOutcome, send, serve, sockloop } from '#test/harness/programs.js';

const timeout = 60_000;

test('serve: wrong usage, each with what would be right', { timeout }, async (t) => {
  leakCheck(t);
  const table: [words: string[], why: string][] = [
    ...['abc', '-1', '65536', '', '80x'].map((text): [string[], string] => [
      [`--port=${text}`],
      `--port takes a number from 0 to 65535, not "${text}"`,
    ]),
    [['--mode', 'loud'], '--mode takes echo, line, once, not "loud"'],
    [
      ['--loop', 'magic'],
      '--loop takes auto, io_uring, epoll, kqueue, poll, select, threads, blocking, not "magic"',
    ],
    [['--threads=2', '--loop=blocking'], '--loop blocking serves in one thread, not in 2'],
    [['--threads=2', '--trace'], '--trace prints the calls of one event loop: leave out --threads'],
    [
      ['--max-connections', '0'],
      '--max-connections takes a number from 1 to 9007199254740991, not "0"',
    ],
    [
      ['--loop', 'blocking', '--max-connections', '2'],
      '--loop blocking serves one client at a time, not 2',
    ],
    [
      ['--backlog=-1'],
      '--backlog takes a number from 0 to 2147483647, such as 50 or 20k, not "-1"',
    ],
    [['--backlog', '2147483648'], /--backlog takes .*, not "2147483648"/.source],
    [
      ['--idle-timeout', '0'],
      '--idle-timeout takes a time above 0 and up to 2147483 s, such as 10, 500ms or 2m, not "0"',
    ],
    [['--idle-timeout', '1e9'], /--idle-timeout takes .*, not "1e9"/.source],
    [
      ['--max-line', '0'],
      '--max-line takes a size from 1 to 9007199254740991 bytes, such as 512, 64k or 1M, not "0"',
    ],
    [['--unix', ''], '--unix takes a path or @name'],
    [['--unix', '@'], '--unix takes a path or @name'],
    [['--unix', 'a'.repeat(200)], /--unix: a UNIX path takes at most \d+ bytes .*, not 200/.source],
    [['--xyzzy'], "unknown option '--xyzzy'"],
    [['--port'], "option '--port <port>' argument missing"],
    [['7007'], "too many arguments for 'serve'. Expected 0 arguments but got 1."],
  ];
  for (const [words, why] of table) {
    const outcome = await sockloopHere('serve', ...words);
    const [told = '', hint] = outcome.err.split('\n');
    assert.deepEqual([outcome.status, outcome.out], [2, ''], why);
    assert.ok(told === `sockloop: ${why}` || new RegExp(`^sockloop: ${why}$`).test(told), told);
    assert.equal(hint, "Try 'sockloop serve --help' for more.");
  }
});

test('serve: an address that cannot be had', { timeout }, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const port = await peer(t, (socket) => socket.end());
  await peer(t, (socket) => socket.end(), { path: `${directory}/live` });
  writeFileSync(`${directory}/file`, 'precious');
  const inUse = 'EADDRINUSE (address already in use)';
  const table: [words: string[], why: string][] = [
    [['--port', `${port}`], `cannot listen on 127.0.0.1:${port}: ${inUse}`],
    [['--host', '203.0.113.1'], 'cannot listen on 203.0.113.1:7007: EADDRNOTAVAIL'],
    [['--host', 'not a name'], 'cannot resolve "not a name": ENOTFOUND'],
    [['--unix', `${directory}/live`], `cannot listen on ${directory}/live: ${inUse}`],
    [['--unix', `${directory}/file`], `cannot listen on ${directory}/file: ${inUse}`],
    [['--unix', `${directory}/no/dir`], `cannot listen on ${directory}/no/dir: ENOENT`],
  ];
  for (const json of [[], ['--json']]) {
    for (const [words, why] of table) {
      const { status, out, err } = await sockloopHere('serve', ...words, ...json);
      const told = `sockloop: ${why}`;
      assert.deepEqual([status, out, err.slice(0, told.length)], [1, '', told]);
      assert.equal(err.split('\n').length, 2, 'one line');
    }
  }
  assert.equal(readFileSync(`${directory}/file`, 'utf8'), 'precious');
  assert.ok(existsSync(`${directory}/live`));
});

/** A server that listens, checked to echo and to end well. */
async function checkListening(
  t: Scope,
  words: string[],
  says: RegExp,
  to: object = {},
): Promise<void> {
  const command = start(t, sockloop('serve', ...words));
  const [, port] = await command.until('out', says);
  const target = { port: Number(port), ...to };
  assert.equal((await talk(target, 'hello\n')).toString(), 'hello\n');
  const { status, out, err } = await command.stop();
  assert.deepEqual([status, err], [0, '']);
  assert.match(out, /^listening on .*\nserved 1 connection: 6 bytes in, 6 out\n$/);
}

test('serve: says where it listens', { timeout }, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const v4 = new RegExp(`^listening on 127\\.0\\.0\\.1:(\\d+) \\(${autoLoop}, echo\\)\\n$`);
  await checkListening(t, ['--port', '0'], v4);
  await checkListening(t, ['--port', '0', '--host', 'localhost'], /^listening on .*:(\d+) /, {
    host: 'localhost',
  });
  const all = /^listening on 0\.0\.0\.0:(\d+) \(\w+, line\)\n$/;
  await checkListening(t, ['--port', '0', '--host', '0.0.0.0', '--mode', 'line'], all);
  const path = `${directory}/socket`;
  const says = new RegExp(`^listening on ${path} \\(${autoLoop}, once\\)\\n$`);
  await checkListening(t, ['--unix', path, '--mode', 'once'], says, { path });
  assert.ok(!existsSync(path), 'the name is gone with the server');
});

test('serve: takes over the name of a server that died, not of one that lives', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const path = `${scratch(t)}/socket`;
  const killed = start(t, sockloop('serve', '--unix', path));
  await killed.until('out', /^listening/);
  await killed.stop('SIGKILL');
  assert.ok(existsSync(path), 'a killed server leaves its name');
  const heir = start(t, sockloop('serve', '--unix', path));
  await heir.until('out', /^listening/);
  const third = await run(t, sockloop('serve', '--unix', path));
  assertOutcome(third, 1, '', /: EADDRINUSE \(address already in use\)\n$/);
  assert.equal((await talk({ path }, 'on\n')).toString(), 'on\n');
});

test('serve: an abstract name', {
  timeout,
  skip: process.platform === 'linux' ? false : 'only Linux has abstract names',
}, async (t) => {
  leakCheck(t);
  const name = `sockloop-test-${process.pid}`;
  const command = start(t, sockloop('serve', '--unix', `@${name}`));
  await command.until('out', new RegExp(`^listening on @${name} \\(${autoLoop}, echo\\)\\n$`));
  // Node 20 itself knows no abstract names.
  assertOutcome(await send(t, ['--unix', `@${name}`, 'hello']), 0, 'hello\n', '');
  assert.equal((await command.stop()).status, 0);
});

test('serve: what comes back in each mode', { timeout }, async (t) => {
  leakCheck(t);
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  const big = bigText();
  const manyLines = Buffer.from('x\n'.repeat(100_000));
  const inputs = ['hello\n', 'no newline', '', '\n', 'one\ntwo', everyByte, big, manyLines];
  for (const mode of ['echo', 'line', 'once']) {
    const { command, port } = await serve(t, '--mode', mode);
    for (const input of inputs) {
      const sent = Buffer.from(input);
      const lineEnd = sent.indexOf(10) + 1;
      const back = mode === 'once' && lineEnd > 0 ? sent.subarray(0, lineEnd) : sent;
      // Bytes behind the one line are left unread, and the kernel says so with a reset.
      if (mode === 'once' && input === manyLines) continue;
      const reply = await talk({ port }, sent).catch(() => Buffer.from('reset'));
      assert.ok(reply.equals(back), `${mode}: ${sent.length} bytes`);
    }
    const { status, err } = await command.stop();
    assert.deepEqual([status, err], [0, '']);
  }
});
