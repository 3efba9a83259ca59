// Goal: each invariant of the library can fail, and a release does not look at any.
// Method: a process breaks the states one by one, with SOCKLOOP_CHECKS=1 and without it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leakCheck } from '#test/harness/leaks.js';

const breaks = fileURLToPath(new URL('./breaks.js', import.meta.url));

/** What came of each break: the error, or null. */
function outcomes(checks: string): [name: string, outcome: string | null][] {
  const env = { ...process.env, SOCKLOOP_CHECKS: checks };
  const { stdout, stderr, status } = spawnSync(process.execPath, [breaks], {
    encoding: 'utf8',
    env,
  });
  assert.equal(status, 0, stderr);
  return Object.entries(JSON.parse(stdout) as Record<string, string | null>);
}

test('invariants: each can fail, and says that it is a bug of the library', (t) => {
  leakCheck(t);
  const all = outcomes('1');
  assert.ok(all.length >= 30);
  for (const [name, outcome] of all) {
    assert.match(outcome ?? 'nothing', /^InvariantError: a bug in sockloop: /, name);
  }
});

test('invariants: a release does not look', (t) => {
  leakCheck(t);
  for (const [name, outcome] of outcomes('0')) {
    assert.doesNotMatch(outcome ?? '', /InvariantError/, name);
  }
});
