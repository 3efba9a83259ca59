/** The rule about tests: none is left out in silence. */

import { names, type Rule } from './project.ts';
import type { Token } from './scan.ts';

/** The tokens of the value after `skip:`, up to the comma or brace that ends it. */
function valueAfter(code: readonly Token[], start: number): Token[] {
  const value: Token[] = [];
  let depth = 0;
  for (const token of code.slice(start)) {
    if (token.kind === 'punctuation') {
      if ([',', '}', ';'].includes(token.text) && depth === 0) break;
      if (['(', '[', '{', '${'].includes(token.text)) depth += 1;
      if ([')', ']', '}'].includes(token.text)) depth -= 1;
    }
    value.push(token);
  }
  return value;
}

function givesReason(value: readonly Token[]): boolean {
  const texts = value.filter(({ kind }) => kind === 'string' || kind === 'template');
  if (texts.length > 0) return texts.some(({ text }) => text.trim() !== '');
  // A variable or a call may hold a reason. An expression of operators is a bare true or false.
  const operators = ['!', '===', '!==', '==', '!=', '<', '>', '<=', '>=', '&&', '||', 'true'];
  return !value.some(({ text }) => operators.includes(text));
}

export const skips: Rule = {
  name: 'a skipped test says why',
  *check(project) {
    for (const { file, index, token, before, after, afterNext } of names(project, (path) =>
      path.startsWith('test/'),
    )) {
      const at = { path: file.path, line: token.line };
      const isCall = before === '.' && after === '(';
      const isOption = after === ':' && afterNext !== 'false' && before !== '?';
      if (token.text === 'only' && (isCall || (isOption && afterNext === 'true'))) {
        yield { ...at, message: 'runs one test only; take `only` out before it goes in' };
      }
      if (token.text === 'todo' && (isCall || isOption)) {
        yield { ...at, message: 'announces a test; write it, or leave it out' };
      }
      if (token.text !== 'skip') continue;
      const value = isOption ? valueAfter(file.code, index + 2) : [];
      const bareOption = isOption && !givesReason(value);
      const bareCall = isCall && afterNext === ')';
      const titleOnly =
        isCall && /^(test|it|describe|suite)$/.test(file.code[index - 2]?.text ?? '');
      if (!bareOption && !bareCall && !titleOnly) continue;
      yield { ...at, message: "skips without a reason; write skip: 'why, in words'" };
    }
  },
  bad: [
    { 'test/a.ts': "test('a', { skip: true }, f);" },
    { 'test/a.ts': "test('a', { timeout: 1, skip: !hasRing }, f);" },
    { 'test/a.ts': "test('a', { skip: '' }, f);" },
    { 'test/a.ts': "test('a', (t) => { t.skip(); });" },
    { 'test/a.ts': "test.skip('a', f);" },
    { 'test/a.ts': "describe.only('a', f);" },
    { 'test/a.ts': "test('a', { only: true }, f);" },
    { 'test/a.ts': "test.todo('a');" },
  ],
  good: [
    { 'test/a.ts': "test('a', { skip: hasRing ? false : 'the kernel has no io_uring' }, f);" },
    { 'test/a.ts': "test('a', { skip: reasonWithout('strace') }, f); t.skip('no strace');" },
    { 'test/a.ts': "const only = 'it.only'; test('a', { skip: false }, f);" },
  ],
};
