// Goal: `compare --udp` measures every loop of this machine, and says which costs least.
// Method: the real program, with short slices.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { sockloop } from '#test/harness/programs.js';
import type { DatagramComparison } from '#tools/compare/datagrams.js';

const timeout = 120_000;
const here = backends.filter(({ available }) => available(nativeSys()) === true);

test('compare --udp: a figure for each loop', { timeout }, async (t) => {
  leakCheck(t);
  const words = ['--rounds', '1', '--duration', '50ms', '--connections', '8'];
  const json = await run(t, sockloop('compare', '--udp', '--json', ...words));
  assert.deepEqual([json.status, json.err], [0, '']);
  const { points, winner, words: said } = JSON.parse(json.out) as DatagramComparison;
  const names = [...here.map(({ name }) => name), 'blocking'];
  assert.deepEqual(points.map(({ loop }) => loop).sort(), names.sort());
  for (const point of points) {
    const { cpuUs, perSecond, p50Us, lost, sent } = point;
    const all = JSON.stringify(point);
    assert.ok(cpuUs.median > 0 && perSecond > 0 && p50Us > 0 && sent > lost, all);
  }
  // One round has no spread.
  assert.equal(winner, null);
  assert.match(said, / in one round says nothing/);
  const table = await run(t, sockloop('compare', '--udp', '--loops', 'poll,select', ...words));
  assert.equal(table.status, 0, table.err);
  assert.match(table.out, /^under way {2}loop +datagrams\/s +CPU us +p50 +p99 +lost$/m);
  assert.match(table.out, /poll and select|select and poll/);
});

test('compare --udp: what has no meaning is refused', { timeout }, async (t) => {
  leakCheck(t);
  for (const [words, err] of [
    [['--threads', '2'], '--threads is for connections'],
    [['--idle', '5'], '--idle is for connections'],
    [['--report', 'x.html'], '--report is for connections'],
    [['--loops', 'threads'], 'threads has a thread for each connection'],
    [['--size', '8'], '--size takes 12 to 65507 bytes'],
    [['--connections', '5000'], 'up to 4096 under way'],
  ] as const) {
    const outcome = await run(t, sockloop('compare', '--udp', ...words));
    assert.equal(outcome.status, 2, words.join(' '));
    assert.ok(outcome.err.includes(err), outcome.err);
  }
});
