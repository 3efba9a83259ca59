// Goal: the package holds what its own files refer to, and little else; it needs koffi alone.
// Method: the files that packing/ writes are read; tools of `make check` meet planted faults.

import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { after, before, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { filesBelow, lint, runStep, stagedPackage, tarballOf } from './tarball.ts';

/** Unpacked. What is neither a tool nor joined to one belongs to the library. */
const LIBRARY_BYTES_MAX = 1_500_000;
const TOOLS_BYTES_MAX = 900_000;

const IMPORT =
  /^(?:import|export)\b[^'"\n]*?(?:\bfrom )?["']([^"']+)["'];?$|\bimport\(["']([^"']+)["']\)/gm;
const BESIDE = /new URL\("([^"$]+)", new URL\("([^"]+)", import[.]meta[.]url\)/g;

const skip = reasonWithout('npm');
const timeout = 240_000;

/** The files of the package, each with its text. */
type Texts = ReadonlyMap<string, string>;

const steps: (() => Promise<void> | void)[] = [];
let folder = '';

before(async () => {
  folder = await stagedPackage({ after: (step) => steps.unshift(step) });
});

after(async () => {
  for (const step of steps) await step();
});

function packedTexts(): Texts {
  const paths = filesBelow(folder);
  return new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
}

/** What the module `path` imports: the packages, and the paths in the package. */
function imports(path: string, text: string): string[] {
  return [...text.matchAll(IMPORT)].map(([, named, dynamic]) => {
    const specifier = named ?? dynamic ?? '';
    return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier;
  });
}

function assertReferences(texts: Texts): void {
  const packages = new Set<string>();
  for (const [path, text] of texts) {
    if (!/\.(?:js|d\.ts)$/.test(path) || path.includes('uPlot')) continue;
    // An example in a comment of a declaration imports what its reader has.
    const code = text
      .replaceAll(/\/\*\*[\s\S]*?\*\//g, '')
      // A declared string is no path.
      .replaceAll(/^export declare const .*$/gm, '');
    for (const target of imports(path, code)) {
      const file = path.endsWith('.d.ts') ? target.replace(/\.js$/, '.d.ts') : target;
      if (!target.startsWith('dist/')) packages.add(target);
      else assert.ok(texts.has(file), `${path} imports ${file}, which is not in the package`);
    }
    for (const [, file = '', from = ''] of text.matchAll(BESIDE)) {
      const target = posix.join(posix.dirname(path), posix.dirname(from), file);
      assert.ok(texts.has(target), `${path} opens ${target}, which is not in the package`);
    }
  }
  const others = [...packages].filter((name) => !name.startsWith('node:'));
  assert.deepEqual(others, ['koffi']);
}

function assertNotices(texts: Texts): void {
  const joined = [...texts.values()].flatMap((text) => {
    return [...text.matchAll(/^\/\/ node_modules\/((?:@[^/\n]+\/)?[^/\n]+)/gm)];
  });
  const names = new Set([...joined.map(([, name]) => name), 'uplot']);
  const notices = texts.get('dist/tools/THIRD-PARTY-LICENSES') ?? '';
  const named = [...notices.matchAll(/^(\S+) \d\S* \(/gm)].map(([, name]) => name);
  assert.deepEqual(named, [...names].sort());
  // Each text is there, not only its name.
  assert.ok(
    (notices.match(/PROVIDED\s.{0,50}["']AS IS["']/gs) ?? []).length >= names.size,
    notices,
  );
}

test('package: its files refer to each other, and to koffi alone', { timeout, skip }, (t) => {
  leakCheck(t);
  const texts = packedTexts();
  assertReferences(texts);
  assertNotices(texts);
  const manifest = JSON.parse(texts.get('package.json') ?? '');
  assert.deepEqual(Object.keys(manifest.dependencies), ['koffi']);
  const named = [manifest.bin, ...Object.values(manifest.exports)].flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry as object),
  ) as string[];
  for (const path of named) assert.ok(texts.has(posix.normalize(path)), path);
  for (const path of ['README.md', 'LICENSE', 'CHANGELOG.md']) assert.ok(texts.has(path), path);
});

test('package: no file names a source map or a source that is not in it', {
  timeout,
  skip,
}, (t) => {
  leakCheck(t);
  const texts = packedTexts();
  for (const [path, text] of texts) {
    assert.doesNotMatch(path, /\.map$|\.tsbuildinfo$|(?<!\.d)\.ts$/);
    // The pattern of page-script.ts names the comment that it leaves out.
    assert.doesNotMatch(text, /^\/\/# sourceMappingURL=/m, path);
  }
});

test('package: the library and the tools keep to their sizes', { timeout, skip }, (t) => {
  leakCheck(t);
  let library = 0;
  let tools = 0;
  for (const path of filesBelow(folder)) {
    const { size } = statSync(join(folder, path));
    if (path.startsWith('dist/tools/')) tools += size;
    else library += size;
  }
  t.diagnostic(`library ${library} bytes, tools ${tools} bytes`);
  assert.ok(library > 300_000 && library <= LIBRARY_BYTES_MAX, `the library has ${library} bytes`);
  assert.ok(tools > 300_000 && tools <= TOOLS_BYTES_MAX, `the tools have ${tools} bytes`);
});

test('package: a joined package without a licence to pass on is refused', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const script = `const { licences } = await import('${root}packing/licences.mjs');
licences(['dist/tools/cli/main.js', 'node_modules/@assemblyscript/loader/index.js']);`;
  const { status, err } = await run(t, [process.execPath, '--input-type=module', '-e', script]);
  assert.equal(status, 1);
  assert.match(err, /@assemblyscript\/loader [\d.]+ has no licence file to pass on/);
});

test('package: its bill of materials names koffi and what is joined to the tools', {
  timeout,
  skip,
}, async (t) => {
  leakCheck(t);
  const words = [process.execPath, `${root}packing/make.mjs`, 'bill', folder];
  const { status, err } = await runStep(t, words);
  assert.equal(status, 0, err);
  t.after(() => rmSync(`${folder}.cdx.json`));
  const { components } = JSON.parse(readFileSync(`${folder}.cdx.json`, 'utf8')) as {
    components: { name: string; hashes?: object[]; properties?: object[] }[];
  };
  const ours = components.filter(({ name }) => !name.startsWith('@koromix/'));
  const notices = packedTexts().get('dist/tools/THIRD-PARTY-LICENSES') ?? '';
  const joined = [...notices.matchAll(/^(\S+) \d\S* \(/gm)].map(([, name]) => name);
  assert.deepEqual(ours.map(({ name }) => name).sort(), [...joined, 'koffi'].sort());
  assert.ok(ours.every(({ hashes = [] }) => hashes.length > 0));
  assert.doesNotMatch(JSON.stringify(components), /npm:package:development/);
});

test('package: npm packs the same files from the root, and leaves dist/ as it was', {
  timeout,
  skip,
}, async (t) => {
  leakCheck(t);
  const copy = scratch(t);
  const files = ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json', 'tsconfig.base.json'];
  for (const path of [...files, 'packing', 'src', 'tools', 'dist']) {
    cpSync(root + path, join(copy, path), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(`${root}node_modules`, join(copy, 'node_modules'));
  const before = filesBelow(join(copy, 'dist'));
  const { status, out, err } = await runStep(t, ['npm', 'pack', '--json'], copy);
  assert.equal(status, 0, err);
  const [pack] = JSON.parse(out) as [{ files: { path: string; size: number }[] }];
  const staged = filesBelow(folder).map((path) => [path, statSync(join(folder, path)).size]);
  const packed = pack.files.map(({ path, size }) => [path, size]);
  assert.deepEqual(packed.sort(), staged.sort());
  assert.deepEqual(filesBelow(join(copy, 'dist')), before);
  assert.equal(existsSync(join(copy, 'build/dist')), false);
});

test('package: publint and attw refuse planted faults', { timeout, skip }, async (t) => {
  leakCheck(t);
  const makefile = readFileSync(`${root}Makefile`, 'utf8');
  const planted = scratch(t);
  const plant = (types: string) => {
    const exports = { '.': { types, default: './index.js' } };
    const manifest = { name: 'planted', version: '1.0.0', license: 'MIT', type: 'module', exports };
    writeFileSync(join(planted, 'package.json'), JSON.stringify(manifest));
    return tarballOf(t, planted);
  };
  writeFileSync(join(planted, 'index.js'), 'export const a = 1;\n');
  writeFileSync(join(planted, 'index.d.cts'), 'declare const a: 1;\nexport = a;\n');
  const nowhere = await lint(t, makefile, 'PUBLINT', await plant('./nowhere.d.ts'));
  assert.equal(nowhere.status, 1, nowhere.out);
  // In CI it prints in colours.
  assert.match(
    stripVTControlCharacters(nowhere.out),
    /nowhere[.]d[.]ts but the file does not exist/,
  );
  const wrong = await lint(t, makefile, 'ATTW', await plant('./index.d.cts'));
  assert.equal(wrong.status, 1, wrong.out);
  assert.match(wrong.out, /Masquerading as CJS/);
});
