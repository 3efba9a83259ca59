/** Packages of the npm registry that tests run, in folders below build/. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { root } from './programs.ts';

const INSTALL_MS_MAX = 240_000;

/** What a lock file says of a package. */
export interface LockedPackage {
  /** Its name, where it is installed under another one. */
  readonly name?: string;
  readonly version: string;
  readonly integrity: string;
  readonly os: readonly string[];
  readonly cpu: readonly string[];
}

/** A lock file. npm installs what it says, and checks that against the hashes. */
function lockFile(locked: Readonly<Record<string, LockedPackage>>) {
  const entries = Object.entries(locked);
  const dependencies = Object.fromEntries(
    entries.map(([place, { name, version }]) => {
      return [place, name === undefined ? version : `npm:${name}@${version}`];
    }),
  );
  const packages = Object.fromEntries([
    ['', { dependencies }],
    ...entries.map(([place, locks]) => [`node_modules/${place}`, locks]),
  ]);
  const lock = { name: 'locked', lockfileVersion: 3, requires: true, packages };
  return { dependencies, text: JSON.stringify(lock) };
}

/**
 * Installs packages into `build/NAME/node_modules`, if they are not there: each under its key in
 * `locked`, for the system of `words`. Returns what npm says when it fails.
 */
export function installLocked(
  name: string,
  locked: Readonly<Record<string, LockedPackage>>,
  words: readonly string[] = [],
): string | null {
  const folder = `${root}build/${name}/`;
  const { dependencies, text } = lockFile(locked);
  const lock = `${folder}package-lock.json`;
  const mark = `${folder}node_modules/.package-lock.json`;
  if (existsSync(mark) && existsSync(lock) && readFileSync(lock, 'utf8') === text) return null;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}package.json`, JSON.stringify({ private: true, dependencies }));
  writeFileSync(lock, text);
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error, stderr } = spawnSync('npm', ['ci', ...words, ...quiet], {
    cwd: folder,
    encoding: 'utf8',
    timeout: INSTALL_MS_MAX,
  });
  return status === 0 ? null : `npm ci in build/${name} failed: ${error?.message ?? stderr}`;
}
