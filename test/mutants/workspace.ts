/** A copy of what was built, in which one file at a time is mutated. */

import {
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { root } from '#test/harness/programs.js';

/** What tests read beside the code. */
const LINKED = ['docs', 'src', 'tools', 'test', 'sim', 'node_modules', 'README.md', 'Makefile'];

export class Workspace implements Disposable {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, 'build'), { recursive: true });
    cpSync(join(root, 'package.json'), join(folder, 'package.json'));
    for (const name of LINKED) symlinkSync(join(root, name), join(folder, name));
    for (const name of ['dist', 'build/test', 'build/sim']) linkAll(root, folder, name);
  }

  /** The compiled files below `path`, which may be one itself. */
  files(path: string): string[] {
    if (path.endsWith('.js')) return [path];
    const entries = readdirSync(join(this.folder, path), { withFileTypes: true });
    return entries.flatMap((entry) => {
      const below = `${path}/${entry.name}`;
      if (entry.isDirectory()) return this.files(below);
      return entry.name.endsWith('.js') ? [below] : [];
    });
  }

  read(path: string): string {
    return readFileSync(join(root, path), 'utf8');
  }

  /** Puts `text` in the place of a file; null puts the file back. */
  put(path: string, text: string | null): void {
    const place = join(this.folder, path);
    // The file is the same one as that of the build: it must not be written to.
    rmSync(place);
    if (text === null) linkSync(join(root, path), place);
    else writeFileSync(place, text);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function linkAll(from: string, to: string, path: string): void {
  mkdirSync(join(to, path), { recursive: true });
  for (const entry of readdirSync(join(from, path), { withFileTypes: true })) {
    const below = `${path}/${entry.name}`;
    if (entry.isDirectory()) linkAll(from, to, below);
    else if (/\.(?:js|cjs|mjs|json)$/.test(entry.name))
      linkSync(join(from, below), join(to, below));
  }
}
