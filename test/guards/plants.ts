/** A small tree in which each file breaks one rule of guards/. */

/** A finding that a tool must report: the rule, and the file that breaks it. */
export interface Plant {
  readonly tool: 'cruise' | 'knip' | 'biome' | 'typedoc' | 'own';
  readonly rule: string;
  readonly path: string;
  readonly text: string;
}

const target = 'export const a = 1;\nexport interface A {}\n';

/** The imports of the plants, which break no rule. */
export const TARGETS: Readonly<Record<string, string>> = {
  'src/loop/target.ts': target,
  'src/ring/memory.ts': target,
  'src/sys/native.ts': "import koffi from 'koffi';\nexport const call = koffi;\n",
  'src/sys/abi/abi.ts': target,
  'tools/cli/target.ts': target,
  'tools/cli/main.ts': "import './target.ts';\nimport './unused.ts';\nimport './type.ts';\n",
  'src/loop/elcric.ts': "export * from './circle.ts';\n",
  'test/target.ts': target,
  'dist/src/index.js': 'export const a = 1;\n',
  'src/socket/index.ts': "export * from '../loop/target.ts';\n",
  'src/poller/index.ts': "export * from '../loop/target.ts';\n",
  'src/sys/index.ts': "export * from './native.ts';\n",
};

/** Files that come close to a rule and break none. */
export const PERMITTED: Readonly<Record<string, string>> = {
  'sim/permitted.ts':
    "import { a } from '#src/sys/abi/abi.js';\nimport type { A } from '#src/loop/target.js';\n" +
    'export const b: A = { a };\n',
  'src/ring/permitted.ts': "import { a } from './memory.ts';\nexport const utility = a;\n",
  'src/loop/permitted.ts':
    "// A Promise would wait.\nexport const text = 'await setTimeout';\n" +
    'export class Timers {\n  setTimeout(ms: number): number {\n    return ms;\n  }\n}\n',
  'src/poller/pollers.ts': "export const first = 'freebsd';\n",
  'test/permitted.test.ts':
    "import { test } from 'node:test';\nconst ring = Math.random() > 1;\n" +
    "test('a', { skip: ring ? false : 'the kernel has no io_uring' }, () => undefined);\n" +
    "test('b', (t) => t.skip('no strace'));\n",
};

const plant = (tool: Plant['tool'], rule: string, path: string, text: string): Plant => {
  return { tool, rule, path, text };
};

const lines = (count: number): string => 'f();\n'.repeat(count);

