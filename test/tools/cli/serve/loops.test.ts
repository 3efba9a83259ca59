// Goal: `sockloop serve` answers in the same way on every loop, whoever asks and however much.
// Method: the real program on each loop, with clients of Node's net and the programs of others.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { closed, dial, dismissed, heard, rudeClients, talk } from '#test/harness/clients.js';
import { eventually, run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { loops, serveOn } from '#test/harness/loops.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { openFdsOf } from '#test/harness/process-state.js';

const timeout = 60_000;
const TRANSFER_BYTES = 20_000_000;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

for (const loop of loops) {
  const { name, skip, oneByOne, shared } = loop;

  test(`serve --loop ${name}: ncat and socat`, {
    timeout,
    skip: skip || reasonWithout('ncat', 'socat'),
  }, async (t) => {
    leakCheck(t);
    const { port } = await serveOn(t, loop);
    for (const words of [
      ['ncat', '127.0.0.1', `${port}`],
      ['socat', '-t', '10', '-', `TCP4:127.0.0.1:${port}`],
    ]) {
      const { status, out, err } = await run(t, words, 'hello\nyou\n');
      assert.deepEqual([status, out, err], [0, 'hello\nyou\n', '']);
    }
  });

  test(`serve --loop ${name}: redis-benchmark takes an echo for an answer`, {
    timeout,
    skip: skip || reasonWithout('redis-benchmark'),
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop);
    const clients = oneByOne ? '1' : '50';
    // It asks for the settings of the server first, and that is answered by an echo as well.
    const words = ['-p', `${port}`, '-t', 'ping_mbulk', '-n', '20000', '-c', clients, '-q'];
    const { status, out } = await run(t, ['redis-benchmark', ...words]);
    assert.equal(status, 0);
    assert.match(out, /PING_MBULK: \d+\.\d+ requests per second/);
    assert.equal((await command.stop()).status, 0);
  });

  test(`serve --loop ${name}: 20 MB come back as they went`, { timeout, skip }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop);
    const bytes = randomBytes(TRANSFER_BYTES);
    assert.equal(sha256(await talk({ port }, bytes)), sha256(bytes));
    const { status, out, err } = await command.stop();
    assert.deepEqual([status, err], [0, '']);
    assert.match(out, /\nserved 1 connection: 20000000 bytes in, 20000000 out\n$/);
  });

  test(`serve --loop ${name}: 200 clients at once, each answered`, { timeout, skip }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop, '--mode', 'line');
    const lines = Array.from({ length: 200 }, (_, index) => `client ${index}\nagain ${index}\n`);
    const replies = await Promise.all(lines.map((line) => talk({ port }, line)));
    assert.deepEqual(replies.map(String), lines);
    const { status, out, err } = await command.stop();
    assert.deepEqual([status, err], [0, '']);
    const { length } = lines.join('');
    assert.match(out, new RegExp(`\nserved 200 connections: ${length} bytes in, ${length} out\n$`));
  });

  test(`serve --loop ${name}: half lines, whole lines, one line`, { timeout, skip }, async (t) => {
    leakCheck(t);
    for (const mode of ['echo', 'line', 'once']) {
      const { command, port } = await serveOn(t, loop, '--mode', mode);
      const socket = await dial({ port });
      socket.write('half');
      if (mode === 'echo') assert.equal((await heard(socket)).toString(), 'half');
      else await eventually(() => assert.equal(socket.bytesWritten, 4));
      socket.write(' a\n');
      assert.equal((await heard(socket)).toString(), mode === 'echo' ? ' a\n' : 'half a\n');
      // What comes behind the one line is nobody's business any more.
      socket.write('b\nc');
      if (mode === 'once') await dismissed(socket);
      else {
        assert.match((await heard(socket)).toString(), mode === 'echo' ? /^b\nc?$/ : /^b\n$/);
        await closed(socket);
      }
      for (const [sent, back] of [
        ['a rest', 'a rest'],
        ['one\n', 'one\n'],
        ['', ''],
        ['\n', '\n'],
      ]) {
        assert.equal((await talk({ port }, sent ?? '')).toString(), back, mode);
      }
      const { status, err } = await command.stop();
      assert.equal(status, 0);
      if (mode !== 'echo') assert.match(err, /^(sockloop: connection 1.*: ECONNRESET .*\n)?$/);
    }
  });

  test(`serve --loop ${name}: more behind the one line harms nobody`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop, '--mode', 'once');
    for (const words of ['one\ntwo\nthree\n', `one\n${'x'.repeat(300_000)}`]) {
      const socket = await dial({ port });
      socket.write(words);
      await dismissed(socket);
    }
    assert.equal((await talk({ port }, 'still there\n')).toString(), 'still there\n');
    const { status, out } = await command.stop();
    assert.equal(status, 0);
    assert.match(out, /\nserved 3 connections.*: \d+ bytes in, 20 out\n$/);
  });

  test(`serve --loop ${name}: a line of --max-line bytes and one more`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    for (const mode of ['line', 'once']) {
      const { command, port } = await serveOn(t, loop, '--mode', mode, '--max-line', '6');
      for (const good of ['hello\n', 'hello!', 'a\nb\n'].slice(0, mode === 'line' ? 3 : 2)) {
        assert.equal((await talk({ port }, good)).toString(), good);
      }
      for (const bad of ['hello!\n', 'hello!!', 'x'.repeat(100_000), 'a\nhello!\n']) {
        if (mode === 'once' && bad.startsWith('a')) continue;
        const reply = await talk({ port }, bad).catch(() => Buffer.from(''));
        assert.match(reply.toString(), /^(a\n)?$/, bad.slice(0, 10));
      }
      const { status, err } = await command.stop();
      assert.equal(status, 0);
      // A line a second, which counts the others.
      const line =
        /^sockloop: connection \d \(127.*\): a line is longer than 6 bytes(?:; (\d) more .*)?$/gm;
      const told = [...err.matchAll(line)].reduce(
        (sum, [, more]) => sum + 1 + Number(more ?? 0),
        0,
      );
      assert.equal(told, mode === 'line' ? 4 : 3, err);
    }
  });

  test(`serve --loop ${name}: rude clients harm nobody and leave nothing open`, {
    timeout,
    skip:
      skip ||
      reasonWithoutProc ||
      (name === 'threads' ? 'shown in tools/cli/serve/threads.test.ts' : false),
  }, async (t) => {
    leakCheck(t);
    for (const mode of ['echo', 'line', 'once']) {
      const { command, port } = await serveOn(t, loop, '--mode', mode);
      const before = openFdsOf(command.pid);
      for (let round = 0; round < 5; round++) {
        await Promise.all(rudeClients.map((client) => client.run({ port })));
      }
      assert.equal((await talk({ port }, 'still there\n')).toString(), 'still there\n');
      await eventually(() => assert.deepEqual(openFdsOf(command.pid), before));
      const { status, out } = await command.stop();
      assert.equal(status, 0);
      assert.match(out, /\nserved 41 connections \(\d+ broken\): /);
    }
  });

  test(`serve --loop ${name}: a client that does not read holds up nobody`, {
    timeout,
    skip: skip || (oneByOne ? 'the others wait in the queue: that is what blocking means' : false),
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop, '--mode', 'line');
    const silent = await dial({ port });
    const half = await dial({ port });
    half.write('half a li');
    const stuck = await dial({ port });
    stuck.pause();
    stuck.write(Buffer.concat([randomBytes(4_000_000).map((byte) => byte | 128), NEWLINE]));
    for (let round = 0; round < 20; round++) {
      assert.equal((await talk({ port }, `round ${round}\n`)).toString(), `round ${round}\n`);
    }
    half.end('ne\n');
    assert.equal((await heard(half)).toString(), 'half a line\n');
    await Promise.all([silent, half, stuck].map(closed));
    assert.equal((await command.stop()).status, 0);
  });

  test(`serve --loop ${name}: --trace shows what it waits with`, {
    timeout,
    skip:
      skip ||
      (shared
        ? false
        : 'shown in tools/cli/serve/threads.test.ts and tools/cli/serve/words.test.ts'),
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop, '--trace', '--backlog', '7');
    assert.equal((await talk({ port }, 'hello\n')).toString(), 'hello\n');
    const { err } = await command.stop();
    assert.match(err, /^listen\(\d+, 7\) = 0$/m);
    for (const line of name === 'io_uring' ? ringLines : pollerLines(name)) assert.match(err, line);
    for (const line of err.trimEnd().split('\n')) {
      assert.match(line, name === 'io_uring' && line.startsWith('  ') ? MOVED : CALL);
      // Nothing is tried that cannot be done.
      assert.doesNotMatch(line, /^[a-z].* = -1 (?!EAGAIN|EINTR|ETIME)/);
    }
  });
}

