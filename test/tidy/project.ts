/** The files of the project as the house rules see them: read from disk, or given as strings. */

import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { type Module, readModule } from './modules.ts';
import { scan, type Token } from './scan.ts';

/** A file that is read as text only: documents, data, makefiles. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** A TypeScript file. `code` is its tokens without the comments. */
export interface SourceFile extends TextFile, Module {
  readonly tokens: readonly Token[];
  readonly code: readonly Token[];
}

export interface Project {
  readonly sources: ReadonlyMap<string, SourceFile>;
  readonly texts: readonly TextFile[];
  /** The package's public names, each with the source behind it: `sockloop` is `src/index.ts`. */
  readonly publicNames: ReadonlyMap<string, string>;
  /** The sources behind the package's commands. */
  readonly commands: readonly string[];
}

/** Where something is wrong, and what to do instead. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** Files by path, as a project written for a rule's own test. */
export type Sample = Readonly<Record<string, string>>;

/** One rule of the house, with what it must refuse and what it must let pass. */
export interface Rule {
  readonly name: string;
  check(project: Project): Iterable<Violation>;
  readonly bad: readonly Sample[];
  readonly good: readonly Sample[];
}

const SKIPPED_DIRECTORIES = new Set(['node_modules', 'dist', 'build', 'test/vectors']);
const READ_DOTFILES = new Set(['.ci', '.github', '.gitignore']);
const TEXT_FILE = /(\.(ts|md|json|c|sh|yml|yaml|html|css)|^Makefile|^\.gitignore|^\.ci\/run)$/;

export function projectOf(sample: Sample): Project {
  const sources = new Map<string, SourceFile>();
  const texts: TextFile[] = [];
  for (const [path, text] of Object.entries(sample)) {
    texts.push({ path, text });
    if (!path.endsWith('.ts')) continue;
    const tokens = scan(text);
    const code = tokens.filter((token) => token.kind !== 'comment');
    sources.set(path, { path, text, tokens, code, ...readModule(code) });
  }
  const { publicNames, commands } = readManifest(sample['package.json'] ?? '{}');
  return { sources, texts, publicNames, commands };
}

/** The project below `root`, a directory that ends with a slash. */
export function loadProject(root: string): Project {
  const sample: Record<string, string> = {};
  const walk = (directory: string): void => {
    for (const entry of readdirSync(root + directory, { withFileTypes: true })) {
      const path = posix.join(directory, entry.name);
      if (entry.name.startsWith('.') && !READ_DOTFILES.has(entry.name)) continue;
      if (SKIPPED_DIRECTORIES.has(path)) continue;
      if (entry.isDirectory()) walk(path);
      else if (TEXT_FILE.test(path)) sample[path] = readFileSync(root + path, 'utf8');
    }
  };
  walk('');
  return projectOf(sample);
}

/** A name with the texts of the tokens around it. */
export interface Around {
  readonly file: SourceFile;
  /** Where the name stands in the code of its file. */
  readonly index: number;
  readonly token: Token;
  readonly before: string;
  readonly after: string;
  readonly afterNext: string;
}

/** Every name in the code of the files that `covers` accepts, with its neighbours. */
export function* names(project: Project, covers: (path: string) => boolean): Iterable<Around> {
  for (const file of project.sources.values()) {
    if (!covers(file.path)) continue;
    for (const [index, token] of file.code.entries()) {
      if (token.kind !== 'name') continue;
      const before = file.code[index - 1]?.text ?? '';
      const after = file.code[index + 1]?.text ?? '';
      yield { file, index, token, before, after, afterNext: file.code[index + 2]?.text ?? '' };
    }
  }
}

interface Manifest {
  readonly name?: string;
  readonly exports?: Readonly<Record<string, string | { readonly default: string }>>;
  readonly bin?: Readonly<Record<string, string>>;
}

function readManifest(text: string): Pick<Project, 'publicNames' | 'commands'> {
  const manifest = JSON.parse(text) as Manifest;
  const publicNames = new Map<string, string>();
  for (const [subpath, target] of Object.entries(manifest.exports ?? {})) {
    const output = typeof target === 'string' ? target : target.default;
    if (!output.endsWith('.js')) continue;
    publicNames.set(posix.join(manifest.name ?? '', subpath), sourceOf(output));
  }
  return { publicNames, commands: Object.values(manifest.bin ?? {}).map(sourceOf) };
}

/** The source of a compiled file: `./dist/a.js` comes from `src/a.ts`. */
function sourceOf(output: string): string {
  return output.replace(/^(\.\/)?dist\//, '').replace(/\.js$/, '.ts');
}
