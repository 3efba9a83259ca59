// Goal: a link from one page of the project to another leads somewhere.
// Method: each relative link of the pages is looked up: the file, and the heading that it names.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { root } from '#test/harness/programs.js';

const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'bench/README.md',
  'examples/README.md',
  ...docs.map((name) => `docs/${name}`),
];

/** The name that GitHub gives to a heading. */
function anchor(heading: string): string {
  const plain = heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '');
  return plain.replaceAll(' ', '-');
}

function anchorsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchor(heading));
}

/** Why the link `to` of the page `from` leads nowhere, or null. */
function whyBroken(from: string, to: string): string | null {
  const [path = '', heading] = to.split('#');
  const target = path === '' ? from : join(dirname(from), path);
  if (!existsSync(join(root, target))) return `${from}: there is no ${target}`;
  const isThere = heading === undefined || anchorsOf(target).includes(heading);
  return isThere ? null : `${from}: ${target} has no heading #${heading}`;
}

test('documentation: every link to another page leads there', () => {
  const links = PAGES.flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => to);
    return targets.filter((to) => !/^[a-z]+:/.test(to)).map((to) => [page, to] as const);
  });
  assert.ok(links.length > 50);
  const broken = links.map(([page, to]) => whyBroken(page, to)).filter((why) => why !== null);
  assert.deepEqual(broken, []);
  assert.match(whyBroken('README.md', 'docs/no-such-page.md') ?? '', /there is no/);
  assert.match(whyBroken('README.md', '#no-such-heading') ?? '', /no heading/);
});
