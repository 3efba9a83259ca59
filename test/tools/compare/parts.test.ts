// Goal: the parts of a comparison are correct where a whole run does not show it.
// Method: fixtures, servers that answer wrongly or not at all, a stand-in for ps(1).

import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { peer } from '#test/harness/clients.js';
import type { Scope } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { reportPath } from '#tools/cli/compare/flags.js';
import { lineOf } from '#tools/cli/compare/progress.js';
import { CompareClient } from '#tools/compare/client/client.js';
import type { LoadPoint, MeasuredLoop } from '#tools/compare/document.js';
import { remarksOnDisturbance } from '#tools/compare/run-document.js';
import { CompareTally } from '#tools/compare/tally.js';
import { winnerOf } from '#tools/compare/winner.js';
import { coresIn } from '#tools/measure/cores.js';
import { findProcessClock, psClock } from '#tools/measure/process-clock.js';
import { compareSummary } from '#tools/report/text/compare-summary.js';
import { compareFixture } from '../report/html/compare-fixture.ts';

const timeout = 60_000;
const TEN: LoadPoint = { connections: 10, idleConnections: 0 };
const BESIDE: LoadPoint = { connections: 10, idleConnections: 100 };

/** A loop whose rounds cost so many microseconds per message. */
function loopOf(name: 'epoll' | 'poll' | 'select', cpuUs: readonly number[], loadPoint: LoadPoint) {
  const tally = new CompareTally(name);
  for (const us of cpuUs) {
    const times = { cpuUs: us * 1000, userUs: us * 250, systemUs: us * 750, waitedUs: 0 };
    const client = { clientWaitedMs: 0, clientOversleptMs: 0 };
    tally.add(loadPoint, { messages: 1000, elapsedMs: 50, p50Us: 40, p99Us: 90, ...client, times });
  }
  return tally;
}

function resultOf(tally: CompareTally, ...loadPoints: LoadPoint[]): MeasuredLoop {
  return tally.result(loadPoints);
}

test('compare: who is ahead, round by round', () => {
  const table: [epoll: number[], poll: number[], words: string][] = [
    // The machine drifts, and for both: 10 % in every round.
    [
      [9, 18, 27, 36],
      [10, 20, 30, 40],
      'epoll: 10.0 % less CPU per message than poll at 10 connections (spread 10.0 to 10.0 %)',
    ],
    [
      [9, 11, 10, 9],
      [10, 10, 10, 10],
      'epoll and poll do not differ in CPU per message at 10 connections: 5.0 % is within the ' +
        'spread (-2.5 to 10.0 %)',
    ],
    [
      [5, 5],
      [10, 10],
      'epoll and poll do not differ in CPU per message at 10 connections: 50.0 % in 2 rounds ' +
        'says nothing',
    ],
  ];
  for (const [epoll, poll, words] of table) {
    const all = [loopOf('poll', poll, TEN), loopOf('epoll', epoll, TEN)];
    const winner = winnerOf(
      all.map((tally) => resultOf(tally, TEN)),
      [TEN],
    );
    assert.equal(winner?.words, words);
    assert.equal(winner?.loop, words.includes('less') ? 'epoll' : null);
    assert.equal(winner?.over, 'poll');
  }
});

test('compare: it is decided where two were measured, and all are busy if possible', () => {
  const both = [TEN, BESIDE];
  const ten = [loopOf('epoll', [1, 1, 1], TEN), loopOf('poll', [2, 2, 2], TEN)];
  const beside = [loopOf('epoll', [1, 1, 1], BESIDE), loopOf('poll', [2, 2, 2], BESIDE)];
  const decided = (tallies: readonly CompareTally[]): number | undefined =>
    winnerOf(
      tallies.map((tally) => resultOf(tally, ...both)),
      both,
    )?.idleConnections;
  assert.equal(decided([...ten, ...beside]), 0);
  assert.equal(decided([...beside, loopOf('select', [1, 1, 1], TEN)]), 100);
  assert.equal(decided([loopOf('select', [1, 1, 1], TEN)]), undefined);
});

