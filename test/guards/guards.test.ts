// Goal: every rule of the guards fires.
// Method: a small tree in which each file breaks one rule. Each tool runs over it once, with the
// configuration of the project, and must name every rule with the file that breaks it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { INDEX, PERMITTED, PLANTS, type Plant, TARGETS } from './plants.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const tree = mkdtempSync(join(tmpdir(), 'sockloop-guards-'));
const RUN_MS_MAX = 120_000;
after(() => rmSync(tree, { recursive: true, force: true }));

const bin = (name: string): string => join(root, 'node_modules/.bin', name);
const WINGS = ['src', 'tools', 'sim', 'test', 'bench', 'examples'];
const STRICT = ['treatWarningsAsErrors', 'treatValidationWarningsAsErrors'];
const lenient = (option: string): string[] => [`--${option}`, 'false'];
const COMMANDS: Readonly<Record<Plant['tool'], readonly string[]>> = {
  cruise: [bin('depcruise'), '--config', 'guards/dependency-cruiser.cjs', ...WINGS],
  knip: [bin('knip'), '--config', 'guards/knip.json', '--no-progress'],
  biome: [bin('biome'), 'lint', '--reporter=github', '--max-diagnostics=none', '.'],
  // TypeDoc writes the input of own.mjs only if it finds no error.
  typedoc: [bin('typedoc'), '--options', 'guards/typedoc.json', ...STRICT.flatMap(lenient)],
  own: [process.execPath, 'guards/own.mjs', '.', '0'],
};

function write(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}

function plantTree(): void {
  for (const path of [
    'guards',
    'package.json',
    'tsconfig.base.json',
    'src/tsconfig.json',
    'tools/tsconfig.json',
  ]) {
    cpSync(join(root, path), join(tree, path), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  // The planted tree is no repository.
  const biome = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as object;
  write('biome.json', JSON.stringify({ ...biome, vcs: { enabled: false } }));
  for (const [path, text] of Object.entries({ ...TARGETS, ...PERMITTED })) write(path, text);
  for (const { path, text } of PLANTS) if (text !== '') write(path, text);
  write('src/index.ts', INDEX);
}

interface Ended {
  readonly status: number;
  readonly said: string;
}

/** The output of a program for the planted tree, and its status. */
async function run([command = '', ...words]: readonly string[]): Promise<Ended> {
  const child = spawn(command, words, { cwd: tree, timeout: RUN_MS_MAX });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const status = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? -1));
  });
  return { status, said };
}

/** The lines about a rule: knip names it above its files, the others on the line of the file. */
function linesAbout(rule: string, tool: Plant['tool'], said: string): string {
  const lines = said.split('\n');
  if (tool !== 'knip') return lines.filter((line) => line.includes(rule)).join('\n');
  const first = lines.findIndex((line) => line.startsWith(`${rule} (`));
  const end = lines.findIndex((line, index) => index > first && /\(\d+\)$/.test(line));
  return first < 0 ? '' : lines.slice(first, end < 0 ? undefined : end).join('\n');
}

test('guards: every rule refuses what is planted against it, and nothing beside it', async (t) => {
  plantTree();
  const tools = Object.keys(COMMANDS) as Plant['tool'][];
  const said = new Map<string, string>();
  const refused = tools.filter((tool) => tool !== 'typedoc' && tool !== 'own');
  await Promise.all([
    run(COMMANDS.typedoc).then(({ said: words }) => said.set('typedoc', words)),
    ...refused.map(async (tool) => said.set(tool, await failing(tool))),
  ]);
  // own.mjs reads the output of TypeDoc.
  said.set('own', await failing('own'));
  for (const { tool, rule, path } of PLANTS) {
    await t.test(`${tool}: ${rule}: ${path}`, () => {
      const about = linesAbout(rule, tool, said.get(tool) ?? '');
      assert.ok(about.includes(path), `${tool} says of ${rule}:\n${about}\n\n${said.get(tool)}`);
    });
  }
  const everything = [...said.values()].join('\n').split('\n');
  for (const path of Object.keys(PERMITTED)) {
    // It may be reported as unused: the planted tree has few users.
    const about = everything.filter((line) => {
      return line.includes(path) && /error/.test(line) && !/dead-files|orphans/.test(line);
    });
    assert.deepEqual(about, [], `${path} is permitted`);
  }
});

test('guards: what TypeDoc warns of is an error', () => {
  const text = readFileSync(join(root, 'guards/typedoc.json'), 'utf8');
  const config = JSON.parse(text) as Readonly<Record<string, unknown>>;
  for (const option of STRICT) assert.equal(config[option], true, option);
});

test('guards: every rule of dependency-cruiser has its plant', async () => {
  const config = (await import(join(root, 'guards/dependency-cruiser.cjs'))) as {
    default: { forbidden: { name: string }[] };
  };
  const planted = new Set(PLANTS.filter(({ tool }) => tool === 'cruise').map(({ rule }) => rule));
  assert.deepEqual(planted, new Set(config.default.forbidden.map(({ name }) => name)));
});

async function failing(tool: Plant['tool']): Promise<string> {
  const { status, said } = await run(COMMANDS[tool]);
  assert.notEqual(status, 0, `${tool} passes the planted tree:\n${said}`);
  return said;
}
