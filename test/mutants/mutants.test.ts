// Goal: the mutants are what they say, one that matters is found, and the build stays as it was.
// Method: a piece of code, and one mutant of a module in a workspace of its own.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { mutantsOf } from './operators.ts';
import { plantedBugs, plantedPaths } from './planted.ts';
import { rooms } from './rooms.ts';
import { runSuite } from './trial.ts';
import { Workspace } from './workspace.ts';

const timeout = 120_000;

test('mutants: each changes one place', (t) => {
  leakCheck(t);
  const source = `import { a } from './a.js';
function f(x) {
  if (x < 3 && !a) { g(x); x += 1; }
  throw new Error('one ' + x);
}`;
  const changes = mutantsOf(source).map(({ line, what }) => `${line} ${what}`);
  assert.deepEqual(changes, [
    '3 x < 3 && !a -> true',
    '3 x < 3 && !a -> false',
    '3 x < 3 && !a -> x < 3 || !a',
    '3 x < 3 -> x <= 3',
    '3 3 -> 4',
    '3 !a -> a',
    '3 g(x); -> ;',
    '3 x += 1 -> x -= 1',
    '3 1 -> 2',
  ]);
  for (const { start, end } of mutantsOf(source)) assert.ok(start < end);
});

test('mutants: each planted bug has its place, in a room', (t) => {
  leakCheck(t);
  const inRooms = rooms.flatMap(({ paths }) => paths);
  for (const path of plantedPaths) {
    assert.ok(plantedBugs(path, readFileSync(root + path, 'utf8')).length > 0);
    assert.ok(
      inRooms.some((one) => path === one || path.startsWith(`${one}/`)),
      path,
    );
  }
});

test('mutants: one that matters is found, and the build stays as it was', {
  timeout,
}, async (t) => {
  leakCheck(t);
  using workspace = new Workspace(join(scratch(t), 'workspace'));
  const path = 'dist/src/base/deque.js';
  const before = readFileSync(root + path, 'utf8');
  const suite = { file: 'base/deque.test.js' };
  assert.equal((await runSuite(workspace.folder, suite, timeout)).passed, true);
  const [mutant] = mutantsOf(before).filter(({ what }) => what.includes(' - '));
  assert.ok(mutant !== undefined);
  workspace.put(path, before.slice(0, mutant.start) + mutant.text + before.slice(mutant.end));
  assert.equal((await runSuite(workspace.folder, suite, timeout)).passed, false);
  workspace.put(path, null);
  assert.equal((await runSuite(workspace.folder, suite, timeout)).passed, true);
  assert.equal(readFileSync(root + path, 'utf8'), before);
  const late = await runSuite(workspace.folder, suite, 1);
  assert.deepEqual([late.passed, late.late], [false, true]);
});