test('compare: CPU time divides by ticks, by those of the whole life where they are few', () => {
  const tally = loopOf('epoll', [100, 100], TEN);
  assert.equal(resultOf(tally, TEN).points[0]?.median.userUs, 25);
  const short = loopOf('epoll', [10, 10], TEN);
  short.lifetime = { cpuUs: 9e5, userUs: 3e5, systemUs: 6e5, waitedUs: 0 };
  const { median } = resultOf(short, TEN).points[0] ?? {};
  assert.ok(Math.abs((median?.userUs ?? 0) - 10 / 3) < 1e-9);
  assert.equal((median?.userUs ?? 0) + (median?.systemUs ?? 0), 10);
  // What was gathered of a load point that failed later is no figure.
  tally.miss(TEN, 'it broke');
  assert.deepEqual([resultOf(tally, TEN).points, tally.disturbance.elapsedMs], [[], 0]);
});

test('compare: a summary of any width says everything', () => {
  const document = compareFixture();
  for (const width of [40, 80, 100]) {
    const lines = compareSummary(document, width);
    const text = lines.join(' ').replaceAll(/\s+/g, ' ');
    for (const words of [document.winner?.words ?? '', ...document.remarks]) {
      assert.ok(text.includes(words), words);
    }
    assert.ok(text.includes('kqueue: libkqueue.so.0 is not installed'));
    assert.ok(text.includes('select: not at 50 + 1,000, 50 + 3,000, 50 + 10,000: select(2)'));
  }
  const rows = compareSummary(document, 80).filter((line) => /\d\.\d\d +[\d.]+ [um]s/.test(line));
  const points = document.loops.flatMap((loop) => (loop.available ? loop.points : []));
  assert.equal(rows.length, points.length);
  const first = rows.filter((line) => /^ *\d[\d,+ ]* {2}\w/.test(line));
  assert.equal(first.length, 8);
});

test('compare: the progress fits any terminal', () => {
  const words = '10 connections beside 5,000 idle ones';
  const now = { words, detail: 'round 2 of 5: epoll', doneMs: 9000, totalMs: 21_000 };
  assert.equal(lineOf(now, 100), `[========>           ] 12 s left  ${words}, round 2 of 5: epoll`);
  assert.equal(lineOf(now, 60), `12 s left  ${words}, round 2 o`);
  assert.equal(lineOf({ ...now, doneMs: 0, totalMs: 0 }, 20).length, 19);
});

test('compare: lists of cores', () => {
  assert.deepEqual(coresIn('0-3,8'), [0, 1, 2, 3, 8]);
  assert.deepEqual(coresIn('5'), [5]);
  assert.deepEqual(coresIn(''), []);
});

test('compare: CPU time of a process is what it has used', () => {
  const clock = findProcessClock();
  const before = clock.times(process.pid);
  const own = process.cpuUsage();
  while (process.cpuUsage(own).user + process.cpuUsage(own).system < 100_000);
  const usedUs = clock.times(process.pid).cpuUs - before.cpuUs;
  // A thread that runs right now lags by a tick of the scheduler, and ps(1) rounds.
  assert.ok(usedUs > 70_000 && usedUs < 400_000, `${usedUs}`);
  assert.ok(Math.abs(clock.residentBytes(process.pid) / process.memoryUsage.rss() - 1) < 0.2);
  assert.throws(() => clock.times(2 ** 30));
});

/** A `ps` that prints this, found before the real one. */
function standInPs(t: Scope, output: string): void {
  const directory = scratch(t);
  writeFileSync(`${directory}/ps`, `#!/bin/sh\necho '${output}'\n`);
  chmodSync(`${directory}/ps`, 0o755);
  const { PATH } = process.env;
  process.env['PATH'] = `${directory}:${PATH}`;
  t.after(() => {
    process.env['PATH'] = PATH;
  });
}

test('compare: CPU time as ps(1) of the BSDs tells it', { skip: reasonWithout('sh') }, (t) => {
  const table: [output: string, cpuUs: number, userUs: number, bytes: number][] = [
    ['  0:01.25   0:00.75  45120', 1_250_000, 750_000, 45120 * 1024],
    ['1:02:03.04 1:00:00.00 1', 3_723_040_000, 3_600_000_000, 1024],
    ['2-00:00:01 0:01 8', 172_801_000_000, 1_000_000, 8192],
  ];
  for (const [output, cpuUs, userUs, bytes] of table) {
    standInPs(t, output);
    const clock = psClock('utime');
    const times = clock.times(1);
    assert.deepEqual([times.cpuUs, times.userUs], [cpuUs, userUs]);
    assert.equal(times.systemUs, cpuUs - userUs);
    assert.equal(clock.residentBytes(1), bytes);
  }
  standInPs(t, '');
  assert.throws(() => psClock('utime').times(1), /^Error: ps -o utime failed/);
});

