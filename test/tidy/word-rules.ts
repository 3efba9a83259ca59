/** The rules about words: what may not be said in code, and where it may. */

import { layerOf } from './import-rules.ts';
import { type Around, names, type Rule, type Violation } from './project.ts';
import { isMember } from './scan.ts';

/** The layers whose every step must be replayable from a seed. */
const REPLAYED_LAYERS = new Set(['base', 'sys', 'socket', 'poller', 'ring', 'loop']);

/** Files of those layers that may meet Node's own clock and promises, each with its reason. */
const MEETS_NODE = new Map([
  ['src/loop/loop.ts', 'run() lets promise jobs and Node have their turns; a turn() does neither'],
  ['src/loop/hosted.ts', "its purpose is to take turns inside Node's own loop"],
]);

const MAY_NAME_PLATFORMS = /^src\/(sys\/|cli\/|poller\/pollers\.ts$|loop\/backends\.ts$)/;
const PLATFORM = /^(linux|darwin|freebsd)(-|$)/;

/** Words that say nothing, each with what to say instead. */
const BANNED_WORDS: ReadonlyMap<string, string> = new Map([
  ['utils', 'name it after what it does, or move it beside its only caller'],
  ['util', 'name it after what it does, or move it beside its only caller'],
  ['helpers', 'name it after what it does, or after its caller'],
  ['helper', 'name it after what it does, or after its caller'],
  ['manager', 'say what it owns or does: a pool, a table, a registry, a loop'],
  ['misc', 'split it by idea, one file each'],
  ['stuff', 'say what it is'],
]);

/** A rule that refuses the names for which `refuse` has something to say. */
function nameRule(
  name: string,
  covers: (path: string) => boolean,
  refuse: (around: Around) => string | undefined,
  samples: Pick<Rule, 'bad' | 'good'>,
): Rule {
  return {
    name,
    *check(project): Iterable<Violation> {
      for (const around of names(project, covers)) {
        const message = refuse(around);
        if (message === undefined) continue;
        yield { path: around.file.path, line: around.token.line, message };
      }
    },
    ...samples,
  };
}

const inSources = (path: string): boolean => path.startsWith('src/');
const everywhere = (): boolean => true;

const platforms: Rule = {
  name: 'platforms are named in sys/ and the two tables',
  *check(project) {
    const instead = 'ask the tables or `sys.abi` instead, or move the difference below src/sys/';
    for (const file of project.sources.values()) {
      if (!inSources(file.path) || MAY_NAME_PLATFORMS.test(file.path)) continue;
      for (const [index, { kind, text, line }] of file.code.entries()) {
        if (kind === 'string' && PLATFORM.test(text)) {
          yield { path: file.path, line, message: `names '${text}'; ${instead}` };
        }
        const word = file.code[index + 2]?.text;
        if (text !== 'process' || (word !== 'platform' && word !== 'arch')) continue;
        yield { path: file.path, line, message: `reads process.${word}; ${instead}` };
      }
      for (const { specifier, line } of file.imports) {
        if (specifier !== 'node:os') continue;
        yield { path: file.path, line, message: `imports node:os; ${instead}` };
      }
    }
  },
  bad: [
    { 'src/loop/a.ts': "if (name === 'darwin') stop();" },
    { 'src/tcp/a.ts': "const table = { 'linux-x64': 1 };" },
    { 'src/poller/a.ts': 'choose(process.platform);' },
    { 'src/base/a.ts': "import { arch } from 'node:os';" },
  ],
  good: [
    { 'src/sys/a.ts': "if (process.platform === 'linux') start();" },
    { 'src/poller/pollers.ts': "const first = 'freebsd';" },
    { 'src/loop/a.ts': "// On 'linux' only.\nconst words = 'linux is a kernel';" },
    { 'test/a.ts': "skip(process.platform !== 'linux');" },
  ],
};

const NOT_REPLAYABLE =
  'Date setTimeout setInterval setImmediate queueMicrotask Promise async await'.split(' ');

