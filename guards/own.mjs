// What no kept tool checks: plain characters, lines that fit, nothing left for later, rules about
// paths that exist, and the tags of the public documentation. `node guards/own.mjs [ROOT [TAGS]]`.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
const COLUMNS_MAX = 100;
const SKIPPED = new Set(['node_modules', 'dist', 'build', '.git', 'test/sys/abi/vectors']);
const TEXT = new Set('.ts .mjs .cjs .js .grit .md .json .c .h .sh .yml .css .go .py'.split(' '));
const NAMED_TEXT = new Set(['Makefile', '.gitignore', '.ci/run']);
/** Signatures that lack a tag of the documentation. It may only go down. */
const TAGS_MISSING_MAX = 0;

let found = 0;
const refuse = (path, line, rule, message) => {
  found += 1;
  console.log(`${path}:${line}: ${rule}: ${message}`);
};

const files = [];
const walk = (folder) => {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (SKIPPED.has(path) || entry.name === 'node_modules') continue;
    if (entry.isDirectory()) walk(path);
    else files.push(path);
  }
};
walk('');

function checkLine(path, line, words) {
  if (/[ \t\r]$/.test(words)) refuse(path, line, 'white-space', 'the line ends in white space');
  if (!/\.[cm]?[jt]s$/.test(path)) return;
  const columns = [...words].length;
  if (columns > COLUMNS_MAX && !/https?:\/\//.test(words)) {
    refuse(path, line, 'columns', `${columns} columns of at most ${COLUMNS_MAX}`);
  }
  const strange = /[^\r\x20-\x7e]/u.exec(words)?.[0];
  if (strange !== undefined) {
    refuse(path, line, 'ascii', `write \\u{${strange.codePointAt(0).toString(16)}}`);
  }
  if (/(^|\s|\/\/|\*) ?(TODO|FIXME)\b(?! ?\(?#\d)/.test(words)) {
    refuse(path, line, 'later', 'do it now, or name the issue: #12');
  }
}

function checkTexts() {
  for (const path of files) {
    if (!TEXT.has(extname(path)) && !NAMED_TEXT.has(path)) continue;
    const text = readFileSync(join(root, path), 'utf8');
    for (const [index, words] of text.split('\n').entries()) checkLine(path, index + 1, words);
  }
}

/** A glob with `**`, `*` and `{a,b}` as a regular expression. */
function globPattern(glob) {
  const source = glob
    .replace(/^!/, '')
    .replace(/[.+^$()|[\]\\]/g, '\\$&')
    .replace(/\{([^}]*)\}/g, (_, words) => `(${words.replaceAll(',', '|')})`)
    .replaceAll('**/', '\0')
    .replaceAll('**', '\x01')
    .replaceAll('*', '[^/]*')
    .replaceAll('\0', '(.*/)?')
    .replaceAll('\x01', '.*');
  return new RegExp(`^${source}(/.*)?$`);
}

function checkPattern(config, text, pattern) {
  if (files.some((path) => pattern.test(path))) return;
  refuse(config, 1, 'paths', `${text} is no path of the tree, so its rule refuses nothing`);
}

function cruiserPatterns({ from = {}, to = {} }) {
  return [from.path, from.pathNot, to.path, to.pathNot].flat().filter((text) => text !== undefined);
}

/** A rule that names a path which does not exist never fires. */
function checkPaths() {
  const cruiser = 'guards/dependency-cruiser.cjs';
  const { forbidden } = createRequire(import.meta.url)(join(root, cruiser));
  for (const text of new Set(forbidden.flatMap(cruiserPatterns))) {
    // Packages and what is built are no part of the tree.
    if (!/^\^(src|tools|sim|test|bench|examples)\b/.test(text)) continue;
    checkPattern(cruiser, text, new RegExp(text));
  }
  const biome = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
  const plugins = biome.plugins.filter((plugin) => typeof plugin === 'object');
  const scoped = [biome.files, ...plugins, ...biome.overrides];
  const knip = JSON.parse(readFileSync(join(root, 'guards/knip.json'), 'utf8'));
  for (const glob of scoped.flatMap(({ includes = [] }) => includes)) {
    if (existsSync(join(root, glob.slice(1)))) continue;
    checkPattern('biome.json', glob, globPattern(glob));
  }
  for (const glob of [...knip.entry, ...knip.project]) {
    checkPattern('guards/knip.json', glob, globPattern(glob));
  }
}

const CLASS = 128;
const CONSTRUCTOR = 16384;
const NO_VALUE = new Set(['void', 'never']);

/** The tags that `signature` lacks: a `@param` for each parameter, `@returns` for a result. */
function missingTags(signature) {
  const tags = new Set((signature.comment?.blockTags ?? []).map(({ tag }) => tag));
  const missing = (signature.parameters ?? [])
    .filter(({ comment }) => comment === undefined)
    .map(({ name }) => `@param ${name}`);
  const { type, kind } = signature;
  const none = kind === CONSTRUCTOR || (type?.type === 'intrinsic' && NO_VALUE.has(type.name));
  if (!none && !tags.has('@returns')) missing.push('@returns');
  return missing;
}

function* reflections(node, name = '') {
  yield { node, name };
  for (const child of [...(node.children ?? []), ...(node.type?.declaration?.children ?? [])]) {
    yield* reflections(child, name === '' ? child.name : `${name}.${child.name}`);
  }
}

const hasExample = ({ comment, children = [], signatures = [] }) =>
  (comment?.blockTags ?? []).some(({ tag }) => tag === '@example') ||
  [...children, ...signatures].some(hasExample);

/** The tags of the public documentation, as TypeDoc read it. */
function checkTags(most) {
  const names = JSON.parse(readFileSync(join(root, 'build/public-names.json'), 'utf8'));
  const silent = [];
  for (const { node, name } of reflections(names)) {
    const { fileName = 'src', line = 1 } = node.sources?.[0] ?? {};
    if (node.kind === CLASS && !hasExample(node)) {
      refuse(fileName, line, 'examples', `${name} has no @example`);
    }
    // The calls of a Sys have the names and the parameters of their man pages.
    if (/\b(Tracing)?Sys\b/.test(name)) continue;
    for (const signature of node.signatures ?? []) {
      const missing = signature.inheritedFrom === undefined ? missingTags(signature) : [];
      if (missing.length > 0) silent.push({ fileName, line, name, missing });
    }
  }
  if (silent.length <= most) return;
  for (const { fileName, line, name, missing } of silent) {
    refuse(fileName, line, 'tags', `${name} lacks ${missing.join(', ')}`);
  }
  console.log(`tags: ${silent.length} signatures of at most ${most}`);
}

checkTexts();
checkPaths();
checkTags(Number(process.argv[3] ?? TAGS_MISSING_MAX));
process.exitCode = found === 0 ? 0 : 1;
