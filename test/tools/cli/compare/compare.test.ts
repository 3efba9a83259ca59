// Goal: `sockloop compare` measures what it is asked for, and writes it as JSON and as a report.
// Method: the real command on loops that every platform has, in short slices; its figures are
// compared with one another. demo.test.ts looks at the table. No figure of speed is asserted: the
// machine may be busy.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { loops } from '#test/harness/loops.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { quoted, sockloop } from '#test/harness/programs.js';
import type {
  CompareDocument,
  CompareFigures,
  ComparePoint,
  MeasuredLoop,
} from '#tools/compare/document.js';
import { quartiles } from '#tools/measure/quartiles.js';

const timeout = 60_000;
const SHORT = ['--loops', 'poll,select', '--rounds', '1', '--duration', '0.02'];

function measured({ loops: all }: CompareDocument): MeasuredLoop[] {
  return all.filter((loop): loop is MeasuredLoop => loop.available);
}

const FIGURES = [
  'messagesPerSecond',
  'cpuUsPerMessage',
  'userUs',
  'systemUs',
  'p50Us',
  'p99Us',
] as const satisfies readonly (keyof CompareFigures)[];

/** That the figures of a point agree with one another. */
function assertConsistent({ rounds, median, lower, upper, callsPerMessage }: ComparePoint): void {
  for (const name of FIGURES) {
    const all = quartiles(rounds.map((round) => round[name]));
    assert.deepEqual([lower[name], median[name], upper[name]], [all.lower, all.median, all.upper]);
  }
  for (const { userUs, systemUs, ...round } of rounds) {
    assert.ok(Math.abs(userUs + systemUs - round.cpuUsPerMessage) < 1e-6);
    assert.ok(userUs >= 0 && systemUs >= 0);
    assert.ok(round.messagesPerSecond > 0 && round.cpuUsPerMessage > 0);
    assert.ok(round.p50Us > 0 && round.p50Us <= round.p99Us);
  }
  // A wait may bring many messages; each takes a receive and a send.
  assert.ok(callsPerMessage === null || callsPerMessage > 1.9, `${callsPerMessage} calls`);
}

/** That the winner is that of the figures, at the most connections that are all busy. */
function assertWinner(document: CompareDocument): void {
  const { winner } = document;
  assert.ok(winner !== null);
  assert.deepEqual([winner.connections, winner.idleConnections], [10, 0]);
  const points = measured(document).map(({ name, points: all }) => {
    const point = all.find(({ connections }) => connections === 10);
    assert.ok(point !== undefined);
    return { name, point };
  });
  const [best, next] = points.sort(
    (a, b) => a.point.median.cpuUsPerMessage - b.point.median.cpuUsPerMessage,
  );
  assert.equal(winner.over, next?.name);
  assert.ok(winner.loop === null || winner.loop === best?.name);
  assert.ok(winner.words.includes('poll') && winner.words.includes('select'));
}

test('compare --json: what was asked for, and figures that agree', { timeout }, async (t) => {
  leakCheck(t);
  const cwd = scratch(t);
  const loadPoints = ['--connections', '3,1', '--idle', '0,60', '--rounds', '3'];
  const command = sockloop('compare', ...SHORT, ...loadPoints, '--json');
  const { status, out, err } = await run(t, command, '', { cwd });
  assert.equal(status, 0, err);
  assert.equal(out.trimEnd().split('\n').length, 1);
  assert.deepEqual(readdirSync(cwd), []);
  const document = JSON.parse(out) as CompareDocument;
  assert.equal(document.schema, 'sockloop-compare/1');
  assert.deepEqual(document.plan, {
    durationMs: 20,
    warmupMs: 60,
    threads: 1,
    rounds: 3,
    connections: [1, 3],
    idleConnections: [0, 60],
    besideIdle: 10,
    messageBytes: 64,
    seed: 1,
  });
  assert.match(document.command, /^sockloop compare --loops poll,select .* --json$/);
  assert.deepEqual(
    document.loops.map(({ name }) => name),
    ['poll', 'select'],
  );
  for (const { points, missing, memoryKibPerConnection } of measured(document)) {
    const at = points.map((point) => [point.connections, point.idleConnections]);
    assert.deepEqual(at, [
      [1, 0],
      [3, 0],
      [10, 0],
      [10, 60],
    ]);
    assert.deepEqual(missing, []);
    assert.ok(memoryKibPerConnection !== null && memoryKibPerConnection >= 0);
    for (const point of points) {
      assert.equal(point.rounds.length, 3);
      assertConsistent(point);
    }
  }
  assert.equal(measured(document).length, 2);
  assertWinner(document);
  assert.ok(document.elapsedMs > 0 && Date.parse(document.startedAt) > 0);
  assert.match(document.remarks[0] ?? '', /^servers (on core \d+, client on core \d+$|and client)/);
  // In a pipe the progress is one line for each load point.
  assert.match(err, /warming up\n.* {2}1 connection\n(.*\n)*.* {2}10 connections beside 60 idle/);
  assert.ok(!err.includes('\u{1b}'), 'nothing is redrawn where it would be seen');
});