const replay = nameRule(
  'what is below tcp can be replayed',
  (path) => REPLAYED_LAYERS.has(layerOf(path) ?? '') && !MEETS_NODE.has(path),
  ({ file, index, token, after, afterNext }) => {
    const isRandom = token.text === 'Math' && after === '.' && afterNext === 'random';
    if (!isRandom && !NOT_REPLAYABLE.includes(token.text)) return undefined;
    if (isMember(file.code, index)) return undefined;
    return (
      `uses ${isRandom ? 'Math.random' : token.text}; take time, chance and turns from the loop ` +
      'and the seed, or name the file in MEETS_NODE with its reason'
    );
  },
  {
    bad: [
      { 'src/loop/a.ts': 'const now = Date.now();' },
      { 'src/base/a.ts': 'const chance = Math.random();' },
      { 'src/sys/a.ts': 'export async function a() {}' },
      { 'src/ring/a.ts': 'function a(): Promise<void> {}' },
      { 'src/socket/a.ts': 'globalThis.setTimeout(f, 1);' },
      { 'src/poller/a.ts': `const a = \`\${queueMicrotask(f)}\`;` },
    ],
    good: [
      { 'src/loop/a.ts': "// A Promise would wait.\nconst text = 'await setTimeout';" },
      { 'src/loop/a.ts': `const a = /Date/; const b = \`Promise \${Math.floor(1)} async\`;` },
      { 'src/tcp/a.ts': 'await new Promise(setImmediate);' },
      { 'src/socket/a.ts': 'class A { setTimeout(ms: number) { this.b.setTimeout(ms); } }' },
      { 'src/loop/hosted.ts': 'setImmediate(turn);' },
    ],
  },
);

const clock = nameRule(
  'the clock is read in sys/',
  (path) => inSources(path) && !path.startsWith('src/sys/'),
  ({ token, after, afterNext }) => {
    const reads = token.text === 'performance' && after === '.' && afterNext === 'now';
    if (!reads && token.text !== 'hrtime') return undefined;
    return 'reads a clock of its own; ask the Sys for the time, so that a simulated one can answer';
  },
  {
    bad: [
      { 'src/load/a.ts': 'const start = performance.now();' },
      { 'src/tcp/a.ts': 'const start = process.hrtime.bigint();' },
    ],
    good: [
      { 'src/sys/a.ts': 'process.hrtime.bigint();' },
      { 'bench/a.ts': 'performance.now();' },
      { 'src/load/a.ts': "const word = 'hrtime';" },
    ],
  },
);

const noAny = nameRule(
  'no any',
  (path) => path !== 'src/sys/native.ts',
  ({ token, before, after }) => {
    if (token.text !== 'any' || before === '.' || after === '(' || after === ':') return undefined;
    return 'says any; say what it is, or `unknown` and look before use';
  },
  {
    bad: [{ 'src/base/a.ts': 'const a: any = 1;' }, { 'test/a.ts': 'f(a as Map<string, any>);' }],
    good: [
      { 'src/sys/native.ts': 'const a: any = 1;' },
      { 'src/tcp/a.ts': '// any\nAbortSignal.any([a]);\nconst a: unknown = "any";' },
    ],
  },
);

const MODIFIERS = ['public', 'private', 'protected', 'readonly', 'override'];

const erasable: Rule = {
  name: 'types can be erased',
  *check(project) {
    for (const { file, index, token, after, afterNext } of names(project, everywhere)) {
      const at = { path: file.path, line: token.line };
      if (token.text === 'enum' && after !== ':' && afterNext === '{') {
        yield { ...at, message: 'declares an enum; write an object `as const` and its type' };
      }
      if (token.text === 'namespace' && (afterNext === '{' || afterNext === '.')) {
        yield { ...at, message: 'declares a namespace; write a module' };
      }
      if (!MODIFIERS.includes(token.text)) continue;
      let first = index;
      while (MODIFIERS.includes(file.code[first - 1]?.text ?? '')) first -= 1;
      if (!['(', ','].includes(file.code[first - 1]?.text ?? '')) continue;
      if (!/^[\w$]+$/.test(after) || ![':', ',', ')', '=', '?'].includes(afterNext)) continue;
      yield { ...at, message: 'declares a field as a parameter; declare it, then assign it' };
    }
  },
  bad: [
    { 'src/base/a.ts': 'export enum Colour { Red }' },
    { 'src/base/a.ts': 'namespace A { const b = 1; }' },
    { 'src/base/a.ts': 'class A { constructor(private readonly b: number) {} }' },
    { 'src/base/a.ts': 'class A { constructor(c: B, readonly b: number) {} }' },
  ],
  good: [
    { 'src/base/a.ts': 'interface A { readonly a: number; enum: string }' },
    { 'src/base/a.ts': 'class A extends B { override readonly c = 1; private readonly d: E; }' },
    { 'src/base/a.ts': 'function f(list: readonly string[], b: Map<A, readonly B[]>) {}' },
  ],
};

