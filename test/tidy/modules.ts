/** What a file imports and exports, read from its tokens, and which file a specifier means. */

import { posix } from 'node:path';
import type { Token } from './scan.ts';

/** One name that crosses a module's border; `*` is all of them. */
export interface ImportedName {
  readonly name: string;
  readonly as: string;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  readonly typeOnly: boolean;
  /** A `re-export` passes names on; a `spawn` names a worker's file by its URL. */
  readonly kind: 'import' | 're-export' | 'dynamic' | 'spawn';
  readonly names: readonly ImportedName[];
}

export interface Export {
  readonly name: string;
  readonly line: number;
}

export interface Module {
  readonly imports: readonly Import[];
  /** The exports that are declared in the file itself, not those it passes on. */
  readonly exports: readonly Export[];
}

const MODIFIERS = new Set(
  'declare abstract async const let var function class interface type enum namespace *'.split(' '),
);
const EVERYTHING: readonly ImportedName[] = [{ name: '*', as: '*' }];

/** The imports and exports of a file; `code` is its tokens without comments. */
export function readModule(code: readonly Token[]): Module {
  const imports: Import[] = [];
  const exports: Export[] = [];
  let depth = 0;
  for (const [index, token] of code.entries()) {
    if (token.kind === 'punctuation') {
      if (['{', '${', '(', '['].includes(token.text)) depth += 1;
      if (['}', ')', ']'].includes(token.text)) depth -= 1;
    }
    if (token.kind !== 'name' || code[index - 1]?.text === '.') continue;
    if (token.text === 'import') pushDefined(imports, readImport(code, index));
    if (token.text === 'URL') pushDefined(imports, readSpawn(code, index));
    if (token.text === 'export' && depth === 0) readExport(code, index, imports, exports);
  }
  return { imports, exports };
}

function pushDefined<Item>(list: Item[], item: Item | undefined): void {
  if (item !== undefined) list.push(item);
}

/** `import` in all its forms; the token at `index` is the word itself. */
function readImport(code: readonly Token[], index: number): Import | undefined {
  const line = code[index]?.line ?? 0;
  const next = code[index + 1];
  if (next?.text === '.' || next?.text === ':') return undefined;
  if (next?.text === '(') {
    const argument = code[index + 2];
    if (argument?.kind !== 'string') return undefined;
    const specifier = argument.text;
    return { specifier, line, typeOnly: false, kind: 'dynamic', names: EVERYTHING };
  }
  if (next?.kind === 'string') {
    return { specifier: next.text, line, typeOnly: false, kind: 'import', names: [] };
  }
  return readClause(code, index, 'import');
}

/** `new URL('./worker.js', import.meta.url)`: how a worker's file is named. */
function readSpawn(code: readonly Token[], index: number): Import | undefined {
  const argument = code[index + 2];
  if (code[index + 1]?.text !== '(' || argument?.kind !== 'string') return undefined;
  if (code[index + 4]?.text !== 'import') return undefined;
  const specifier = argument.text;
  return { specifier, line: argument.line, typeOnly: false, kind: 'spawn', names: [] };
}

/** The names between `import` or `export` and `from`; undefined where there is no `from`. */
function readClause(
  code: readonly Token[],
  index: number,
  kind: 'import' | 're-export',
): Import | undefined {
  const names: ImportedName[] = [];
  let typeOnly = code[index + 1]?.text === 'type' && code[index + 2]?.text !== 'from';
  let allTypes = true;
  let inBraces = false;
  for (let at = index + (typeOnly ? 2 : 1); at < code.length; at += 1) {
    const token = code[at];
    if (token === undefined || token.text === ';') return undefined;
    if (token.text === 'from' && !inBraces) {
      const source = code[at + 1];
      if (source?.kind !== 'string') return undefined;
      typeOnly ||= allTypes && names.length > 0;
      return { specifier: source.text, line: code[index]?.line ?? 0, typeOnly, kind, names };
    }
    if (token.text === '{' || token.text === '}') inBraces = token.text === '{';
    if (token.kind !== 'name' && token.text !== '*') continue;
    const isType = inBraces && token.text === 'type' && code[at + 1]?.kind === 'name';
    if (isType) at += 1;
    else allTypes = false;
    const word = code[at]?.text ?? '';
    const name = inBraces || word === '*' ? word : 'default';
    const renamed = code[at + 1]?.text === 'as';
    names.push({ name, as: renamed ? (code[at + 2]?.text ?? '') : word });
    if (renamed) at += 2;
  }
  return undefined;
}

function readExport(
  code: readonly Token[],
  index: number,
  imports: Import[],
  exports: Export[],
): void {
  const line = code[index]?.line ?? 0;
  let at = index + 1;
  if (code[at]?.text === 'type' && ['{', '*'].includes(code[at + 1]?.text ?? '')) at += 1;
  if (code[at]?.text === '{' || code[at]?.text === '*') {
    const close = code.findIndex((token, position) => position > at && token.text === '}');
    const passesOn = code[at]?.text === '*' || code[close + 1]?.text === 'from';
    if (passesOn) {
      pushDefined(imports, readClause(code, index, 're-export'));
      return;
    }
    for (const [position, token] of code.slice(at + 1, close).entries()) {
      const next = code[at + 1 + position + 1]?.text;
      if (token.kind === 'name' && (next === ',' || next === '}')) {
        exports.push({ name: token.text, line: token.line });
      }
    }
    return;
  }
  if (code[at]?.text === 'default') {
    exports.push({ name: 'default', line });
    return;
  }
  while (MODIFIERS.has(code[at]?.text ?? '')) at += 1;
  const name = code[at];
  if (name?.kind === 'name') exports.push({ name: name.text, line });
}

/**
 * The project's file that `specifier` means in `from`, or undefined for a package or a builtin.
 * `publicNames` gives the source behind each name of the package's "exports".
 */
export function resolveSpecifier(
  from: string,
  specifier: string,
  publicNames: ReadonlyMap<string, string>,
): string | undefined {
  const source = specifier.replace(/\.js$/, '.ts');
  if (source.startsWith('.')) return posix.join(posix.dirname(from), source);
  if (source.startsWith('#')) return source.slice(1);
  return publicNames.get(specifier);
}
