// Goal: a comparison refuses what it cannot do, survives what breaks, and leaves nothing behind.
// Method: the real command with wrong input, signals and servers that are killed; /proc shows which
// processes remain.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Command, eventually, run, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { loops } from '#test/harness/loops.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { assertOutcome, quoted, sockloop } from '#test/harness/programs.js';
import { Terminal } from '#test/harness/terminal.js';
import type { CompareDocument } from '#tools/compare/document.js';

const timeout = 60_000;
const TWO = ['--loops', 'poll,select', '--idle', 'none'];
/** Lasts for longer than any wait of these tests. */
const LONG = [...TWO, '--connections', '2', '--rounds', '1000', '--duration', '0.05'];
const HINT = "Try 'sockloop compare --help' for more.\n";

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly words: readonly string[];
}

/** All processes that there are. */
function processes(): Process[] {
  return readdirSync('/proc').flatMap((name): Process[] => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [, parent] = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      return [{ pid: Number(name), parent: Number(parent), words }];
    } catch {
      // It has ended while we were looking.
      return [];
    }
  });
}

/** Those that `pid` has started, and the programs that count for it left out. */
function childrenOf(pid: number): Process[] {
  return processes().filter(({ parent, words }) => parent === pid && words.includes('serve'));
}

function isThere({ pid }: Process): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Its servers, once the progress matches `shown`: before the warm-up all of them listen. */
async function serversOf(command: Command, shown: RegExp = /warming up\n/): Promise<Process[]> {
  await command.until('err', shown);
  const servers = childrenOf(command.pid);
  assert.equal(servers.length, 2);
  return servers;
}

test('compare: wrong usage is told before anything begins', { timeout }, async (t) => {
  leakCheck(t);
  const names = 'io_uring, epoll, kqueue, poll, select, threads, blocking';
  const table: [words: string[], told: string][] = [
    [['--loops', 'epol'], `--loops takes ${names}, not "epol"`],
    [['--loops', 'auto'], `--loops takes ${names}, not "auto"`],
    [['--loops', 'poll,poll'], '--loops names poll twice'],
    [['--connections', '0'], '--connections takes a number from 1 to 1000000, not "0"'],
    [
      ['--connections', '1,,2'],
      '--connections takes a number from 1 to 1000000, such as 50 or 20k, not ""',
    ],
    [['--idle', '-1'], '--idle takes a number from 0 to 1000000, such as 50 or 20k, not "-1"'],
    [['--rounds', '0'], '--rounds takes a number from 1 to 1000, not "0"'],
    [['--threads', '0'], '--threads takes a number from 1 to 1024, or max, not "0"'],
    [
      ['--duration', '0'],
      '--duration takes a time above 0 and up to 2592000 s, such as 10, 500ms or 2m, not "0"',
    ],
    [
      ['--size', '0'],
      '--size takes a size from 1 to 16777216 bytes, such as 512, 64k or 1M, not "0"',
    ],
    [['--report', ''], '--report takes the name of a file'],
  ];
  for (const [words, told] of table) {
    const outcome = await sockloopHere('compare', ...words);
    assertOutcome(outcome, 2, '', `sockloop: ${told}\n${HINT}`);
  }
});

test('compare: what cannot be had is told before anything begins', { timeout }, async (t) => {
  leakCheck(t);
  const cwd = scratch(t);
  const path = `${cwd}/missing/report.html`;
  const why = `sockloop: cannot write ${path}: ENOENT (no such file or directory)\n`;
  assertOutcome(await sockloopHere('compare', ...TWO, '--report', path), 1, '', why);
  const absent = loops.filter(({ skip }) => skip !== false);
  for (const { name, skip } of absent) {
    const outcome = await sockloopHere('compare', '--loops', `poll,${name}`, '--report', path);
    assertOutcome(outcome, 1, '', `sockloop: cannot use the loop ${name}: ${skip}\n`);
  }
  assert.deepEqual(readdirSync(cwd), []);
});

test('compare --help fits 80 columns', { timeout }, async (t) => {
  leakCheck(t);
  const { status, out } = await sockloopHere('compare', '--help');
  assert.equal(status, 0);
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line);
  for (const flag of '--loops --connections --idle --duration --rounds --report --json'.split(
    ' ',
  )) {
    assert.ok(out.includes(flag), flag);
  }
});