const NEWLINE = Buffer.from('\n');

/** A line of a trace. */
const CALL = /^[a-z0-9_]+\(.*\) = (\d+( \(\[.*\]\))?|0x[0-9a-f]+|-1 E[A-Z]+ \(.+\))$/;

/** What went through the queues of a ring stands behind the call that moved it. */
const MOVED = /^ {2}(submitted|completed) IORING_OP_[A-Z_]+\(/;

/** What the trace of a poller shows of a line and its echo. */
function pollerLines(name: string): RegExp[] {
  const call = { epoll: 'epoll_wait', kqueue: 'kevent' }[name] ?? name;
  return [
    new RegExp(`^${call}\\(.*\\) = 1( |$)`, 'm'),
    /^recv\(\d+, "hello\\n", 65536, 0\) = 6$/m,
    /^send\(\d+, "hello\\n", 6, MSG_NOSIGNAL\) = 6$/m,
  ];
}

/** The same of a ring. */
const ringLines = [
  /^io_uring_enter\(\d+, \d+, 1, IORING_ENTER_GETEVENTS.*\) = \d+$/m,
  /^ {2}submitted IORING_OP_ACCEPT\(\d+, SOCK_CLOEXEC\|SOCK_NONBLOCK, IORING_ACCEPT_MULTISHOT\)$/m,
  /^ {2}completed IORING_OP_ACCEPT\(\d+\) = \d+ \(IORING_CQE_F_MORE\)$/m,
  /^ {2}submitted IORING_OP_RECV\(\d+, IOSQE_BUFFER_SELECT, IORING_RECV_MULTISHOT\)$/m,
  /^ {2}completed IORING_OP_RECV\(\d+, "hello\\n"\) = 6$/m,
  /^ {2}submitted IORING_OP_SEND\(\d+, "hello\\n", 6, MSG_.*, IOSQE_CQE_SKIP_SUCCESS\)$/m,
];
