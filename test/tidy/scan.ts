/**
 * A scanner for TypeScript that knows just enough for the house rules: it tells names, strings,
 * comments, templates and regular expressions apart, pairs brackets and finds function bodies.
 *
 * TypeScript 7 has no programming interface, and a rule on tokens is short enough to read. Where
 * the grammar needs a parser (is `/` a division?) the scanner goes by the token before.
 */

export type TokenKind =
  | 'name'
  | 'number'
  | 'string'
  | 'template'
  | 'regexp'
  | 'punctuation'
  | 'comment';

/** One token. The text of a string or template chunk is without its quotes. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly line: number;
}

/** A function with a body in braces. */
export interface FunctionBody {
  readonly name: string;
  readonly line: number;
  readonly lineCount: number;
  /** True for the functions that only hold tests together: they are not read as one thing. */
  readonly isSuite: boolean;
}

const SPACE = /\s+/y;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|#![^\n]*/y;
const STRING = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y;
const TEMPLATE_CHUNK = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;
const REGEXP = /\/(?![/*])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const NAME = /[#@]?[\p{ID_Start}_$][\p{ID_Continue}$]*/uy;
const NUMBER = /\d[\w.]*/y;
const PUNCTUATION = /=>|\.\.\.|\?\.|[=!]==?|&&|\|\||\?\?|[<>]=|[\s\S]/y;

const WORDS_BEFORE_REGEXP = new Set(
  'return typeof case in of delete void throw new do else instanceof yield await'.split(' '),
);

/** All tokens of `text`, comments included. */
export function scan(text: string): Token[] {
  const tokens: Token[] = [];
  // For each template that is open, the depth of braces at which its `${` began.
  const templates: number[] = [];
  let depth = 0;
  let line = 1;
  let at = 0;
  let before: Token | undefined;

  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0] ?? '';
  };
  const push = (kind: TokenKind, raw: string, inner = raw): void => {
    const token = { kind, text: inner, line };
    tokens.push(token);
    if (kind !== 'comment') before = token;
  };
  const advance = (raw: string): void => {
    for (const char of raw) if (char === '\n') line += 1;
    at += raw.length;
  };
  const templateChunk = (opening: string): void => {
    advance(opening);
    const raw = take(TEMPLATE_CHUNK);
    const opensCode = raw.endsWith('${');
    push('template', raw, raw.slice(0, opensCode ? -2 : -1));
    advance(raw);
    if (!opensCode) return;
    push('punctuation', '${');
    templates.push(depth);
    depth += 1;
  };

  while (at < text.length) {
    const space = take(SPACE);
    if (space !== '') {
      advance(space);
      continue;
    }
    const char = text.charAt(at);
    if (char === '}' && depth - 1 === templates.at(-1)) {
      templates.pop();
      depth -= 1;
      push('punctuation', '}');
      templateChunk('}');
      continue;
    }
    if (char === '`') {
      templateChunk('`');
      continue;
    }
    const [kind, raw] = plainToken(take, before);
    push(kind, raw, kind === 'string' ? raw.slice(1, -1) : raw);
    if (raw === '{') depth += 1;
    if (raw === '}') depth -= 1;
    advance(raw);
  }
  return tokens;
}

function plainToken(
  take: (pattern: RegExp) => string,
  before: Token | undefined,
): [kind: TokenKind, raw: string] {
  const candidates: [TokenKind, RegExp][] = [
    ['comment', COMMENT],
    ['string', STRING],
    ['name', NAME],
    ['number', NUMBER],
  ];
  if (mayBeginRegExp(before)) candidates.splice(1, 0, ['regexp', REGEXP]);
  for (const [kind, pattern] of candidates) {
    const raw = take(pattern);
    if (raw !== '') return [kind, raw];
  }
  return ['punctuation', take(PUNCTUATION)];
}

function mayBeginRegExp(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === 'punctuation') return ![')', ']', '}'].includes(before.text);
  return before.kind === 'name' && WORDS_BEFORE_REGEXP.has(before.text);
}

/** For the index of every opening bracket in `code`, the index of the closing one. */
export function pairBrackets(code: readonly Token[]): Map<number, number> {
  const pairs = new Map<number, number>();
  const open: number[] = [];
  for (const [index, token] of code.entries()) {
    if (token.kind !== 'punctuation') continue;
    if (['(', '[', '{', '${'].includes(token.text)) open.push(index);
    if (![')', ']', '}'].includes(token.text)) continue;
    const opener = open.pop();
    if (opener !== undefined) pairs.set(opener, index);
  }
  return pairs;
}

