// What the package holds, in a folder: the tarball is made of it.

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './bundle.mjs';
import { declarations } from './declarations.mjs';
import { licences } from './licences.mjs';
import { root } from './root.mjs';

const PAGE = 'dist/tools/report/html/page';
/** The chart library, which is put into the pages of reports as it is. */
const CHARTS = ['LICENSE', 'dist/uPlot.iife.min.js', 'dist/uPlot.min.css'];

/** The modules of the page are joined when a report is written. */
function pageModules(folder) {
  mkdirSync(join(folder, PAGE), { recursive: true });
  const modules = readdirSync(join(root, PAGE)).filter((name) => name.endsWith('.js'));
  for (const name of modules) {
    const text = readFileSync(join(root, PAGE, name), 'utf8');
    const own = text.replaceAll(/^\/\/# sourceMappingURL=.*\n?/gm, '');
    writeFileSync(join(folder, PAGE, name), own);
  }
}

/** Writes the files of the tarball to `folder`, from what the compiler wrote to dist/. */
export async function stage(folder) {
  rmSync(folder, { recursive: true, force: true });
  const joined = await bundle(folder);
  declarations(folder);
  pageModules(folder);
  for (const file of CHARTS) {
    cpSync(join(root, 'node_modules/uplot', file), join(folder, 'dist/tools/uplot', file));
  }
  const modules = joined.flatMap((file) => file.modules);
  const notices = licences([...modules, 'node_modules/uplot/dist/uPlot.iife.min.js']);
  writeFileSync(join(folder, 'dist/tools/THIRD-PARTY-LICENSES'), notices);
  for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    cpSync(join(root, file), join(folder, file));
  }
}