test('compare: Ctrl-C ends it early, and what was measured is reported', {
  timeout,
  skip: reasonWithout('tmux') || reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const [json, report] = [`${directory}/out.json`, `${directory}/report.html`];
  const command = quoted(sockloop('compare', ...LONG, '--json', '--report', report));
  const words = ['sh', '-c', `exec ${command} > ${json}`];
  const terminal = new Terminal(t, { columns: 80, rows: 50 }, words);
  const rows = await terminal.until(/round ([3-9]|\d\d+) of 1000/);
  assert.equal(rows.length, 1, rows.join('\n'));
  assert.match(rows[0] ?? '', /^\[[=> ]{20}\] +\d+ s left {2}2 connections, round/);
  const compare = processes().find(({ words: all }) => all.includes(report));
  assert.ok(compare !== undefined);
  const servers = childrenOf(compare.pid);
  assert.equal(servers.length, 2);
  // Ctrl-C goes to the foreground processes of the terminal, of which the servers are none.
  terminal.press('C-c');
  const after = await terminal.until(/^status \d+$/m);
  assert.deepEqual(after, ['status 0']);
  const { remarks, loops: all } = JSON.parse(readFileSync(json, 'utf8')) as CompareDocument;
  assert.ok(remarks.includes('it was ended before its time'));
  for (const loop of all) {
    assert.ok(loop.available);
    assert.deepEqual([loop.points.length, loop.missing], [1, []]);
    const count = loop.points[0]?.rounds.length ?? 0;
    assert.ok(count >= 2 && count < 1000, `${count} rounds`);
  }
  assert.ok(existsSync(report));
  assert.deepEqual(servers.filter(isThere), []);
});

test('compare: the second signal ends it at once, with 130', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const cwd = scratch(t);
  const command = start(t, sockloop('compare', ...LONG), { cwd });
  const servers = await serversOf(command);
  // A server that is stopped answers nothing, and does not end when it is told to.
  for (const { pid } of servers) process.kill(pid, 'SIGSTOP');
  // Two that come at once may count as one.
  const again = setInterval(() => command.child.kill('SIGINT'), 20);
  const { status } = await command.end().finally(() => clearInterval(again));
  assert.equal(status, 130);
  await eventually(() => assert.deepEqual(servers.filter(isThere), []));
  assert.deepEqual(readdirSync(cwd), []);
});

test('compare: its servers end with it where SIGKILL ends it', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const command = start(t, sockloop('compare', ...LONG), { cwd: scratch(t) });
  const servers = await serversOf(command);
  t.after(() => {
    for (const { pid } of servers.filter(isThere)) process.kill(pid, 'SIGKILL');
  });
  // A server that is stopped hears of nothing but SIGKILL.
  const [first] = servers;
  if (first !== undefined) process.kill(first.pid, 'SIGSTOP');
  const outcome = await command.stop('SIGKILL');
  assert.equal(outcome.signal, 'SIGKILL');
  await eventually(() => assert.deepEqual(servers.filter(isThere), []));
});

test('compare: ended before anything counted', { timeout }, async (t) => {
  leakCheck(t);
  const cwd = scratch(t);
  const words = sockloop('compare', ...TWO, '--duration', '60', '--connections', '2');
  const command = start(t, words, { cwd });
  await command.until('err', /left {2}2 connections\n/);
  const { status, out, err } = await command.stop('SIGTERM');
  assert.deepEqual([status, out], [1, '']);
  assert.match(err, /^sockloop: nothing was measured: it was ended before the first round$/m);
  assert.deepEqual(readdirSync(cwd), []);
});

