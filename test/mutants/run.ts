// Mutation testing: changes one place of the compiled library at a time, and tells which changes no
// test notices. `make mutants`, or
//
//   node build/test/mutants/run.js [--rooms ring,poller] [--count 150] [--seed 1] [--out FILE]
//     [--planted] [--only words] [--workers 2]
//
// The mutants are drawn by the seed, in each room alike; with --planted they are the bugs of
// planted.ts instead. Exit status 1 if fewer than 90 % are found.

import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '#src/base/random.js';
import { root } from '#test/harness/programs.js';
import { printOut } from '#tools/terminal/output.js';
import { EQUIVALENT } from './equivalent.ts';
import { Hunt, type Prey } from './hunt.ts';
import { mutantsOf } from './operators.ts';
import { plantedBugs } from './planted.ts';
import { type Room, rooms } from './rooms.ts';
import { Workspace } from './workspace.ts';

const FOUND_SHARE_MIN = 0.9;

/** The suites of two at a time do not disturb each other; more of them wait for a core. */
const WORKERS = Math.min(2, availableParallelism());

/** All mutants of a room by the operators, without those that do the same. */
function mutated(workspace: Workspace, room: Room): Prey[] {
  return filesOf(workspace, room)
    .flatMap((path) => mutantsOf(workspace.read(path)).map((mutant) => ({ room, path, mutant })))
    .filter((prey) => !EQUIVALENT.has(nameOf(prey)));
}

/** The planted bugs whose file belongs to no room before this one. */
function plantedIn(workspace: Workspace, room: Room, taken: Set<string>): Prey[] {
  return filesOf(workspace, room).flatMap((path) => {
    if (taken.has(path)) return [];
    taken.add(path);
    return plantedBugs(path, workspace.read(path))
      .map(({ mutant }) => ({ room, path, mutant }))
      .filter((prey) => !EQUIVALENT.has(nameOf(prey)));
  });
}

function filesOf(workspace: Workspace, room: Room): string[] {
  return room.paths.flatMap((path) => workspace.files(path));
}

/** `dist/src/ring/ring.js: a < b -> a <= b`: the same after lines moved. */
function nameOf({ path, mutant }: Pick<Prey, 'path' | 'mutant'>): string {
  return `${path}: ${mutant.what}`;
}

const { values } = parseArgs({
  options: {
    rooms: { type: 'string', default: rooms.map(({ name }) => name).join(',') },
    count: { type: 'string', default: '160' },
    seed: { type: 'string', default: '1' },
    planted: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    workers: { type: 'string', default: String(WORKERS) },
    out: { type: 'string', default: join(root, 'build/mutants/mutants.md') },
  },
});

/** What is to be found. A bug belongs to the first of all rooms that has its file. */
function chosenPrey(workspace: Workspace): Prey[] {
  const names = values.rooms.split(',');
  const chosen = rooms.filter(({ name }) => names.includes(name));
  if (chosen.length !== names.length) {
    throw new Error(`--rooms takes ${rooms.map(({ name }) => name)}`);
  }
  const each = Math.ceil(Number(values.count) / chosen.length);
  const taken = new Set<string>();
  const all = values.planted
    ? rooms.flatMap((room) => plantedIn(workspace, room, taken))
    : chosen.flatMap((room) =>
        new Random(Number(values.seed)).shuffled(mutated(workspace, room)).slice(0, each),
      );
  return all.filter((prey) => chosen.includes(prey.room) && nameOf(prey).includes(values.only));
}

interface Tally {
  tried: number;
  readonly survivors: string[];
}

/** Takes mutants of the list until none is left. */
async function work(hunt: Hunt, workspace: Workspace, left: Prey[], tallies: Map<Room, Tally>) {
  for (let prey = left.shift(); prey !== undefined; prey = left.shift()) {
    const { room, mutant } = prey;
    const by = await hunt.foundBy(workspace, prey);
    const tally = tallies.get(room) ?? { tried: 0, survivors: [] };
    tallies.set(room, tally);
    tally.tried += 1;
    const name = `${nameOf(prey)} (line ${mutant.line})`;
    if (by === null) tally.survivors.push(name);
    printOut(`${name}: ${by === null ? 'SURVIVED' : `found by ${by}`}`);
  }
}

const workspaces = Array.from(
  { length: Number(values.workers) },
  (_, index) => new Workspace(join(root, `build/mutants/workspace-${index}`)),
);
const tallies = new Map<Room, Tally>();
try {
  const [first] = workspaces;
  if (first === undefined) throw new Error('--workers is 1 at least');
  const left = chosenPrey(first);
  const hunt = new Hunt();
  await Promise.all(workspaces.map((workspace) => work(hunt, workspace, left, tallies)));
} finally {
  for (const workspace of workspaces) workspace[Symbol.dispose]();
}

const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);
const all = [...tallies.values()];
const tried = sum(all.map((tally) => tally.tried));
const found = tried - sum(all.map(({ survivors }) => survivors.length));
const words = `${found} of ${tried} mutants found (${((100 * found) / tried).toFixed(1)} %)`;
const rows = [...tallies].map(
  ([{ name }, tally]) => `| ${name} | ${tally.tried} | ${tally.tried - tally.survivors.length} |`,
);
const table = ['| room | mutants | found |', '| --- | ---: | ---: |', ...rows].join('\n');
const survivors = all.flatMap((tally) => tally.survivors.map((name) => `- ${name}`));
const heading = values.planted ? words : `${words}, seed ${values.seed}`;
mkdirSync(dirname(values.out), { recursive: true });
writeFileSync(values.out, [heading, table, survivors.join('\n'), ''].join('\n\n'));
printOut(`${table}\n${words} in ${Math.ceil(process.uptime() / 60)} minutes; ${values.out}`);
process.exitCode = found / tried >= FOUND_SHARE_MIN ? 0 : 1;
