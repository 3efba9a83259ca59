// Goal: `sockloop top` shows what a server does, at any width, and ends when it is told to.
// Method: the lines of made-up figures; the real command beside a real server, in tmux and pipes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dial } from '#test/harness/clients.js';
import { run, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { serve, sockloop } from '#test/harness/programs.js';
import { Terminal } from '#test/harness/terminal.js';
import { topLine, topLines } from '#tools/cli/top/lines.js';
import { figuresOf } from '#tools/cli/top/rates.js';
import { type Snapshot, snapshotOf, type ThreadCounts } from '#tools/cli/top/snapshot.js';
import { metricsUrl } from '#tools/cli/top/target.js';
import { parseExposition } from '#tools/metrics/scraped.js';

const timeout = 60_000;

function counts(thread: number, of: Partial<ThreadCounts> = {}): ThreadCounts {
  const lag = [
    { seconds: 0.001, count: (of.turns ?? 0) / 10 },
    { seconds: 0.01, count: (of.turns ?? 0) / 5 },
    { seconds: Number.POSITIVE_INFINITY, count: (of.turns ?? 0) / 5 },
  ];
  const none = { open: 0, accepted: 0, receivedBytes: 0, sentBytes: 0, queuedBytes: 0, turns: 0 };
  return { thread: `${thread}`, ...none, lag, ...of };
}

function snapshot(atMs: number, threads: readonly ThreadCounts[]): Snapshot {
  return {
    atMs,
    loop: 'epoll',
    mode: 'echo',
    draining: false,
    threads,
    ended: new Map([
      ['done', 900],
      ['reset', 3],
    ]),
    shed: 2,
    cpuSeconds: atMs / 2000,
    residentBytes: 92e6,
    openDescriptors: 1074,
    upSeconds: 3700,
  };
}

const busy = { open: 525, accepted: 1000, receivedBytes: 4e6, sentBytes: 3e6, queuedBytes: 5000 };
const before = snapshot(1000, [counts(0), counts(1)]);
const after = snapshot(3000, [
  counts(0, { ...busy, turns: 100 }),
  counts(1, { ...busy, turns: 300 }),
]);

test('top: rates, sums and quantiles of two looks', () => {
  const { all, threads, cpuShare } = figuresOf(before, after);
  assert.equal(cpuShare, 0.5);
  assert.deepEqual([all.open, all.accepted, all.acceptedPerSecond], [1050, 2000, 1000]);
  assert.deepEqual([all.inPerSecond, all.outPerSecond, all.queuedBytes], [4e6, 3e6, 10_000]);
  assert.deepEqual([threads[0]?.turnsPerSecond, threads[1]?.turnsPerSecond], [50, 150]);
  assert.equal(all.lagP50Us, 1000);
  assert.equal(Math.round(all.lagP99Us ?? 0), 9820);
  // A thread that was replaced counts from 0 on.
  const replaced = figuresOf(after, snapshot(4000, [counts(0, { accepted: 10, turns: 5 })]));
  assert.equal(replaced.threads[0]?.acceptedPerSecond, 10);
  assert.equal(figuresOf(after, after).all.lagP99Us, null);
});

test('top: no line exceeds the terminal, which has fewer words and columns then', () => {
  const figures = figuresOf(before, after);
  for (const columns of [24, 40, 60, 80, 120]) {
    const lines = topLines(figures, 'http://127.0.0.1:9090/metrics', columns, 24);
    for (const line of lines) assert.ok(line.length < columns, `${columns}: ${line}`);
    assert.match(lines[0] ?? '', /^serve, 2 x epoll/);
    assert.match(lines.join('\n'), /^ *thread .*\n +0 .*\n +1 /m);
  }
  const wide = topLines(figures, 'http://127.0.0.1:9090/metrics', 80, 24).join('\n');
  assert.match(
    wide,
    /^connections +1,050 open +1,000\/s accepted +2,000 in all +3 reset +2 shed$/m,
  );
  assert.match(wide, /^traffic +4\.00 MB\/s in +3\.00 MB\/s out +10\.0 kB queued$/m);
  assert.match(wide, /^process +50 % CPU +92\.0 MB +1,074 descriptors$/m);
  const many = Array.from({ length: 50 }, (_, thread) => counts(thread));
  const short = topLines(figuresOf(snapshot(0, many), snapshot(1000, many)), 'url', 80, 20);
  assert.ok(short.length < 20, `${short.length} lines`);
  assert.match(short.at(-1) ?? '', /^and \d+ threads more$/);
  assert.match(topLine(figures, 2), /^ +2\.0 s +1,050 open .* 50 % CPU$/);
});

test('top: where metrics are', () => {
  assert.equal(metricsUrl('9090'), 'http://127.0.0.1:9090/metrics');
  assert.equal(metricsUrl('[::1]:9090'), 'http://[::1]:9090/metrics');
  assert.equal(metricsUrl('http://host:1'), 'http://host:1/metrics');
  assert.equal(metricsUrl('https://host/some/path'), 'https://host/some/path');
  assert.throws(() => metricsUrl('a b'), /--metrics takes PORT/);
  assert.equal(snapshotOf(parseExposition('other_metric 1\n'), 0), null);
});

test('top: in a terminal, redrawn in place; q ends it', {
  timeout,
  skip: reasonWithout('tmux') || reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serve(t, '--metrics', '0', '--threads', '2');
  await command.until('out', /^metrics on/m);
  const client = await dial({ port });
  const words = sockloop('top', `${command.pid}`, '--interval', '200ms');
  const terminal = new Terminal(t, { columns: 80, rows: 24 }, words);
  await terminal.until(/^connections +1 open /m);
  assert.equal(terminal.cursorShown, false);
  client.destroy();
  const rows = await terminal.until(/^connections +0 open /m);
  assert.equal(rows.length, 9, rows.join('\n'));
  terminal.resize(40, 24);
  await terminal.until(/^0 open {2}0\/s accepted/m);
  terminal.press('q');
  await terminal.until(/^status 0$/m);
  assert.ok(terminal.cursorShown);
  // Only the client: the look for the port has connected to no other one.
  const { out } = await command.stop();
  assert.match(out, /^served 1 connection/m);
});

test('top: in a pipe a line for each look, until the server has gone', { timeout }, async (t) => {
  leakCheck(t);
  const { command } = await serve(t, '--metrics', '0');
  const [, url = ''] = await command.until('out', /^metrics on (.*)$/m);
  const once = await run(t, sockloop('top', '--metrics', url, '--once', '--interval', '100ms'));
  assert.equal(once.status, 0, once.err);
  assert.match(once.out, /^serve, .*\nconnections +0 open/);
  const top = start(t, sockloop('top', '--metrics', url, '--interval', '100ms'));
  await top.until('out', /^ +0\.\d s +0 open .*\n.* 0 open /);
  const stopped = start(t, sockloop('top', '--metrics', url));
  await command.stop();
  const { status, err } = await top.end();
  assert.equal(status, 0);
  assert.match(err, /^sockloop: cannot read the metrics at http:.*: .*\n$/);
  assert.equal((await stopped.stop('SIGINT')).out, '');
});

test('top: nothing to look at', async (t) => {
  leakCheck(t);
  const { command, port } = await serve(t);
  const cases: readonly (readonly [words: string[], status: number, pattern: RegExp])[] = [
    [[], 2, /^sockloop: top takes a process, or --metrics PORT/],
    [['x'], 2, /^sockloop: top takes the number of a process, not "x"/],
    [['--metrics', '1', '--interval', '0'], 2, /^sockloop: --interval takes a time/],
    [['1', '--metrics', `${port}`], 2, /^sockloop: top takes a process or --metrics, not both/],
    [['--metrics', `127.0.0.1:${port}`], 1, /^sockloop: cannot read the metrics at http:/],
  ];
  for (const [words, status, pattern] of cases) {
    const outcome = await sockloopHere('top', ...words);
    assert.deepEqual([outcome.status, outcome.out], [status, ''], words.join(' '));
    assert.match(outcome.err, pattern);
  }
  if (!reasonWithoutProc) {
    const { status, err } = await sockloopHere('top', `${command.pid}`);
    assert.equal(status, 1);
    assert.match(err, /^sockloop: process \d+ serves no metrics; start one with: /);
  }
});
