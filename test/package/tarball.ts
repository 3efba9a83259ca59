/** The package as it is published: a folder with its files, and the tarball made of it. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, type Scope, start } from '#test/harness/command.js';
import { scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';

/** npm and the linters take seconds, and many of them on a busy machine. */
const STEP_MS_MAX = 200_000;

/** Runs a step of packing or installing in `cwd` to its end. */
export function runStep(scope: Scope, words: readonly string[], cwd = root): Promise<Outcome> {
  const command = start(scope, words, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  return command.end(STEP_MS_MAX);
}

/** Writes the files of the package to a folder of their own, and returns it. */
export async function stagedPackage(scope: Scope): Promise<string> {
  const folder = scratch(scope);
  const words = [process.execPath, `${root}packing/make.mjs`, 'stage', folder];
  const { status, err } = await runStep(scope, words);
  assert.equal(status, 0, err);
  return folder;
}

/** Makes a tarball of `folder`, as `make package` does, and returns its path. */
export async function tarballOf(scope: Scope, folder: string): Promise<string> {
  const target = scratch(scope);
  const words = ['npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', target];
  const { status, err } = await runStep(scope, [...words, folder]);
  assert.equal(status, 0, err);
  const [name = ''] = readdirSync(target);
  return join(target, name);
}

/** The paths of all files below `folder`, seen from it. */
export function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Runs a tool that the Makefile names, with its flags, over `tarball`. */
export function lint(
  scope: Scope,
  makefile: string,
  tool: 'PUBLINT' | 'ATTW',
  tarball: string,
): Promise<Outcome> {
  const command = new RegExp(`^${tool} = (.*)$`, 'm').exec(makefile)?.[1];
  assert.ok(command !== undefined, `the Makefile has no ${tool}`);
  assert.ok(makefile.includes(`$(${tool}) build/`), `make check does not run ${tool}`);
  return runStep(scope, [...command.split(' '), tarball]);
}
