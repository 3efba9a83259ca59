// Goal: a program that imports the library starts soon, and a bundler can take the library in.
// Method: the files of the package are followed from its entry; processes that import it, and such
// that import nothing, are timed in turns; a small program is bundled without koffi, and run.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { after, before, test } from 'node:test';
import { run, type Scope } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { stagedPackage } from './tarball.ts';

const timeout = 240_000;
const ROUNDS = 5;
/** CPU time. It is 60 ms, 25 of them for koffi; as 150 files it was 210. */
const IMPORT_MS_MAX = 150;

/** What the library may import: Node loads these in some 8 ms, most of it for node:net. */
const CHEAP = [
  'koffi',
  ...[
    'async_hooks',
    'buffer',
    'diagnostics_channel',
    'dns',
    'events',
    'fs',
    'net',
    'path',
    'perf_hooks',
    'stream',
    'timers/promises',
    'util',
  ].map((name) => `node:${name}`),
  'node:worker_threads',
];

const steps: (() => Promise<void> | void)[] = [];
/** A folder in which the package is installed. */
let folder = '';

before(async () => {
  const scope: Scope = { after: (step) => steps.unshift(step) };
  folder = scratch(scope);
  mkdirSync(join(folder, 'node_modules'));
  const place = join(folder, 'node_modules/sockloop');
  cpSync(await stagedPackage(scope), place, { recursive: true });
  for (const name of ['koffi', '@koromix']) {
    symlinkSync(`${root}node_modules/${name}`, join(folder, 'node_modules', name));
  }
});

after(async () => {
  for (const step of steps) await step();
});

/** What is loaded with the module `path` of the package: its files, and what is not its own. */
function loadedWith(path: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  if (!path.startsWith('dist/')) return seen;
  const text = readFileSync(join(folder, 'node_modules/sockloop', path), 'utf8');
  for (const [, name = ''] of text.matchAll(/^(?:import|export)\b[^'"\n]*["']([^"']+)["'];?$/gm)) {
    loadedWith(name.startsWith('.') ? posix.join(posix.dirname(path), name) : name, seen);
  }
  assert.doesNotMatch(text, /\bimport\(/, `${path} loads more later: is that known here?`);
  return seen;
}

test('import: three files, koffi, and few modules of Node', { timeout }, (t) => {
  leakCheck(t);
  const loaded = [...loadedWith('dist/src/index.js')].sort();
  const files = ['dist/src/index.js', 'dist/src/joined/loops.js', 'dist/src/joined/sys.js'];
  assert.deepEqual(
    [...loaded].filter((name) => name.startsWith('dist/')),
    files,
  );
  const modules = loaded.filter((name) => !name.startsWith('dist/'));
  assert.deepEqual(
    modules.filter((name) => !CHEAP.includes(name)),
    [],
  );
  // A program that wants the calls alone loads no loop, and one that wants loops no node:net.
  const calls = [...loadedWith('dist/src/sys/index.js')].filter((path) => path.startsWith('dist/'));
  assert.deepEqual(calls, ['dist/src/sys/index.js', 'dist/src/joined/sys.js']);
});

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

test('import: takes little time', { timeout }, async (t) => {
  leakCheck(t);
  const script = (imports: string) =>
    `${imports}; const { user, system } = process.cpuUsage(); console.log(user + system);`;
  const cases = ['', "await import('koffi')", "await import('sockloop')"].map(script);
  const times: number[][] = cases.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, code] of cases.entries()) {
      const words = [process.execPath, '--input-type=module', '-e', code];
      const { status, out, err } = await run(t, words, '', { cwd: folder });
      assert.equal(status, 0, err);
      times[index]?.push(Number(out) / 1000);
    }
  }
  const [bare = 0, ffi = 0, library = 0] = times.map(median);
  const words = `${(library - bare).toFixed(1)} ms, ${(ffi - bare).toFixed(1)} ms of it for koffi`;
  t.diagnostic(`CPU time beyond bare Node: ${words}`);
  assert.ok(library - bare < IMPORT_MS_MAX, words);
  // What was timed did import something.
  assert.ok(library > bare);
});

const PROGRAM = `import { EventLoop } from 'sockloop';
using loop = new EventLoop();
const server = loop.listen({
  host: '127.0.0.1',
  port: 0,
  handlers: { data: (client, chunk) => void client.write(chunk) },
});
loop.connect({
  host: '127.0.0.1',
  port: server.address.port,
  handlers: {
    open: (connection) => connection.end('hello'),
    data: (_, chunk) => console.log(new TextDecoder().decode(chunk)),
    close: () => server.close(),
  },
});
await loop.run();
`;

test('bundlers: a program is one file beside koffi', { timeout }, async (t) => {
  leakCheck(t);
  writeFileSync(join(folder, 'program.mjs'), PROGRAM);
  const target = ['--platform=node', '--transform.target=node20', '--format=esm'];
  const rolldown = [join(root, 'node_modules/.bin/rolldown'), 'program.mjs', ...target];
  const bundle = [...rolldown, '--external=koffi', '--file=bundled.mjs'];
  const bundled = await run(t, bundle, '', { cwd: folder });
  assert.equal(bundled.status, 0, bundled.out + bundled.err);
  const text = readFileSync(join(folder, 'bundled.mjs'), 'utf8');
  assert.match(text, /from "koffi"/);
  assert.doesNotMatch(text, /from "sockloop"/);
  const { status, out, err } = await run(t, [process.execPath, 'bundled.mjs'], '', { cwd: folder });
  assert.deepEqual([status, out], [0, 'hello\n'], err);
});
