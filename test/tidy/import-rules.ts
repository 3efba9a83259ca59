/** The rules about who may import what, and about what nothing imports. */

import { resolveSpecifier } from './modules.ts';
import type { Project, Rule, SourceFile, Violation } from './project.ts';

/** The layers of `src/`. A file imports from its own layer and from those with a lower number. */
const LAYERS: ReadonlyMap<string, number> = new Map([
  ['base', 0],
  ['sys', 1],
  ['socket', 2],
  // Two ways of waiting that do not know each other: equal numbers, so neither imports the other.
  ['poller', 3],
  ['ring', 3],
  ['loop', 4],
  ['framing', 2],
  ['net', 5],
  ['echo', 6],
  ['load', 7],
  ['report', 8],
  ['cli', 9],
]);

/** What a simulated kernel may take from the sources as more than types: numbers and arithmetic. */
const SIMULATOR_MAY_RUN = /^src\/(base\/|sys\/(abi\/|abi\.|errno\.|struct\.|sockaddr\.))/;

/** Files that a thread or another process runs by their path, so that no import names them. */
const SPAWNED = ['src/cli/demo.ts'];

/** The layer of a file below `src/`, or undefined for a file that lies in none. */
export function layerOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** Each import of `file` with the file of the project it means, where it means one. */
function* importedFiles(project: Project, file: SourceFile) {
  for (const entry of file.imports) {
    const target = resolveSpecifier(file.path, entry.specifier, project.publicNames);
    if (target !== undefined) yield { entry, target };
  }
}

const layers: Rule = {
  name: 'layers',
  *check(project) {
    for (const file of project.sources.values()) {
      if (!file.path.startsWith('src/') || file.path === 'src/index.ts') continue;
      const layer = layerOf(file.path) ?? '';
      const rank = LAYERS.get(layer);
      if (rank === undefined) {
        const message = 'lies in no layer; move it into one, or name a new one in LAYERS';
        yield { path: file.path, line: 1, message };
        continue;
      }
      for (const { entry, target } of importedFiles(project, file)) {
        // Data, as package.json with its version, has no layer.
        if (target.endsWith('.json')) continue;
        const below = layerOf(target) ?? '';
        if (below === layer || (LAYERS.get(below) ?? Number.POSITIVE_INFINITY) < rank) continue;
        const message =
          `${layer} must not import from ${below === '' ? target : below}; move what both need ` +
          'into a lower layer, or hand it in as an argument';
        yield { path: file.path, line: entry.line, message };
      }
    }
  },
  bad: [
    { 'src/sys/a.ts': "import { b } from '../loop/b.ts';" },
    { 'src/poller/a.ts': "import type { B } from '../ring/b.ts';" },
    { 'src/ring/a.ts': "export * from '../poller/b.ts';" },
    { 'src/net/a.ts': "const b = await import('../cli/b.ts');" },
    { 'src/loop/a.ts': "import { b } from '../index.ts';" },
    { 'src/cli/a.ts': "import { b } from '../../test/b.ts';" },
    { 'src/elsewhere/a.ts': '' },
    { 'src/a.ts': '' },
  ],
  good: [
    { 'src/poller/a.ts': "import { b } from '../socket/b.ts';\nimport { c } from './c.ts';" },
    { 'src/loop/a.ts': "// import { b } from '../cli/b.ts';\nimport { read } from 'node:fs';" },
    { 'src/index.ts': "export { a } from './cli/a.ts';" },
    { 'src/cli/a.ts': "import a from '../../package.json' with { type: 'json' };" },
  ],
};