test('compare: servers of several threads', { timeout }, async (t) => {
  leakCheck(t);
  const words = [...SHORT, '--threads', '2', '--connections', '4', '--idle', 'none', '--json'];
  const { status, out, err } = await run(t, sockloop('compare', ...words));
  assert.equal(status, 0, err);
  const { plan, loops: all, remarks } = JSON.parse(out) as CompareDocument;
  assert.equal(plan.threads, 2);
  assert.ok(all.every((loop) => loop.available && loop.points.length === 1));
  assert.ok(remarks.includes('servers of 2 threads, which share the cores with the client'));
  const refused = await run(t, sockloop('compare', '--loops', 'blocking', '--threads', '2'));
  assert.equal(refused.status, 1);
  assert.match(refused.err, /cannot use the loop blocking: it has one thread/);
});

test('compare: all loops, and why some are not at every load point', { timeout }, async (t) => {
  leakCheck(t);
  const cwd = scratch(t);
  const times = ['--rounds', '1', '--duration', '0.02'];
  const loadPoint = ['--connections', '2', '--idle', 'none'];
  const words = [...loadPoint, ...times, '--json', '--report', 'other.html'];
  const { status, out, err } = await run(t, sockloop('compare', ...words), '', { cwd });
  assert.equal(status, 0, err);
  assert.deepEqual(readdirSync(cwd), ['other.html']);
  const report = readFileSync(`${cwd}/other.html`, 'utf8');
  assert.match(report, /^<!doctype html>/i);
  assert.match(report, /sockloop-compare\/1/);
  assert.match(report, />select</);
  const { loops: all } = JSON.parse(out) as CompareDocument;
  for (const { name, skip } of loops) {
    const loop = all.find((one) => one.name === name);
    assert.ok(loop !== undefined, name);
    if (skip !== false) {
      assert.deepEqual(loop, { name, available: false, reason: skip });
      continue;
    }
    assert.ok(loop.available, name);
    const reason = 'it serves one connection at a time';
    const missing = name === 'blocking' ? [{ connections: 2, idleConnections: 0, reason }] : [];
    assert.deepEqual(loop.missing, missing);
    assert.equal(loop.points.length, 1 - missing.length);
    for (const point of loop.points) {
      const { callsPerMessage, ...rest } = point;
      // With io_uring the messages are no calls of their own.
      const ring = loop.name === 'io_uring';
      assertConsistent({ ...rest, callsPerMessage: ring ? null : callsPerMessage });
    }
  }
});

test('compare: without tools, and with few descriptors', {
  timeout,
  skip: reasonWithout('sh'),
}, async (t) => {
  leakCheck(t);
  // Three servers' connections together are more than that, one server's are not, 500 are too many.
  const words = ['--loops', 'poll,select', '--connections', '150,500', '--idle', 'none'];
  const command = sockloop('compare', ...SHORT, ...words, '--json');
  const script = `ulimit -n 300; PATH=/nowhere exec ${quoted(command)}`;
  const { status, out, err } = await run(t, ['sh', '-c', script], '', { cwd: scratch(t) });
  assert.equal(status, 0, err);
  const document = JSON.parse(out) as CompareDocument;
  for (const loop of measured(document)) {
    const [point, ...more] = loop.points;
    assert.ok(point !== undefined && more.length === 0);
    assert.deepEqual([point.connections, point.rounds.length], [150, 1]);
    assertConsistent(point);
    assert.equal(point.callsPerMessage, null);
    assert.match(
      loop.missing.map(({ reason }) => reason).join(),
      /^it needs 564 descriptors, and a process may have 300 here \(ulimit -n\)$/,
    );
  }
  const remarks = document.remarks.join('\n');
  assert.match(remarks, /could not be counted: perf cannot count: .*; strace cannot count: /);
  assert.match(remarks, /^servers and client share (one core|\d+ cores): (taskset is not|there)/);
});