/** A client with a group of connections to `port`, and what became of them. */
async function connected(t: Scope, port: number, connections: number, idleConnections = 0) {
  const client = new CompareClient();
  t.after(() => client.end());
  const { group, open, errors } = await client.connect({
    port,
    connections,
    idleConnections,
    messageBytes: 64,
    seed: 1,
    timeoutMs: 400,
  });
  return { client, group, open, errors };
}

test('compare: the client sends in slices, and rests between them', { timeout }, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => void socket.pipe(socket));
  const { client, group, open, errors } = await connected(t, port, 3, 5);
  assert.deepEqual([open, errors], [8, {}]);
  for (const durationMs of [50, 150]) {
    const slice = await client.slice(group, durationMs);
    assert.deepEqual([slice.open, slice.errors, slice.stopped], [8, {}, false]);
    assert.ok(slice.messages >= 3 && slice.elapsedMs >= durationMs);
    assert.ok(slice.p50Us > 0 && slice.p50Us <= slice.p99Us);
  }
  await client.close(group);
  await assert.rejects(client.slice(group, 10), /there is no group 1/);
});

test('compare: the client finds wrong bytes, silence and loss', { timeout }, async (t) => {
  leakCheck(t);
  const lying = await peer(t, (socket) => {
    socket.on('data', (bytes: Buffer) => socket.write(bytes.fill(0)));
  });
  const wrong = await connected(t, lying, 2);
  const { errors } = await wrong.client.slice(wrong.group, 50);
  assert.ok((errors.mismatch ?? 0) >= 1, JSON.stringify(errors));
  const silent = await peer(t, (socket) => void socket.resume());
  const mute = await connected(t, silent, 2);
  assert.deepEqual((await mute.client.slice(mute.group, 500)).errors, { timeout: 2 });
  let accepted = 0;
  const shedding = await peer(t, (socket) => {
    accepted += 1;
    if (accepted === 1) socket.end();
    else socket.on('data', (bytes: Buffer) => socket.write(bytes));
  });
  // An idle one: nothing waits for a reply on it.
  const shed = await connected(t, shedding, 1, 1);
  assert.equal((await shed.client.slice(shed.group, 200)).open, 1);
});

test('compare: the client stops in the middle of a slice', { timeout }, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => void socket.pipe(socket));
  const { client, group } = await connected(t, port, 2);
  const slice = client.slice(group, 60_000);
  client.stop();
  assert.equal((await slice).stopped, true);
});

test('compare: what servers and client were denied is told, each by itself', () => {
  const quiet = {
    name: 'epoll',
    elapsedMs: 1000,
    serverWaitedMs: 9,
    clientWaitedMs: 9,
    clientOversleptMs: 9,
  };
  assert.deepEqual(remarksOnDisturbance([quiet]), []);
  assert.deepEqual(remarksOnDisturbance([]), []);
  const words = (changes: Partial<typeof quiet>) =>
    remarksOnDisturbance([{ ...quiet, ...changes }]).join('; ');
  assert.match(words({ serverWaitedMs: 40 }), /^the servers waited 4 % of the time[^;]*$/);
  assert.match(words({ clientWaitedMs: 300 }), /^the client waited 30 % of the time[^;]*$/);
  assert.match(
    words({ clientOversleptMs: 989 }),
    /^the client slept on for 98 % [^;]*stopped[^;]*$/,
  );
  // Threads of one server wait for one another; their client does not.
  assert.equal(words({ name: 'threads', serverWaitedMs: 400 }), '');
  assert.match(words({ name: 'threads', clientWaitedMs: 400 }), /^the client waited 40 %/);
});

test('compare: the report has a name of its own, and --json or --no-report is without', () => {
  const numbers = { connections: '', idle: '', duration: '', rounds: '', size: '' };
  const flags = { ...numbers, seed: '', threads: '' };
  assert.equal(reportPath(flags), 'report.html');
  assert.equal(reportPath({ ...flags, report: 'other' }), 'other');
  assert.equal(reportPath({ ...flags, json: true, report: 'other' }), 'other');
  assert.equal(reportPath({ ...flags, json: true }), null);
  assert.equal(reportPath({ ...flags, report: false }), null);
});
