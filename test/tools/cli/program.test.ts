// Goal: the command line says what it can do and refuses what it cannot.
// Method: the programs, in this process where only their words count.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { run } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import {
  assertOutcome,
  quoted,
  root,
  sockloop,
  tcpclient,
  tcpserver,
} from '#test/harness/programs.js';

const timeout = 60_000;
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
    [['--xyzzy'], "unknown option '--xyzzy'"],
    [['serve', '--xyzzy'], "unknown option '--xyzzy'"],
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
  const command = quoted(sockloop('serve', '--xyzzy'));
  const heard = await run(t, ['sh', '-c', `exec ${command}`]);
  assertOutcome(heard, 2, '', /^sockloop: unknown option '--xyzzy'\nTry /);
  assertOutcome(await run(t, ['sh', '-c', `exec ${command} 2> /dev/full`]), 2, '', '');
});

test('what is printed where nobody reads it, or where there is no room', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const full = 'cannot write to standard output: ENOSPC (no space left on device)\n';
  const table: [words: string[], told: string][] = [
    [sockloop('load', '--help'), `sockloop: ${full}`],
    [sockloop('doctor'), `sockloop: ${full}`],
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
  const outcome = await run(t, sockloop('serve', '--xyzzy=\ufffd'));
  assert.match(outcome.err, /^sockloop: unknown option '--xyzzy=\ufffd'/);
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
