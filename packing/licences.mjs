// The licences of the packages whose code is joined to the tools.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.mjs';

/** What may be passed on under the terms of this project, with its text. */
const PERMITTED = new Set(['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0']);

/** The folder of the package that holds `module`, or null for a module of this project. */
function packageOf(module) {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(module)?.[0] ?? null;
}

function noticeOf(path) {
  const folder = join(root, path);
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (!PERMITTED.has(license)) throw new Error(`${name} is under ${license}: is it permitted?`);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e([.](md|txt))?$/i.test(entry));
  if (file === undefined) throw new Error(`${name} ${version} has no licence file to pass on`);
  const text = readFileSync(join(folder, file), 'utf8').trim();
  return `${name} ${version} (${license})\n\n${text}\n`;
}

/** One text with the licences of all packages that hold one of `modules`. Throws without one. */
export function licences(modules) {
  const folders = new Set(modules.map(packageOf).filter((folder) => folder !== null));
  const notices = [...folders].sort().map(noticeOf);
  const head = 'The programs of this package hold code of these packages.\n';
  return [head, ...notices].join(`\n${'-'.repeat(80)}\n\n`);
}