const publicIndex: Rule = {
  name: 'index re-exports only',
  *check(project) {
    const file = project.sources.get('src/index.ts');
    if (file === undefined) return;
    const statements = file.code.filter((token) => token.text === ';').length;
    const first = [...file.imports, ...file.exports].find(
      (entry) => !('kind' in entry) || entry.kind !== 're-export',
    );
    if (first === undefined && statements === file.imports.length) return;
    const message = "holds more than `export ... from`; move the code into the layer it's of";
    yield { path: file.path, line: first?.line ?? 1, message };
  },
  bad: [
    { 'src/index.ts': 'export const a = 1;' },
    { 'src/index.ts': "import { a } from './base/a.ts';\nexport { a };" },
    { 'src/index.ts': "export * from './base/a.ts';\nstart();" },
  ],
  good: [
    {
      'src/index.ts':
        "export { a, type B } from './base/a.ts';\nexport type { C } from './base/c.ts';",
    },
  ],
};

const simulator: Rule = {
  name: 'the simulator imports interfaces',
  *check(project) {
    for (const file of project.sources.values()) {
      if (!file.path.startsWith('sim/')) continue;
      for (const { entry, target } of importedFiles(project, file)) {
        if (!target.startsWith('src/') || entry.typeOnly) continue;
        if (SIMULATOR_MAY_RUN.test(target)) continue;
        const message = `runs ${target}; import its types only, for it stands in for the real one`;
        yield { path: file.path, line: entry.line, message };
      }
    }
  },
  bad: [
    { 'sim/a.ts': "import { NativeSys } from '#src/sys/native.js';" },
    { 'sim/a.ts': "import { type Sys, NativeSys } from '../src/sys/sys.ts';" },
  ],
  good: [
    { 'sim/a.ts': "import type { Sys } from '#src/sys/sys.js';" },
    { 'sim/a.ts': "import { type Sys, type Abi } from '#src/sys/sys.js';" },
    { 'sim/a.ts': "import { deque } from '#src/base/deque.js';\nimport { b } from './b.ts';" },
  ],
};

const foreignFunctions: Rule = {
  name: 'one door to foreign functions',
  *check(project) {
    for (const file of project.sources.values()) {
      if (file.path === 'src/sys/native.ts') continue;
      for (const entry of file.imports) {
        if (!/^koffi(\/|$)/.test(entry.specifier)) continue;
        const message = 'imports koffi; add the call to the Sys interface and src/sys/native.ts';
        yield { path: file.path, line: entry.line, message };
      }
    }
  },
  bad: [
    { 'src/loop/a.ts': "import koffi from 'koffi';" },
    { 'test/a.ts': "await import('koffi')" },
  ],
  good: [{ 'src/sys/native.ts': "import koffi from 'koffi';", 'src/sys/a.ts': "f('koffi');" }],
};

const ringMemory: Rule = {
  name: 'only ring/ touches ring memory',
  *check(project) {
    for (const file of project.sources.values()) {
      if (file.path.startsWith('src/ring/') || file.path.startsWith('test/')) continue;
      for (const { entry, target } of importedFiles(project, file)) {
        if (target !== 'src/ring/memory.ts') continue;
        const message = 'imports the memory of the ring; ask the ring by its methods instead';
        yield { path: file.path, line: entry.line, message };
      }
    }
  },
  bad: [{ 'src/loop/a.ts': "import { head } from '../ring/memory.ts';" }],
  good: [{ 'src/ring/a.ts': "import { head } from './memory.ts';" }],
};

function entryFiles(project: Project): string[] {
  return [...project.publicNames.values(), ...project.commands, ...SPAWNED];
}

