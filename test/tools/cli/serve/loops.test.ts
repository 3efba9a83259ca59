// Goal: `sockloop serve` answers in the same way on every loop, whoever asks and however much.
// Method: the real program on a loop of each kind, one server for each mode, with clients of Node's
// net and the programs of others; on the other loops the trace, which says what they wait with.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import {
  bigText,
  closed,
  dial,
  dismissed,
  heard,
  rudeClients,
  talk,
} from '#test/harness/clients.js';
import { eventually, run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { kinds, type LoopUnderTest, loops, serveOn } from '#test/harness/loops.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { openFdsOf } from '#test/harness/process-state.js';
import type { Listening } from '#test/harness/programs.js';

const timeout = 60_000;
const TRANSFER_BYTES = 8_000_000;
const LINE_BYTES_MAX = 12;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A server of one loop in each mode, which all cases share. */
interface Servers {
  readonly loop: LoopUnderTest;
  readonly echo: Listening;
  readonly line: Listening;
  /** With --max-line. */
  readonly once: Listening;
  /** The descriptors of each before its first client; empty without /proc. */
  readonly fds: ReadonlyMap<Listening, readonly string[]>;
}

interface Case {
  readonly what: string;
  /** Why it cannot be tested on a loop, or false. */
  skip?(loop: LoopUnderTest): string | false;
  run(servers: Servers, t: TestContext): Promise<void>;
}

const cases: readonly Case[] = [
  {
    what: 'ncat and socat',
    skip: () => reasonWithout('ncat', 'socat'),
    run: async ({ echo: { port } }, t) => {
      for (const words of [
        ['ncat', '127.0.0.1', `${port}`],
        ['socat', '-t', '10', '-', `TCP4:127.0.0.1:${port}`],
      ]) {
        const { status, out, err } = await run(t, words, 'hello\nyou\n');
        assert.deepEqual([status, out, err], [0, 'hello\nyou\n', '']);
      }
    },
  },
  {
    what: 'redis-benchmark takes an echo for an answer',
    skip: () => reasonWithout('redis-benchmark'),
    run: async ({ loop, echo: { port } }, t) => {
      const clients = loop.oneByOne ? '1' : loop.shared ? '50' : '4';
      // It asks for the settings of the server first, and that is answered by an echo as well.
      const words = ['-p', `${port}`, '-t', 'ping_mbulk', '-n', '2000', '-c', clients, '-q'];
      const { status, out } = await run(t, ['redis-benchmark', ...words]);
      assert.equal(status, 0);
      assert.match(out, /PING_MBULK: \d+\.\d+ requests per second/);
    },
  },
  {
    what: '8 MB come back as they went',
    run: async ({ echo: { port } }) => {
      const bytes = randomBytes(TRANSFER_BYTES);
      assert.equal(sha256(await talk({ port }, bytes)), sha256(bytes));
    },
  },
  {
    what: '100 clients at once, each answered',
    run: async ({ line: { port } }) => {
      const lines = Array.from({ length: 100 }, (_, index) => `client ${index}\nagain ${index}\n`);
      const replies = await Promise.all(lines.map((line) => talk({ port }, line)));
      assert.deepEqual(replies.map(String), lines);
    },
  },
  {
    what: 'half lines, whole lines, one line',
    run: async (servers) => {
      for (const mode of ['echo', 'line', 'once'] as const) await answersOf(mode, servers[mode]);
    },
  },
  {
    what: 'more behind the one line harms nobody',
    run: async ({ once: { port } }) => {
      for (const words of ['one\ntwo\nthree\n', `one\n${'x'.repeat(300_000)}`]) {
        const socket = await dial({ port });
        socket.write(words);
        await dismissed(socket);
      }
      assert.equal((await talk({ port }, 'still there\n')).toString(), 'still there\n');
    },
  },
  {
    what: 'a line of --max-line bytes and one more',
    skip: ({ name }) => name === 'threads' && 'shown in tools/cli/serve/threads.test.ts',
    run: async ({ loop, once }, t) => {
      await refusesLongLines('once', once);
      const line = await serveOn(t, loop, '--mode', 'line', '--max-line', `${LINE_BYTES_MAX}`);
      await refusesLongLines('line', line);
      const { status, err } = await line.command.stop();
      assert.deepEqual([status, refusedIn(err)], [0, 4], err);
    },
  },
  {
    what: 'a client that does not read holds up nobody',
    skip: ({ oneByOne }) => oneByOne && 'the others wait in the queue: that is what blocking means',
    run: async ({ line: { port } }) => {
      const silent = await dial({ port });
      const half = await dial({ port });
      half.write('half a li');
      const stuck = await dial({ port });
      stuck.pause();
      stuck.write(Buffer.concat([bigText(), NEWLINE]));
      for (let round = 0; round < 20; round++) {
        assert.equal((await talk({ port }, `round ${round}\n`)).toString(), `round ${round}\n`);
      }
      half.end('ne\n');
      assert.equal((await heard(half)).toString(), 'half a line\n');
      await Promise.all([silent, half, stuck].map(closed));
    },
  },
  {
    what: 'rude clients harm nobody and leave nothing open',
    skip: ({ name }) =>
      reasonWithoutProc ||
      (name === 'threads' && 'shown in tools/cli/serve/threads.test.ts') ||
      (name === 'blocking' && 'shown in tools/cli/serve/clients.test.ts'),
    run: async ({ fds, once }) => {
      for (const [server, before] of fds) {
        const { command, port } = server;
        // A line of 10 MB has no reply where --max-line is less.
        const clients = rudeClients.filter(
          ({ name }) => server !== once || name !== 'resets in the middle of its reply',
        );
        await Promise.all(clients.map((client) => client.run({ port })));
        assert.equal((await talk({ port }, 'still there\n')).toString(), 'still there\n');
        await eventually(() => assert.deepEqual(openFdsOf(command.pid), before));
      }
    },
  },
];

async function answersOf(mode: 'echo' | 'line' | 'once', { port }: Listening): Promise<void> {
  const socket = await dial({ port });
  socket.write('half');
  if (mode === 'echo') assert.equal((await heard(socket)).toString(), 'half');
  else await eventually(() => assert.equal(socket.bytesWritten, 4));
  socket.write(' a\n');
  assert.equal((await heard(socket)).toString(), mode === 'echo' ? ' a\n' : 'half a\n');
  // What comes behind the one line is discarded.
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
}

async function refusesLongLines(mode: 'line' | 'once', { port }: Listening): Promise<void> {
  const most = 'x'.repeat(LINE_BYTES_MAX - 1);
  for (const good of [`${most}\n`, `${most}x`, 'a\nb\n'].slice(0, mode === 'line' ? 3 : 2)) {
    assert.equal((await talk({ port }, good)).toString(), good);
  }
  for (const bad of [`${most}x\n`, `${most}xx`, 'x'.repeat(100_000), `a\n${most}x\n`]) {
    if (mode === 'once' && bad.startsWith('a')) continue;
    const reply = await talk({ port }, bad).catch(() => Buffer.from(''));
    assert.match(reply.toString(), /^(a\n)?$/, bad.slice(0, 10));
  }
}

/** How many lines were too long: there is a report a second, which counts the others. */
function refusedIn(err: string): number {
  const line =
    /^sockloop: connection \d+ \(127.*\): a line is longer than 12 bytes(?:; (\d+) more .*)?$/gm;
  return [...err.matchAll(line)].reduce((sum, [, more]) => sum + 1 + Number(more ?? 0), 0);
}

for (const loop of kinds) {
  const { name, skip } = loop;
  test(`serve --loop ${name}`, { timeout: 5 * timeout, skip }, async (t) => {
    leakCheck(t);
    const [echo, line, once] = await Promise.all([
      serveOn(t, loop),
      serveOn(t, loop, '--mode', 'line'),
      serveOn(t, loop, '--mode', 'once', '--max-line', `${LINE_BYTES_MAX}`),
    ]);
    const all = [echo, line, once];
    const fds = reasonWithoutProc
      ? new Map()
      : new Map(all.map((each) => [each, openFdsOf(each.command.pid)]));
    for (const { what, skip: reason, run: runCase } of cases) {
      await t.test(what, { timeout, skip: reason?.(loop) ?? false }, async (each) => {
        leakCheck(each);
        await runCase({ loop, echo, line, once, fds }, each);
      });
    }
    for (const { command } of all) {
      const { status, out } = await command.stop();
      assert.equal(status, 0);
      assert.match(out, /\nserved \d+ connections( \(\d+ broken\))?: \d+ bytes in, \d+ out.*\n$/);
    }
  });
}

for (const loop of loops) {
  const { name, skip } = loop;
  // Theirs is shown in tools/cli/serve/threads.test.ts and tools/cli/serve/words.test.ts.
  if (!loop.shared) continue;
  test(`serve --loop ${name} --trace: shows what it waits with`, { timeout, skip }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop, '--trace', '--backlog', '7');
    assert.equal((await talk({ port }, 'hello\n')).toString(), 'hello\n');
    const { err } = await command.stop();
    assert.match(err, /^listen\(\d+, 7\) = 0$/m);
    for (const line of name === 'io_uring' ? ringLines : pollerLines(name)) {
      assert.match(err, line);
    }
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
  /^ {2}submitted IORING_OP_RECV\(\d+, IOSQE_BUFFER_SELECT(, IORING_RECV_MULTISHOT)?\)$/m,
  /^ {2}completed IORING_OP_RECV\(\d+, "hello\\n"\) = 6( \(IORING_CQE_F_MORE\))?$/m,
  /^ {2}submitted IORING_OP_SEND\(\d+, "hello\\n", 6, MSG_.*, IOSQE_CQE_SKIP_SUCCESS\)$/m,
];
