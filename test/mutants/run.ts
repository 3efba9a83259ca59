// Mutation testing: changes one place of the compiled library at a time, and tells which changes no
// test notices. `make mutants`, or
//
//   node build/test/mutants/run.js [--rooms ring,poller] [--count 150] [--seed 1] [--out FILE]
//     [--planted] [--only words]
//
// The mutants are drawn by the seed, in each room alike; with --planted they are the bugs of
// planted.ts instead. Exit status 1 if fewer than 90 % are found.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '#src/base/random.js';
import { root } from '#test/harness/programs.js';
import { printOut } from '#tools/terminal/output.js';
import { EQUIVALENT } from './equivalent.ts';
import { type Mutant, mutantsOf } from './operators.ts';
import { plantedBugs } from './planted.ts';
import { type Room, rooms, type Suite } from './rooms.ts';
import { runSuite } from './trial.ts';
import { Workspace } from './workspace.ts';

const FOUND_SHARE_MIN = 0.9;

/** A mutant may make a suite slower, and one that hangs is found as well. */
const SLOWER = 4;
const LATE_MS = 10_000;
const FIRST_MS_MAX = 300_000;

interface Drawn {
  readonly path: string;
  readonly mutant: Mutant;
}

/** The planted bugs whose file belongs to no room before this one. */
function plantedIn(workspace: Workspace, room: Room): Drawn[] {
  const own = room.paths
    .flatMap((path) => workspace.files(path))
    .flatMap((path) => plantedBugs(path, workspace.read(path)));
  const taken = own.filter(({ path, mutant }) => !planted.has(nameOf(path, mutant)));
  for (const { path, mutant } of taken) planted.add(nameOf(path, mutant));
  return taken;
}
const planted = new Set<string>();

function drawn(workspace: Workspace, room: Room, count: number, random: Random): Drawn[] {
  const all = room.paths
    .flatMap((path) => workspace.files(path))
    .flatMap((path) => mutantsOf(workspace.read(path)).map((mutant) => ({ path, mutant })))
    .filter(({ path, mutant }) => !EQUIVALENT.has(nameOf(path, mutant)));
  return random.shuffled(all).slice(0, count);
}

/** `dist/src/ring/ring.js: a < b -> a <= b`: the same after lines moved. */
function nameOf(path: string, { what }: Mutant): string {
  return `${path}: ${what}`;
}

/** Runs the suites as they are: how long each takes. Throws if one fails. */
async function boundsOf(workspace: Workspace, room: Room): Promise<Map<Suite, number>> {
  const bounds = new Map<Suite, number>();
  for (const suite of room.suites) {
    const { passed, ms } = await runSuite(workspace.folder, suite, FIRST_MS_MAX);
    if (!passed) throw new Error(`${suite.file} fails without a mutant`);
    bounds.set(suite, ms * SLOWER + LATE_MS);
  }
  return bounds;
}

async function foundBy(
  workspace: Workspace,
  { path, mutant }: Drawn,
  bounds: ReadonlyMap<Suite, number>,
): Promise<string | null> {
  const source = workspace.read(path);
  workspace.put(path, source.slice(0, mutant.start) + mutant.text + source.slice(mutant.end));
  try {
    for (const [suite, boundMs] of bounds) {
      const { passed, late, failed } = await runSuite(workspace.folder, suite, boundMs);
      if (!passed) return late ? `${suite.file}, by its time` : `${suite.file}: ${failed}`;
    }
    return null;
  } finally {
    workspace.put(path, null);
  }
}

const { values } = parseArgs({
  options: {
    rooms: { type: 'string', default: rooms.map(({ name }) => name).join(',') },
    count: { type: 'string', default: '160' },
    seed: { type: 'string', default: '1' },
    planted: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    out: { type: 'string', default: join(root, 'build/mutants/mutants.md') },
  },
});
const names = values.rooms.split(',');
const chosen = rooms.filter(({ name }) => names.includes(name));
if (chosen.length !== names.length)
  throw new Error(`--rooms takes ${rooms.map(({ name }) => name)}`);
const each = Math.ceil(Number(values.count) / chosen.length);
using workspace = new Workspace(join(root, 'build/mutants/workspace'));
const lines: string[] = [];
let found = 0;
let tried = 0;
for (const room of chosen) {
  const random = new Random(Number(values.seed));
  let foundHere = 0;
  const all = values.planted ? plantedIn(workspace, room) : drawn(workspace, room, each, random);
  const drawnHere = all.filter(({ path, mutant }) => nameOf(path, mutant).includes(values.only));
  if (drawnHere.length === 0) continue;
  const bounds = await boundsOf(workspace, room);
  for (const one of drawnHere) {
    const by = await foundBy(workspace, one, bounds);
    if (by !== null) foundHere += 1;
    const outcome = by === null ? 'SURVIVED' : `found by ${by}`;
    const line = `${nameOf(one.path, one.mutant)} (line ${one.mutant.line}): ${outcome}`;
    lines.push(line);
    printOut(line);
  }
  printOut(`${room.name}: ${foundHere} of ${drawnHere.length} found`);
  found += foundHere;
  tried += drawnHere.length;
}
mkdirSync(dirname(values.out), { recursive: true });
const share = ((100 * found) / tried).toFixed(1);
writeFileSync(
  values.out,
  `${found} of ${tried} mutants found (${share} %), seed ${values.seed}\n\n${lines.join('\n')}\n`,
);
printOut(`${found} of ${tried} found (${share} %); ${values.out}`);
process.exitCode = found / tried >= FOUND_SHARE_MIN ? 0 : 1;
