/** Third-party programs that the tests talk to, and our C peers. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scope } from './command.ts';
import { root } from './programs.ts';

function has(tool: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
}

/**
 * The reason to skip a test that needs `tools`, or false. In CI no test is skipped: it fails with
 * the name of the tool.
 */
export function reasonWithout(...tools: string[]): string | false {
  const missing = tools.filter((tool) => !has(tool));
  if (missing.length === 0 || process.env['CI'] !== undefined) return false;
  return `not installed here: ${missing.join(', ')}`;
}

/** The reason to skip a test that needs /proc, or false. */
export const reasonWithoutProc =
  process.platform === 'linux' ? false : 'looks into /proc, which only Linux has in this form';

/** A temporary directory for one test. */
export function scratch(scope: Scope): string {
  const directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
  scope.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Compiles test/peers/NAME.c and returns the path of the program. */
export function compilePeer(scope: Scope, name: string): string {
  const file = join(scratch(scope), name);
  const words = [
    '-std=c11',
    '-Wall',
    '-Wextra',
    '-O1',
    '-o',
    file,
    `${root}test/harness/peers/${name}.c`,
  ];
  const { status, stderr, error } = spawnSync('cc', words, { encoding: 'utf8', timeout: 60_000 });
  assert.equal(status, 0, `cc: ${error?.message ?? stderr}`);
  return file;
}