test('compare: a server that dies in the middle is named, and the others go on', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const words = ['--connections', '2,4', '--rounds', '3', '--duration', '0.1', '--json'];
  const command = start(t, sockloop('compare', ...TWO, ...words), { cwd: scratch(t) });
  const servers = await serversOf(command, /left {2}2 connections\n/);
  const victim = servers.find(({ words: all }) => all.includes('poll'));
  assert.ok(victim !== undefined);
  process.kill(victim.pid, 'SIGKILL');
  const { status, out, err } = await command.end();
  assert.equal(status, 1);
  assert.match(err, /^sockloop: the server of poll ended in the middle: SIGKILL$/m);
  const { loops: all, winner } = JSON.parse(out) as CompareDocument;
  assert.equal(winner, null);
  const [poll, select] = all;
  assert.ok(poll?.available && select?.available);
  const reason = 'its server ended in the middle: SIGKILL';
  assert.deepEqual(
    [poll.points, poll.missing],
    [[], [2, 4].map((connections) => ({ connections, idleConnections: 0, reason }))],
  );
  assert.deepEqual(
    select.points.map(({ rounds }) => rounds.length),
    [3, 3],
  );
  assert.deepEqual(servers.filter(isThere), []);
});

test('compare: a server that is held up for 12 s is slow, and has not failed', {
  timeout: 2 * timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const words = ['--connections', '2', '--rounds', '1', '--duration', '0.1', '--json'];
  const command = start(t, sockloop('compare', ...TWO, ...words), { cwd: scratch(t) });
  const servers = await serversOf(command);
  const slow = servers.find(({ words: all }) => all.includes('select'));
  assert.ok(slow !== undefined);
  process.kill(slow.pid, 'SIGSTOP');
  setTimeout(() => process.kill(slow.pid, 'SIGCONT'), 12_000);
  const { status, err } = await command.end(timeout);
  assert.equal(status, 0, err);
});

test('compare: a server that does not start is named', { timeout }, async (t) => {
  leakCheck(t);
  const code = "if(process.argv.includes('poll')&&process.argv[2]==='serve')process.exit(7)";
  const env = { ...process.env, NODE_OPTIONS: `--import data:text/javascript,${code}` };
  const few = ['--connections', '1', '--rounds', '1', '--duration', '0.02', '--no-report'];
  const cwd = scratch(t);
  const outcome = await run(t, sockloop('compare', ...TWO, ...few), '', { cwd, env });
  assert.equal(outcome.status, 1);
  assert.match(outcome.err, /^sockloop: cannot start the server of poll: status 7$/m);
  assert.match(outcome.out, /^poll: its server did not start: status 7$/m);
  assert.match(outcome.out, /^ +1 +select /m);
  assert.doesNotMatch(outcome.out, /^report: /m);
  assert.deepEqual(readdirSync(cwd), []);
});

test('compare: servers that abort for lack of threads are told in a sentence', {
  timeout,
}, async (t) => {
  leakCheck(t);
  // V8 aborts without a word where the limit of processes is reached.
  const code = "if(process.argv[2]==='serve')process.kill(process.pid,'SIGABRT')";
  const env = { ...process.env, NODE_OPTIONS: `--import data:text/javascript,${code}` };
  const outcome = await run(t, sockloop('compare', ...TWO, '--no-report'), '', { env });
  assert.equal(outcome.status, 1);
  const why = 'it could not start its threads: raise the limit of processes (ulimit -u)';
  assert.ok(outcome.err.includes(`cannot start the server of poll, select: ${why}`), outcome.err);
});

test('compare --udp: a server that stops or dies ends it, by name', {
  timeout,
  skip: reasonWithout('tmux') || reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const words = ['--udp', '--loops', 'poll', '--rounds', '1000', '--connections', '8'];
  for (const [signal, told] of [
    ['SIGSTOP', 'no datagram came back'],
    ['SIGKILL', 'its server ended in the middle: '],
  ] as const) {
    const command = sockloop('compare', ...words, '--duration', '50ms');
    const terminal = new Terminal(t, { columns: 100, rows: 5 }, command);
    await terminal.until(/8 under way, round \d+ of 1000: poll$/m);
    const [server] = childrenOf(terminal.pid);
    assert.ok(server !== undefined);
    process.kill(server.pid, signal);
    const rows = await terminal.until(/^status 1$/m);
    const line = rows.find((row) => row.startsWith('sockloop: '));
    assert.ok(line?.startsWith(`sockloop: cannot measure poll with 8 under way: ${told}`), line);
  }
});
