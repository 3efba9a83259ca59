/** The rules about size and characters. */

import type { Project, Rule, Violation } from './project.ts';
import { functionBodies } from './scan.ts';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const LINE_COLUMNS_MAX = 100;

/** Files that need characters beyond ASCII, each with its reason. */
const BEYOND_ASCII = new Map<string, string>();

const fileLength: Rule = {
  name: 'a file holds one idea',
  *check(project) {
    for (const { path, text } of project.sources.values()) {
      // The tables of constants and layouts are data: nobody reads them from top to bottom.
      if (path.startsWith('src/sys/abi/')) continue;
      const count = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
      if (count <= FILE_LINES_MAX) continue;
      const message = `has ${count} lines of at most ${FILE_LINES_MAX}; split it by idea`;
      yield { path, line: FILE_LINES_MAX + 1, message };
    }
  },
  bad: [{ 'src/base/a.ts': 'f();\n'.repeat(FILE_LINES_MAX + 1) }],
  good: [
    { 'src/base/a.ts': 'f();\n'.repeat(FILE_LINES_MAX) },
    { 'src/sys/abi/a.ts': '\n'.repeat(1000), 'docs/a.md': '\n'.repeat(1000) },
  ],
};

const longBody = `{${'\n'.repeat(FUNCTION_LINES_MAX)}}`;
const fittingBody = `{${'\n'.repeat(FUNCTION_LINES_MAX - 1)}}`;

const functionLength: Rule = {
  name: 'a function fits a screen',
  *check(project) {
    for (const { path, code } of project.sources.values()) {
      for (const { name, line, lineCount, isSuite } of functionBodies(code)) {
        if (isSuite || lineCount <= FUNCTION_LINES_MAX) continue;
        const message =
          `${name} has ${lineCount} lines of at most ${FUNCTION_LINES_MAX}, brace to brace; ` +
          'give its steps functions of their own';
        yield { path, line, message };
      }
    }
  },
  bad: [
    { 'src/base/a.ts': `function a() ${longBody}` },
    { 'src/base/a.ts': `const a = async (b: B): Promise<C> => ${longBody};` },
    { 'src/base/a.ts': `class A { get b(): { c: D } | E[] ${longBody} }` },
    { 'src/base/a.ts': `class A { static *#b<T>(c: T, d = { e: 1 }): Iterable<T> ${longBody} }` },
    { 'src/base/a.ts': `function a(b: unknown): asserts b is { c: D } ${longBody}` },
    { 'src/base/a.ts': `const a = { [b](): void ${longBody} };` },
    { 'test/a.ts': `test('a', (t) => ${longBody});` },
  ],
  good: [
    { 'src/base/a.ts': `function a() ${fittingBody}` },
    { 'src/base/a.ts': `class A ${longBody}\nconst b = c ? d(e) : ${longBody};` },
    { 'src/base/a.ts': `switch (a) { case b(c): ${longBody} }\nif (d) ${longBody}` },
    { 'test/a.ts': `describe('a', () => ${longBody});\nfunction describePoller() ${longBody}` },
  ],
};

/** Every line of the files that `covers` accepts, with its number. */
function* lines(project: Project, covers: (path: string) => boolean) {
  for (const { path, text } of project.texts) {
    if (!covers(path)) continue;
    for (const [index, words] of text.split('\n').entries()) yield { path, line: index + 1, words };
  }
}

const isTypeScript = (path: string): boolean => path.endsWith('.ts');

const lineLength: Rule = {
  name: 'a line fits the page',
  *check(project): Iterable<Violation> {
    for (const { path, line, words } of lines(project, isTypeScript)) {
      const columns = [...words].length;
      // An address cannot be broken.
      if (columns <= LINE_COLUMNS_MAX || /https?:\/\//.test(words)) continue;
      const message = `has ${columns} columns of at most ${LINE_COLUMNS_MAX}; break it`;
      yield { path, line, message };
    }
  },
  bad: [{ 'src/base/a.ts': `// ${'a'.repeat(LINE_COLUMNS_MAX)}` }],
  good: [
    { 'src/base/a.ts': 'a'.repeat(LINE_COLUMNS_MAX), 'docs/a.md': 'a'.repeat(1000) },
    { 'src/base/a.ts': `// https://example.com/${'a'.repeat(LINE_COLUMNS_MAX)}` },
  ],
};

const characters: Rule = {
  name: 'plain characters',
  *check(project) {
    for (const { path, line, words } of lines(project, () => true)) {
      if (/[ \t\r]$/.test(words)) {
        yield { path, line, message: 'ends in white space; take it away' };
      }
      if (!isTypeScript(path)) continue;
      if (words.includes('\t'))
        yield { path, line, message: 'has a tab; use spaces, or write \\t' };
      const strange = /[^\t\r\x20-\x7e]/u.exec(words)?.[0];
      if (strange === undefined || BEYOND_ASCII.has(path)) continue;
      const code = strange.codePointAt(0)?.toString(16) ?? '';
      const message = `has a character beyond ASCII; write \\u{${code}}, or add to BEYOND_ASCII`;
      yield { path, line, message };
    }
  },
  bad: [
    { 'docs/a.md': 'word \nword' },
    { Makefile: 'a: b\t\n' },
    { 'src/base/a.ts': '\tf();' },
    { 'src/base/a.ts': "const a = '\u{b5}s';" },
  ],
  good: [{ 'docs/a.md': '\u{b5}s\n', Makefile: 'a:\n\tb\n', 'src/base/a.ts': 'f(1);\n' }],
};

export const shapeRules: readonly Rule[] = [fileLength, functionLength, lineLength, characters];
