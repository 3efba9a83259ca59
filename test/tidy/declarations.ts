/** Where the public names of the package are declared, and what their doc comments say. */

import { resolveSpecifier } from './modules.ts';
import type { Project, SourceFile } from './project.ts';
import { pairBrackets, type Token } from './scan.ts';

/** A declaration that the package makes public. */
export interface Declaration {
  readonly path: string;
  readonly line: number;
  readonly name: string;
  readonly isClass: boolean;
  /** The doc comment that ends on the line above, or the empty string. */
  readonly doc: string;
  /** That comment and, for a class, those of its members. */
  readonly docs: string;
}

const WORDS = new Set('export default declare abstract async const let var function * '.split(' '));
const KINDS = new Set(['class', 'interface', 'type']);

/** Every declaration behind the public names of the package, each once. */
export function publicDeclarations(project: Project): Declaration[] {
  const found = new Map<string, Declaration>();
  for (const path of project.publicNames.values()) collect(project, path, '*', found);
  return [...found.values()];
}

function collect(
  project: Project,
  path: string,
  name: string,
  found: Map<string, Declaration>,
): void {
  const file = project.sources.get(path);
  if (file === undefined) return;
  for (const own of file.exports) {
    if (name !== '*' && own.name !== name) continue;
    found.set(`${path} ${own.name}`, declarationOf(file, own.name, own.line));
  }
  for (const { kind, specifier, names } of file.imports) {
    const target = resolveSpecifier(path, specifier, project.publicNames);
    if (kind !== 're-export' || target === undefined) continue;
    for (const passed of names) {
      if (passed.name === '*') collect(project, target, passed.as === '*' ? name : '*', found);
      else if (name === '*' || passed.as === name) collect(project, target, passed.name, found);
    }
  }
}

/** The first declaration of `name` at the top level of `file`; `line` is that of its export. */
function declarationOf(file: SourceFile, name: string, line: number): Declaration {
  const { path, tokens } = file;
  const pairs = pairBrackets(tokens);
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index];
    const kind = tokens[index - 1]?.text ?? '';
    if (token?.kind === 'name' && token.text === name && (WORDS.has(kind) || KINDS.has(kind))) {
      const doc = docAbove(tokens, index);
      const isClass = kind === 'class';
      const docs = isClass ? doc + commentsInBody(tokens, pairs, index) : doc;
      return { path, line: token.line, name, isClass, doc, docs };
    }
    // What lies in brackets is not at the top level.
    index = pairs.get(index) ?? index;
  }
  return { path, line, name, isClass: false, doc: '', docs: '' };
}

function docAbove(tokens: readonly Token[], index: number): string {
  let first = index;
  while (WORDS.has(tokens[first - 1]?.text ?? '') || KINDS.has(tokens[first - 1]?.text ?? '')) {
    first -= 1;
  }
  const comment = tokens[first - 1];
  if (comment?.kind !== 'comment' || !comment.text.startsWith('/**')) return '';
  const lastLine = comment.line + comment.text.split('\n').length - 1;
  return lastLine + 1 === tokens[first]?.line ? comment.text : '';
}

function commentsInBody(
  tokens: readonly Token[],
  pairs: ReadonlyMap<number, number>,
  index: number,
): string {
  const open = tokens.findIndex((token, at) => at > index && token.text === '{');
  return tokens
    .slice(open, pairs.get(open))
    .filter(({ kind, text }) => kind === 'comment' && text.startsWith('/**'))
    .map(({ text }) => text)
    .join('\n');
}
