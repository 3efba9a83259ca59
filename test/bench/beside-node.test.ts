// Goal: the bench of what goes on beside an echo server measures each wait under each load.
// Method: one short run, with a server of each way.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';

const timeout = 120_000;
const skip =
  reasonWithout('cc', 'taskset') ||
  (availableParallelism() < 2 ? 'one core, and the bench needs two' : reasonWithoutProc);

const bench = [process.execPath, `${root}build/bench/beside-node.js`];

it('beside-node: a round of two servers at two loads', { skip, timeout }, async (t) => {
  leakCheck(t);
  const json = join(scratch(t), 'beside.json');
  const words = ['--servers', 'net,attach-epoll', '--loads', 'idle,full', '--rounds', '1'];
  const outcome = await run(t, [...bench, ...words, '--sample', '100', '--json', json]);
  assert.equal(outcome.status, 0, outcome.err);
  assert.match(outcome.out, /fully loaded: .*\n +p50 us/);
  assert.match(outcome.out, /\n +message, attach-epoll +\d/);
  const { rounds } = JSON.parse(readFileSync(json, 'utf8'));
  assert.equal(rounds.length, 4);
  for (const { load, waits, idleCpuMs } of rounds) {
    const names = ['timer', 'http', 'fetch', 'outside', ...(load === 'full' ? ['message'] : [])];
    assert.deepEqual(Object.keys(waits).sort(), names.sort());
    for (const { p50Us, p99Us } of Object.values<{ p50Us: number; p99Us: number }>(waits)) {
      assert.ok(p50Us > 0 && p50Us <= p99Us && p99Us < 10e6);
    }
    assert.equal(idleCpuMs === null, load !== 'idle');
  }
});
