// The declarations of the public names, and of all that these refer to.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { PUBLIC } from './bundle.mjs';
import { root } from './root.mjs';

const SPECIFIER = /((?:\bfrom|\bimport)\s*\(?\s*')(\.[^']+)\.[jt]s(')/g;
const MAP = /^\/\/# sourceMappingURL=.*$/gm;

/** Copies the declarations that are reached from the entries to their places below `folder`. */
export function declarations(folder) {
  const seen = new Set();
  const waiting = PUBLIC.map((name) => join(root, `dist/src/${name}`));
  for (let module = waiting.pop(); module !== undefined; module = waiting.pop()) {
    if (seen.has(module)) continue;
    seen.add(module);
    const text = readFileSync(`${module}.d.ts`, 'utf8');
    for (const [, , name] of text.matchAll(SPECIFIER)) {
      waiting.push(resolve(dirname(module), name));
    }
    const target = join(folder, `${relative(root, module)}.d.ts`);
    mkdirSync(dirname(target), { recursive: true });
    // The sources are not there, so that a specifier of one leads nowhere.
    const own = text.replaceAll(SPECIFIER, '$1$2.js$3').replaceAll(MAP, '').trimEnd();
    writeFileSync(target, `${own}\n`);
  }
}
