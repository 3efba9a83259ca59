// Goal: the command line says what it can do, refuses what it cannot, and the demo shows it.
// Method: the real programs; the demo is also run with a server that cannot start.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { run, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { loops } from '#test/harness/loops.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import {
  assertOutcome,
  demo,
  quoted,
  root,
  sockloop,
  tcpclient,
  tcpserver,
} from '#test/harness/programs.js';

const timeout = 60_000;
/** Of the demo, which starts a dozen programs. */
const DEMO_MS_MAX = 150_000;
const COLUMNS = 80;

test('sockloop --version is that of the package', { timeout }, async (t) => {
  leakCheck(t);
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  for (const word of ['--version', '-V']) {
    assertOutcome(await sockloopHere(word), 0, `${version}\n`, '');
  }
  assertOutcome(await run(t, sockloop('--version')), 0, `${version}\n`, '');
});

test('sockloop: usage texts fit 80 columns and name every flag', { timeout }, async (t) => {
  leakCheck(t);
  const serveFlags =
    '--port --host --unix --loop --mode --backlog --threads --max-connections --idle-timeout ' +
    '--max-line --trace --verbose --json';
  const table: [words: string[], names: string][] = [
    [['--help'], 'serve send --version --help'],
    [['-h'], 'serve send'],
    [['help'], 'serve send'],
    [['serve', '--help'], serveFlags],
    [['help', 'serve'], serveFlags],
    [['send', '--help'], 'HOST PORT [MESSAGE...] --unix --mode --timeout --trace --json'],
  ];
  for (const [words, names] of table) {
    const { status, out, err } = await sockloopHere(...words);
    assert.deepEqual([status, err], [0, '']);
    assert.match(out, /^Usage: sockloop /);
    for (const name of names.split(' ')) assert.ok(out.includes(name), `${words}: ${name}`);
    for (const line of out.split('\n')) assert.ok(line.length <= COLUMNS, line);
  }
});

test('sockloop: no command, an unknown one, an unknown option', { timeout }, async (t) => {
  leakCheck(t);
  const bare = await sockloopHere();
  assert.deepEqual([bare.status, bare.out], [2, '']);
  assert.match(bare.err, /^Usage: sockloop \[options\] \[command\]\n/);
  const table: [words: string[], why: string][] = [
    [['frob'], "unknown command 'frob'"],
    [['--frob'], "unknown option '--frob'"],
    [['serve', '--frob'], "unknown option '--frob'"],
    [['send', '--mode'], "option '--mode <mode>' argument missing"],
    [['serf'], "unknown command 'serf'\n(Did you mean one of send, serve?)"],
  ];
  for (const [words, why] of table) {
    // A command that there is has the help that is meant.
    const command = words.length > 1 ? `sockloop ${words[0]}` : 'sockloop';
    const told = `sockloop: ${why}\nTry '${command} --help' for more.\n`;
    assertOutcome(await sockloopHere(...words), 2, '', told);
  }
});

test('sockloop: wrong usage is status 2, also where nobody can be told', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const command = quoted(sockloop('serve', '--frob'));
  const heard = await run(t, ['sh', '-c', `exec ${command}`]);
  assertOutcome(heard, 2, '', /^sockloop: unknown option '--frob'\nTry /);
  assertOutcome(await run(t, ['sh', '-c', `exec ${command} 2> /dev/full`]), 2, '', '');
});

test('what is printed where nobody reads it, or where there is no room', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const full = 'cannot write to standard output: ENOSPC (no space left on device)\n';
  const table: [words: string[], told: string][] = [
    ...[['--help'], ['--version'], ['help', 'load'], ['load', '--help'], ['doctor']].map(
      (words): [string[], string] => [sockloop(...words), `sockloop: ${full}`],
    ),
    [tcpserver('--help'), `ERROR, ${full}`],
    [tcpclient('--help'), `ERROR, ${full}`],
  ];
  for (const [words, told] of table) {
    const command = quoted(words);
    assertOutcome(await run(t, ['sh', '-c', `exec ${command} > /dev/full`]), 1, '', told);
    // The reader has gone before anything is written.
    const piped = `{ sleep 0.2; ${command}; echo $? >&2; } | true`;
    assertOutcome(await run(t, ['sh', '-c', piped]), 0, '', '1\n');
  }
});

