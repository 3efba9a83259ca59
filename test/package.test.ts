// Goal: the package holds what its own files refer to.
// Method: the list of npm pack, and the sources that each source map of it names.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { run } from './harness/command.ts';
import { leakCheck } from './harness/leaks.ts';
import { reasonWithout } from './harness/other-programs.ts';
import { root } from './harness/programs.ts';

test('package: each source map names files that are in it', {
  timeout: 60_000,
  skip: reasonWithout('npm'),
}, async (t) => {
  leakCheck(t);
  const words = ['npm', 'pack', '--dry-run', '--json', '--ignore-scripts'];
  const { status, out, err } = await run(t, words, '', { cwd: root });
  assert.equal(status, 0, err);
  const [pack] = JSON.parse(out) as [{ files: { path: string }[] }];
  const files = new Set(pack.files.map(({ path }) => path));
  const maps = [...files].filter((path) => path.endsWith('.map'));
  assert.ok(maps.length > 0);
  for (const map of maps) {
    const { sources } = JSON.parse(readFileSync(root + map, 'utf8')) as { sources: string[] };
    for (const source of sources) {
      const path = posix.join(posix.dirname(map), source);
      assert.ok(files.has(path), `${map} names ${path}, which is not in the package`);
    }
  }
});