export const PLANTS: readonly Plant[] = [
  plant('cruise', 'layers', 'src/poller/layer.ts', "import type { A } from '../ring/memory.ts';\n"),
  plant('cruise', 'layers', 'src/ring/layer.ts', "export * from '../loop/target.ts';\n"),
  plant('cruise', 'layers', 'tools/load/layer.ts', "await import('../cli/target.ts');\n"),
  plant('cruise', 'layers', 'src/net/layer.ts', "import { a } from '#tools/cli/target.js';\n"),
  plant('cruise', 'rooms', 'src/elsewhere/file.ts', "import '../loop/target.ts';\n"),
  plant('cruise', 'public-names', 'src/index.ts', "export * from '../tools/cli/target.ts';\n"),
  plant(
    'cruise',
    'examples-use-public-names',
    'examples/deep.ts',
    "import '#src/loop/target.js';\n",
  ),
  plant('cruise', 'tests-stay-outside', 'bench/test.ts', "import '../test/target.ts';\n"),
  plant('cruise', 'simulator', 'sim/runs.ts', "import { type A, a } from '#src/loop/target.js';\n"),
  plant('cruise', 'simulator-alone', 'sim/tool.ts', "import '#tools/cli/target.js';\n"),
  plant('cruise', 'ffi', 'src/loop/ffi.ts', "import koffi from 'koffi';\n"),
  plant('cruise', 'ffi', 'test/ffi.ts', "await import('koffi');\n"),
  plant(
    'cruise',
    'ring-memory',
    'src/loop/ring-memory.ts',
    "import type { A } from '../ring/memory.ts';\n",
  ),
  plant('cruise', 'library-dependencies', 'src/net/package.ts', "import 'commander';\n"),
  plant('cruise', 'shipped-dependencies', 'tools/cli/package.ts', "import 'fast-check';\n"),
  plant('cruise', 'machine', 'src/net/machine.ts', "import { arch } from 'node:os';\n"),
  plant('cruise', 'sources', 'test/built.ts', "import '../dist/src/index.js';\n"),
  plant('cruise', 'unresolved', 'test/nowhere.ts', "import './not-there.ts';\n"),
  plant('cruise', 'circles', 'src/loop/circle.ts', "export * from './elcric.ts';\n"),
  plant('cruise', 'orphans', 'src/base/orphan.ts', 'export {};\n'),
  plant('cruise', 'dead-files', 'src/loop/dead.ts', "import './target.ts';\n"),
  plant('cruise', 'file-names', 'src/base/heap-helper.ts', "import '../loop/target.ts';\n"),

  plant('knip', 'Unused files', 'src/base/unused.ts', 'export {};\n'),
  plant('knip', 'Unused exports', 'tools/cli/unused.ts', 'export const unused = 1;\n'),
  plant('knip', 'Unused exported types', 'tools/cli/type.ts', 'export type Unused = 1;\n'),
  plant('knip', 'Unlisted dependencies', 'test/unlisted.test.ts', "import 'left-pad';\n"),
  plant('knip', 'Unused devDependencies', 'package.json', ''),

  plant('biome', 'words', 'src/base/manager.ts', 'export class TimerManager {}\n'),
  plant('biome', 'words', 'test/stuff.ts', 'export class A {\n  #stuff = 1;\n}\n'),
  plant('biome', 'replay', 'src/loop/await.ts', 'export async function a() {}\n'),
  plant('biome', 'replay', 'src/base/chance.ts', 'export const a = Math.random();\n'),
  plant('biome', 'replay', 'src/sys/date.ts', 'export const a = Date.now();\n'),
  plant('biome', 'replay', 'src/ring/promise.ts', 'export type A = Promise<void>;\n'),
  plant('biome', 'replay', 'src/poller/timer.ts', 'globalThis.setTimeout(f, 1);\n'),
  plant('biome', 'clock', 'tools/load/clock.ts', 'export const a = performance.now();\n'),
  plant('biome', 'clock', 'src/net/clock.ts', 'export const a = process.hrtime.bigint();\n'),
  plant('biome', 'platforms', 'src/loop/platform.ts', "export const a = b === 'darwin';\n"),
  plant('biome', 'platforms', 'src/net/platform.ts', "export const a = { 'linux-x64': 1 };\n"),
  plant('biome', 'platforms', 'tools/load/platform.ts', 'export const a = process.platform;\n'),
  plant('biome', 'exit', 'src/net/exit.ts', 'process.exit(1);\n'),
  plant('biome', 'skips', 'test/skip.ts', "test('a', { skip: !ring }, f);\n"),
  plant('biome', 'skips', 'test/skip-true.ts', "test('a', { skip: true, timeout: 1 }, f);\n"),
  plant('biome', 'skips', 'test/skip-call.ts', "test.skip('a', f);\n"),
  plant('biome', 'skips', 'test/skip-inside.ts', "test('a', (t) => t.skip());\n"),
  plant('biome', 'skips', 'test/todo.ts', "test.todo('a');\n"),
  plant('biome', 'public-index', 'src/index.ts', ''),
  plant('biome', 'noExcessiveLinesPerFile', 'src/net/long.ts', lines(401)),
  plant('biome', 'noExcessiveLinesPerFunction', 'sim/long.ts', `function f() {\n${lines(61)}}\n`),
  plant('biome', 'useFilenamingConvention', 'src/base/timerHeap.ts', 'f();\n'),
  plant('biome', 'noExplicitAny', 'src/base/any.ts', 'export const a: any = 1;\n'),
  plant('biome', 'noConsole', 'tools/cli/console.ts', "console.log('a');\n"),
  plant('biome', 'noEnum', 'src/base/enum.ts', 'export enum Colour {\n  Red,\n}\n'),
  plant('biome', 'noNamespace', 'src/base/namespace.ts', 'namespace A {\n  f();\n}\n'),
  plant('biome', 'noFocusedTests', 'test/focused.ts', "describe.only('a', f);\n"),

  plant('typedoc', 'does not have any documentation', 'src/index.ts', ''),
  plant('typedoc', 'not included in the documentation', 'src/index.ts', ''),

  plant('own', 'white-space', 'docs/space.md', 'word \nword\n'),
  plant('own', 'columns', 'src/base/wide.ts', `// ${'a'.repeat(100)}\n`),
  plant('own', 'ascii', 'src/base/micro.ts', "export const a = '\u{b5}s';\n"),
  plant('own', 'later', 'src/base/later.ts', `// ${'TODO'}: this is wrong\n`),
  plant('own', 'paths', 'guards/dependency-cruiser.cjs', ''),
  plant('own', 'paths', 'biome.json', ''),
  plant('own', 'paths', 'guards/knip.json', ''),
  plant('own', 'tags', 'src/index.ts', ''),
  plant('own', 'examples', 'src/index.ts', ''),
];

/** The file that breaks most rules: the public one. */
export const INDEX = `export * from '../tools/cli/target.ts';
export function silent(length: number): number {
  return length;
}
interface Inner {
  a: number;
}
/** Has words, and neither tags nor an example. */
export class Shown {
  /** Has words. */
  inner(inner: Inner): Inner {
    return inner;
  }
}
`;
