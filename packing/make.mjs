// Run by `make package`, and by npm before and after it packs or publishes the project itself.
//
//   stage FOLDER   write the files of the tarball to FOLDER
//   bill FOLDER    write the bill of materials of FOLDER beside it: FOLDER.cdx.json
//   prepack        write them to build/package, and put that dist/ in the place of the compiler's
//   postpack       put the compiler's back

import { cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './root.mjs';
import { writeBill } from './sbom.mjs';
import { stage } from './stage.mjs';

const dist = join(root, 'dist');
const compiled = join(root, 'build/dist');

async function prepack() {
  const folder = join(root, 'build/package');
  await stage(folder);
  rmSync(compiled, { recursive: true, force: true });
  renameSync(dist, compiled);
  // It lacks the notes of the compiler, which makes dist/ anew if npm is stopped before postpack.
  cpSync(join(folder, 'dist'), dist, { recursive: true });
}

function postpack() {
  if (!existsSync(compiled)) return;
  rmSync(dist, { recursive: true, force: true });
  renameSync(compiled, dist);
}

const [step, folder] = process.argv.slice(2);
if (step === 'stage' && folder !== undefined) await stage(resolve(folder));
else if (step === 'bill' && folder !== undefined) {
  writeBill(resolve(folder), `${resolve(folder)}.cdx.json`);
} else if (step === 'prepack') await prepack();
else if (step === 'postpack') postpack();
else throw new Error('usage: make.mjs stage FOLDER | bill FOLDER | prepack | postpack');