const deadFiles: Rule = {
  name: 'dead file',
  *check(project) {
    const reached = new Set<string>();
    const pending = entryFiles(project);
    for (const path of [...project.publicNames.values(), ...project.commands]) {
      if (project.sources.has(path)) continue;
      const message = `names an output of ${path}, which does not exist; write it or drop the name`;
      yield { path: 'package.json', line: 1, message };
    }
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const file = project.sources.get(path);
      if (file === undefined || reached.has(path)) continue;
      reached.add(path);
      for (const { target } of importedFiles(project, file)) pending.push(target);
    }
    for (const path of project.sources.keys()) {
      if (!path.startsWith('src/') || reached.has(path)) continue;
      const message =
        'no public name and no command reaches it; import it, delete it, or, if it is ' +
        'run by its path, add it to SPAWNED';
      yield { path, line: 1, message };
    }
  },
  bad: [
    { 'src/base/a.ts': '' },
    { 'package.json': '{ "bin": { "a": "./dist/tools/cli/a.js" } }' },
    {
      'package.json': '{ "name": "p", "exports": { ".": "./dist/src/index.js" } }',
      'src/index.ts': "export * from './base/a.ts';",
      'src/base/a.ts': '',
      'src/base/b.ts': "import './a.ts';",
    },
  ],
  good: [
    {
      'package.json': '{ "name": "p", "exports": { ".": { "default": "./dist/src/index.js" } } }',
      'src/index.ts': "export * from './base/a.ts';",
      'src/base/a.ts': "start(new URL('./worker.js', import.meta.url));",
      'src/base/worker.ts': '',
      'src/cli/demo.ts': '',
    },
  ],
};

/** Marks `name` of `path` as used, and what it stands for where the file only passes it on. */
function markUsed(project: Project, path: string, name: string, used: Set<string>): void {
  const key = `${path} ${name}`;
  const file = project.sources.get(path);
  if (file === undefined || used.has(key)) return;
  used.add(key);
  for (const { entry, target } of importedFiles(project, file)) {
    if (entry.kind !== 're-export') continue;
    for (const passed of entry.names) {
      if (passed.name === '*' && passed.as === '*') markUsed(project, target, name, used);
      else if (name === '*' || passed.as === name) markUsed(project, target, passed.name, used);
    }
  }
}

const deadExports: Rule = {
  name: 'dead export',
  *check(project): Iterable<Violation> {
    const used = new Set<string>();
    for (const path of project.publicNames.values()) markUsed(project, path, '*', used);
    for (const file of project.sources.values()) {
      for (const { entry, target } of importedFiles(project, file)) {
        if (entry.kind === 're-export') continue;
        for (const { name } of entry.names) markUsed(project, target, name, used);
      }
    }
    for (const { path, imports, exports } of project.sources.values()) {
      if (!path.startsWith('src/') || used.has(`${path} *`)) continue;
      const passedOn = imports
        .filter((entry) => entry.kind === 're-export')
        .flatMap(({ line, names }) => names.map(({ as }) => ({ name: as, line })));
      for (const { name, line } of [...exports, ...passedOn]) {
        if (name === '*' || used.has(`${path} ${name}`)) continue;
        const message = `nothing imports ${name}; drop its \`export\`, or the whole of it`;
        yield { path, line, message };
      }
    }
  },
  bad: [
    { 'src/base/a.ts': 'export const a = 1;' },
    { 'src/base/a.ts': 'interface A {}\nexport type { A as B };' },
    { 'src/base/a.ts': 'export async function* a() {}', 'test/a.ts': "import './a.js';" },
    {
      'src/base/a.ts': 'export class A {}\nexport class B {}',
      'src/base/b.ts': "export * from './a.ts';",
      'test/a.ts': "import { A } from '#src/base/b.js';",
    },
  ],
  good: [
    { 'src/base/a.ts': 'export const a = 1;', 'test/a.ts': "import { a } from '#src/base/a.js';" },
    { 'src/base/a.ts': 'export const a = 1;', 'test/a.ts': "await import('#src/base/a.js');" },
    {
      'package.json': '{ "name": "p", "exports": { ".": "./dist/src/index.js" } }',
      'src/index.ts': "export * from './base/a.ts';\nexport { c as d } from './base/c.ts';",
      'src/base/a.ts': 'export abstract class A {}',
      'src/base/c.ts': 'export let c;',
    },
  ],
};

export const importRules: readonly Rule[] = [
  layers,
  publicIndex,
  simulator,
  foreignFunctions,
  ringMemory,
  deadFiles,
  deadExports,
];