const WORDS_BEFORE_BLOCK = new Set('if for while switch catch with await'.split(' '));
const SUITE = /^(describe|suite)/;

/**
 * Every function of `code` (comments taken out) that has a body in braces. Its lines are counted
 * from the line of the opening brace to the line of the closing one, both included, with comments
 * and blank lines: what has to fit a screen is what is seen.
 */
export function functionBodies(code: readonly Token[]): FunctionBody[] {
  const pairs = pairBrackets(code);
  const bodies: FunctionBody[] = [];
  const add = (open: number, name: string, isSuite: boolean): void => {
    const close = pairs.get(open);
    const first = code[open];
    const last = close === undefined ? undefined : code[close];
    if (first === undefined || last === undefined) return;
    bodies.push({ name, line: first.line, lineCount: last.line - first.line + 1, isSuite });
  };

  for (const [index, token] of code.entries()) {
    if (token.kind !== 'punctuation') continue;
    if (token.text === '=>' && code[index + 1]?.text === '{') {
      add(index + 1, 'arrow function', SUITE.test(calleeAround(code, pairs, index)));
    }
    if (token.text !== '(') continue;
    const name = code[index - 1];
    const close = pairs.get(index);
    if (close === undefined || name === undefined || !mayNameFunction(name)) continue;
    const body = bodyAfter(code, pairs, close + 1);
    if (body === undefined) continue;
    const isSuite = SUITE.test(name.text) || SUITE.test(calleeAround(code, pairs, index));
    add(body, name.kind === 'name' && name.text !== 'function' ? name.text : 'function', isSuite);
  }
  return bodies;
}

function mayNameFunction(token: Token): boolean {
  if (token.kind === 'name') return !WORDS_BEFORE_BLOCK.has(token.text);
  return token.kind === 'string' || token.text === ']' || token.text === '>';
}

/** The name of the call whose argument the token at `index` is, or the empty string. */
function calleeAround(
  code: readonly Token[],
  pairs: ReadonlyMap<number, number>,
  index: number,
): string {
  for (let at = index - 1; at > 0; at -= 1) {
    const close = pairs.get(at);
    if (close === undefined || close < index) continue;
    return code[at]?.text === '(' ? (code[at - 1]?.text ?? '') : '';
  }
  return '';
}

/**
 * The index of the brace that opens a body, where `at` follows a list of parameters: at once, or
 * after a return type. A brace where a type is expected is an object type, any other the body.
 */
function bodyAfter(
  code: readonly Token[],
  pairs: ReadonlyMap<number, number>,
  at: number,
): number | undefined {
  if (code[at]?.text === '{') return at;
  if (code[at]?.text !== ':') return undefined;
  let expectsType = true;
  for (let index = at + 1; index < code.length; index += 1) {
    const token = code[index];
    if (token === undefined) return undefined;
    const closing = pairs.get(index);
    if (closing !== undefined) {
      if (!expectsType && token.text !== '[') return token.text === '{' ? index : undefined;
      expectsType = false;
      index = closing;
    } else if (token.kind !== 'punctuation') {
      const joins = ['is', 'asserts', 'keyof', 'extends', 'infer', 'readonly', 'typeof'];
      if (joins.includes(token.text)) expectsType = true;
      else if (expectsType) expectsType = false;
      else return undefined;
    } else if (['|', '&', '=>', '<', ',', '.', '?', ':'].includes(token.text)) {
      expectsType = true;
    } else if (token.text !== '>') {
      return undefined;
    }
  }
  return undefined;
}

/**
 * True where the name at `index` is a member's: read from an object other than the global one, a
 * key, or the name of a method that is declared. `socket.setTimeout(1)` is not Node's timer.
 */
export function isMember(code: readonly Token[], index: number): boolean {
  const before = code[index - 1]?.text ?? '';
  const after = code[index + 1]?.text ?? '';
  if (before === '.' || before === '?.') return code[index - 2]?.text !== 'globalThis';
  if (after === ':' || after === '?') return true;
  if (after !== '(' || before === '?' || before === 'function') return false;
  const close = pairBrackets(code).get(index + 1) ?? index;
  return [':', '{'].includes(code[close + 1]?.text ?? '');
}