test('an argument that is not UTF-8 is refused', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const table: [words: string[], status: number, told: RegExp][] = [
    [
      sockloop('send', '127.0.0.1', '1'),
      2,
      /^sockloop: an argument is not UTF-8, .*"a\ufffdb"\nTry/,
    ],
    [tcpclient('127.0.0.1'), 1, /^ERROR, an argument is not UTF-8, .*"a\ufffdb"\n$/],
  ];
  for (const [words, status, told] of table) {
    const script = `exec ${quoted(words)} "$(printf 'a\\377b')"`;
    assertOutcome(await run(t, ['sh', '-c', script]), status, '', told);
  }
  // The sign that stands for what is none may be meant itself.
  const outcome = await run(t, sockloop('serve', '--frob=\ufffd'));
  assert.match(outcome.err, /^sockloop: unknown option '--frob=\ufffd'/);
});

/** The lowest port that everybody may have: below, it takes a right. */
function unprivilegedFrom(): number {
  const file = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
  return process.platform === 'linux' ? Number(readFileSync(file, 'utf8')) : 1024;
}

test('a port that takes a right which we do not have', {
  timeout,
  skip:
    reasonWithoutProc ||
    (unprivilegedFrom() > 1 ? false : 'here everybody may have every port') ||
    (process.getuid?.() === 0 ? reasonWithout('setpriv') : false),
}, async (t) => {
  leakCheck(t);
  // Root without the one capability is refused as everybody is, and can still read the tree.
  const without =
    process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-net_bind_service', '--'] : [];
  const port = `${Math.min(80, unprivilegedFrom() - 1)}`;
  const textbook = await run(t, [...without, ...tcpserver(port)]);
  assertOutcome(textbook, 1, '', 'ERROR on binding: Permission denied\n');
  const serve = await run(t, [...without, ...sockloop('serve', '--port', port)]);
  const why = `cannot listen on 127.0.0.1:${port}: EACCES (permission denied)`;
  assertOutcome(serve, 1, '', `sockloop: ${why}\n`);
});

/** The demo with a comparison that takes a second, and its report at `report`. */
function shortDemo(report: string): string[] {
  const places = ['--loops', 'poll,select', '--connections', '2', '--idle', 'none'];
  return demo(...places, '--rounds', '1', '--duration', '0.02', '--report', report);
}

test('demo: shows both sides and ends by itself', { timeout: 2 * DEMO_MS_MAX }, async (t) => {
  leakCheck(t);
  const report = `${scratch(t)}/report.html`;
  const { status, out, err } = await start(t, shortDemo(report)).end(DEMO_MS_MAX);
  assert.equal(status, 0, err);
  // Standard error has the progress of the comparison, and nothing else.
  assert.doesNotMatch(err, /sockloop|demo/);
  assert.match(out, new RegExp(`^report: ${report}\\n$`, 'm'));
  assert.match(readFileSync(report, 'utf8'), /^<!doctype html>/i);
  assert.match(out, /^server \| listening on 127\.0\.0\.1:\d+ \(blocking, line\)$/m);
  assert.match(out, /^server \| accept4\(.*\) = \d+$/m);
  assert.match(out, /^server \| recv\(\d+, "hello\\n", 65536, 0\) = 6$/m);
  assert.match(out, /^client \| connect\(.*\) = 0$/m);
  assert.match(out, /^client \| hello$/m);
  assert.match(out, /^client \| the same bytes come back: gr\u{fc}\u{df}e$/mu);
  assert.match(out, /^server \| served 1 connection: 40 bytes in, 40 out$/m);
  assert.match(out, /^2 lines went out, the same 2 came back, and both ends closed\.$/m);
  assert.match(out, /^loop +answered +calls +accept +recv +send +waits with$/m);
  for (const { name, skip } of loops) {
    const row = skip === false ? `${name} +6 of 6 .*\\d` : `${name} +not here: \\w`;
    assert.match(out, new RegExp(`^${row}`, 'm'));
  }
  assert.match(out, /^epoll .* epoll_wait \d+, epoll_ctl \d+$|^kqueue .* kevent \d+$/m);
  // The calls of its clients are in the queues, and in the trace behind the call that moved them.
  const ring = /^io_uring +6 of 6 +\d+ +0 +0 +0 {2}io_uring_enter \d+$|^io_uring +not here/m;
  assert.match(out, ring);
  const [, second = ''] = out.split('both ends closed.');
  for (const line of second.split('\n')) {
    assert.ok(line.length <= COLUMNS || line.includes(report), line);
  }
  assert.ok(!out.includes('\u{1b}'), 'no colours where nobody would see them');
});

