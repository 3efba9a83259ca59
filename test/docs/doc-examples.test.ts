// Goal: every example in the documentation compiles under the flags of the project and runs.
// Method: each ```ts block of a doc comment, of README.md and of a page in docs/ becomes a file in
// build/, where the package's own name resolves to it; one compilation, then one run of Node that
// imports them all.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const directory = `${root}build/doc-examples/`;
const RUN_TIMEOUT_MS = 120_000;
const COMPILE_TIMEOUT_MS = 120_000;

interface Example {
  readonly path: string;
  readonly line: number;
  /** The word after the fence: only `ts` is an example. */
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of `text`, whose first line is line `first` of its file. */
function fencedBlocks(path: string, text: string, first: number): Example[] {
  const blocks: Example[] = [];
  let open: { line: number; language: string; body: string[] } | undefined;
  for (const [index, words] of text.split('\n').entries()) {
    const fence = /^\s*```(.*)$/.exec(words);
    if (open === undefined && fence !== null) {
      open = { line: first + index + 1, language: fence[1]?.trim() ?? '', body: [] };
    } else if (open !== undefined && fence !== null) {
      const { line, language, body } = open;
      blocks.push({ path, line, language, text: `${body.join('\n')}\n` });
      open = undefined;
    } else {
      open?.body.push(words);
    }
  }
  assert.equal(open, undefined, `${path}:${open?.line}: a fence is never closed`);
  return blocks;
}

/** The fenced blocks in the doc comments of a source. */
function commentBlocks(path: string, source: string): Example[] {
  return [...source.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap(({ 0: comment, index }) => {
    const text = comment.replace(/^\/\*\*|\*\/$/g, '').replace(/^[ ]*\* ?/gm, '');
    return fencedBlocks(path, text, source.slice(0, index).split('\n').length);
  });
}

function allBlocks(): Example[] {
  const docs = readdirSync(`${root}docs`).filter((name) => name.endsWith('.md'));
  const pages = ['README.md', ...docs.map((name) => `docs/${name}`)];
  const blocks = pages.flatMap((path) => fencedBlocks(path, readFileSync(root + path, 'utf8'), 1));
  for (const wing of ['src', 'tools']) {
    for (const name of readdirSync(root + wing, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const path = `${wing}/${name}`;
      blocks.push(...commentBlocks(path, readFileSync(root + path, 'utf8')));
    }
  }
  return blocks;
}

function fileNameOf({ path, line }: Example): string {
  return `${path.replace(/\.(ts|md)$/, '').replaceAll('/', '-')}-${line}`;
}

/** Writes the examples so that each line keeps its number. */
function writeExamples(examples: readonly Example[]): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const example of examples) {
    const text = '\n'.repeat(example.line - 1) + example.text;
    writeFileSync(`${directory}${fileNameOf(example)}.ts`, text);
  }
  const config = {
    extends: '../../tsconfig.base.json',
    compilerOptions: {
      composite: false,
      declaration: false,
      declarationMap: false,
      sourceMap: false,
      rootDir: '.',
      outDir: 'out',
    },
    include: ['*.ts'],
  };
  writeFileSync(`${directory}tsconfig.json`, JSON.stringify(config));
}

const blocks = allBlocks();
const examples = blocks.filter(({ language }) => language === 'ts');

test('documentation: no example escapes its test', () => {
  const escaped = blocks
    .filter(({ language }) => /^(ts\b.|typescript|mts|js|javascript)/.test(language))
    .map(({ path, line, language }) => `${path}:${line}: \`\`\`${language}: write \`\`\`ts`);
  assert.equal(escaped.length, 0, `\n${escaped.join('\n')}`);
});

test('documentation: the examples compile', () => {
  if (examples.length === 0) return;
  writeExamples(examples);
  const tsc = `${root}node_modules/@typescript/native/bin/tsc`;
  const options = { cwd: root, encoding: 'utf8', timeout: COMPILE_TIMEOUT_MS } as const;
  const result = spawnSync(process.execPath, [tsc, '-p', directory], options);
  assert.equal(result.status, 0, `${result.error ?? ''}\n${result.stdout}${result.stderr}`);
});

/** Imports its arguments one after the other, and prints each that failed with its error. */
const RUNNER = `
for (const file of process.argv.slice(1)) {
  await import(file).catch((error) => console.log(file, error));
}
console.log('all ran');
`;

test('documentation: the examples run, and leave nothing behind that keeps Node alive', () => {
  const files = examples.map((example) => `${directory}out/${fileNameOf(example)}.js`);
  // Without the mark of the runner, an example that uses node:test would report to it.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const result = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', RUNNER, '--', ...files],
    { env, encoding: 'utf8', timeout: RUN_TIMEOUT_MS, killSignal: 'SIGKILL' },
  );
  assert.equal(result.status, 0, `${result.error ?? ''}\n${result.stdout}${result.stderr}`);
  // Examples print too, but not their paths.
  const failed = result.stdout.split('\n').filter((line) => line.startsWith(directory));
  assert.deepEqual(failed, [], result.stdout);
  assert.match(result.stdout, /^all ran$/m);
});

test('documentation: the fences are found', () => {
  const [block] = commentBlocks('a.ts', '\n/**\n * ```ts ignore\n * f();\n * ```\n */');
  assert.deepEqual(block, { path: 'a.ts', line: 4, language: 'ts ignore', text: 'f();\n' });
});