const unfinished: Rule = {
  name: 'nothing is left for later',
  *check(project) {
    for (const { path, tokens } of project.sources.values()) {
      for (const { kind, text, line } of tokens) {
        if (kind !== 'comment') continue;
        for (const [offset, words] of text.split('\n').entries()) {
          if (!/\b(FIXME|TODO)\b/.test(words) || /\bTODO ?\(?#\d+/.test(words)) continue;
          const message = 'leaves something undone; do it now, or write TODO with an issue: #12';
          yield { path, line: line + offset, message };
        }
      }
    }
  },
  bad: [
    { 'src/base/a.ts': '// FIXME: this is wrong (#12)' },
    { 'test/a.ts': '/*\n * TODO later\n */' },
  ],
  good: [{ 'src/base/a.ts': '// TODO(#12): this can go\n// TODO #3\nconst a = "TODO";' }],
};

const noConsole = nameRule(
  'no console in src',
  inSources,
  ({ token, before, after }) => {
    if (token.text !== 'console' || after !== '.' || before === '.') return undefined;
    return 'writes to the console; return the words, and let src/cli write them to a stream';
  },
  {
    bad: [{ 'src/cli/a.ts': "console.log('a');" }],
    good: [{ 'src/cli/a.ts': "// console.log\nf('console.log');", 'bench/a.ts': 'console.log();' }],
  },
);

const noExit = nameRule(
  'only src/cli ends the process',
  (path) => !/^(src|tools)\/cli\//.test(path),
  ({ token, after, afterNext }) => {
    if (token.text !== 'process' || after !== '.' || afterNext !== 'exit') return undefined;
    return 'calls process.exit, which hangs on a blocked thread; throw, or set process.exitCode';
  },
  {
    bad: [{ 'src/tcp/a.ts': 'process.exit(1);' }],
    good: [{ 'src/cli/a.ts': 'process.exit(1);', 'test/a.ts': 'process.exitCode = 1;' }],
  },
);

/** The words of a name, be it in camel case, in kebab case or in capitals. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .split(/[^A-Za-z\d]+/)
    .map((word) => word.toLowerCase());
}

const bannedNames: Rule = {
  name: 'names say something',
  *check(project) {
    for (const { path } of project.texts) {
      const word = wordsOf(path).find((part) => BANNED_WORDS.has(part));
      if (word === undefined) continue;
      yield { path, line: 1, message: `is called ${word}; ${BANNED_WORDS.get(word)}` };
    }
    for (const { file, token, before } of names(project, everywhere)) {
      if (before === '.') continue;
      const word = wordsOf(token.text).find((part) => BANNED_WORDS.has(part));
      if (word === undefined) continue;
      // Node's own module has the name, and whoever imports it may say it.
      const importsIt = file.imports.some(({ specifier }) => specifier === 'node:util');
      if (token.text === 'util' && importsIt) continue;
      const message = `has the name ${token.text}; ${BANNED_WORDS.get(word)}`;
      yield { path: file.path, line: token.line, message };
    }
  },
  bad: [
    { 'src/base/utils.ts': '' },
    { 'test/socket-helper.ts': '' },
    { 'src/base/a.ts': 'class ConnectionManager {}' },
    { 'src/base/a.ts': 'const MISC_FLAGS = 1;' },
    { 'src/base/a.ts': 'class A { #stuff = 1; }' },
  ],
  good: [
    { 'src/cli/a.ts': "import * as util from 'node:util';\nutil.inspect(1);" },
    { 'src/base/a.ts': "const utility = 'helper'; // misc\na.manager = 1;" },
  ],
};

export const wordRules: readonly Rule[] = [
  platforms,
  replay,
  clock,
  noAny,
  erasable,
  unfinished,
  noConsole,
  noExit,
  bannedNames,
];