test('demo: colours on a terminal, none where NO_COLOR asks for none', {
  timeout: 2 * DEMO_MS_MAX,
  skip: reasonWithout('script'),
}, async (t) => {
  leakCheck(t);
  const { NO_COLOR: _, ...plain } = process.env;
  for (const [env, coloured] of [
    [plain, true],
    [{ ...plain, NO_COLOR: '1' }, false],
  ] as const) {
    const command = shortDemo(`${scratch(t)}/report.html`);
    const words = ['script', '-qec', quoted(command), '/dev/null'];
    const { status, out } = await start(t, words, { env }).end(DEMO_MS_MAX);
    assert.equal(status, 0, out.slice(-1000));
    // The progress of the comparison moves the cursor, whatever the colours.
    const codes = out.split('\u{1b}[').slice(1);
    assert.equal(
      codes.some((code) => /^[\d;]*m/.test(code)),
      coloured,
    );
    assert.match(out, /both ends closed\./);
  }
});

test('demo: fails where its server or its client does', { timeout }, async (t) => {
  leakCheck(t);
  const table: [command: string, death: string, told: RegExp][] = [
    ['serve', 'process.exit(3)', /^demo: the server ended too soon: status 3\n$/],
    [
      'serve',
      "process.kill(process.pid,'SIGKILL')",
      /^demo: the server ended too soon: SIGKILL\n$/,
    ],
    ['send', 'process.exit(3)', /^\nThe demo failed: what came back is not what went out\.\n$/],
  ];
  for (const [command, death, told] of table) {
    const code = `if(process.argv[2]==='${command}'){${death}}`;
    const env = { ...process.env, NODE_OPTIONS: `--import data:text/javascript,${code}` };
    const { status, out, err } = await run(t, demo(), '', { env });
    assert.equal(status, 1);
    assert.match(err, told);
    assert.ok(!out.includes('both ends closed'));
  }
});

test('demo: fails where a loop does not answer', { timeout }, async (t) => {
  leakCheck(t);
  // One line that goes out is not the one that is to come back.
  const other = `
    import { Socket } from 'node:net';
    const { write } = Socket.prototype;
    Socket.prototype.write = function (text, ...rest) {
      return write.call(this, text === 'line 1 of 2\\n' ? 'another\\n' : text, ...rest);
    };`;
  const table: [code: string, told: RegExp][] = [
    [other, /^\nThe demo failed: with --loop blocking, 5 of 6 lines came back\.\n$/],
    [
      "if(process.argv.includes('poll')){process.exit(3)}",
      /^demo: the server with --loop poll ended too soon: status 3\n$/,
    ],
  ];
  for (const [code, told] of table) {
    const url = `data:text/javascript,${encodeURIComponent(code)}`;
    const env = { ...process.env, NODE_OPTIONS: `--import ${url}` };
    const { status, err } = await run(t, demo(), '', { env });
    assert.equal(status, 1);
    assert.match(err, told);
  }
});
