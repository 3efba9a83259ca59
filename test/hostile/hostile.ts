// `make hostile`: every attack on every loop, one at a time. HOSTILE='never reading;| epoll |'
// makes those whose names have all of these words.

import { mkdirSync, writeFileSync } from 'node:fs';
import { named } from '#test/harness/asked.js';
import { reasonWithoutLoop } from '#test/harness/loops.js';
import { root } from '#test/harness/programs.js';
import { Steps } from '#test/harness/steps.js';
import { fullRounds, type Round } from './cells.ts';
import { nameOf, type Outcome } from './outcome.ts';
import { hostilePage } from './page.ts';
import { inMib } from './run-cell.ts';
import { Stage } from './stage.ts';

const TIMES = { quietMs: 1500, besideMs: 2000, stillMs: 700, restMs: 0 };
/** How many times as long as without the attack good clients may wait, at their p99. */
const TIMES_MAX = 5;
/** What a machine that does something else at times makes of a p99: shorter ones are equal. */
const NOISE_MS = 1;
/** The most that an attack may delay whose reason is known. */
const DELAY_MS_MAX = 1000;
/** Another process may have had the cores: a finding is one if it is found every time. */
const RUNS_MAX = 3;

/** What is wrong with the waits of good clients; null if nothing is. */
function lateness({ cell, quiet, beside }: Outcome): string | null {
  if (quiet === null || beside === null) return null;
  const maxMs =
    cell.attack.mayDelay === null
      ? TIMES_MAX * Math.max(quiet.p99Ms, NOISE_MS)
      : Math.max(DELAY_MS_MAX, TIMES_MAX * quiet.p99Ms);
  if (beside.p99Ms <= maxMs) return null;
  return `p99 ${beside.p99Ms.toFixed(1)} ms, above ${maxMs.toFixed(1)} ms`;
}

/** Runs one, on processes of its own: what an attacker does is none of the next one's business. */
async function runOnce({ loop, conditions, cells }: Round): Promise<Outcome> {
  const steps = new Steps();
  let found: Outcome | null = null;
  try {
    // An attacker on the network takes no core of the server.
    const stage = new Stage(steps, ['nice', '-n', '19']);
    await stage.run([loop, conditions], cells, TIMES, (outcome) => {
      const late = lateness(outcome);
      found = late === null ? outcome : { ...outcome, findings: [...outcome.findings, late] };
    });
  } finally {
    await steps.end();
  }
  if (found === null) throw new Error(`nothing came of ${loop}, ${conditions.name}`);
  return found;
}

async function run(round: Round): Promise<Outcome> {
  for (let runs = 1; ; runs += 1) {
    const outcome = await runOnce(round);
    if (outcome.findings.length === 0 || runs === RUNS_MAX) return outcome;
  }
}

function lineOf({ cell, findings, quiet, beside, memory }: Outcome): string {
  const mark = findings.length > 0 ? '!!' : '  ';
  const waits = `p99 ${quiet?.p99Ms.toFixed(2) ?? '-'} to ${beside?.p99Ms.toFixed(2) ?? '-'} ms`;
  const sizes = `${inMib(memory.peakBytes)} of ${inMib(memory.maxBytes)}`;
  return `${mark} ${nameOf(cell)}: ${waits}, ${sizes} ${findings.join('; ')}\n`;
}

const here = fullRounds().filter(
  ({ loop }) => loop === 'program' || reasonWithoutLoop(loop) === false,
);
const rounds = named('HOSTILE', here, ({ cells: [first] }) =>
  first === undefined ? '' : nameOf(first[0]),
);
const outcomes: Outcome[] = [];
for (const round of rounds) {
  const outcome = await run(round);
  outcomes.push(outcome);
  process.stdout.write(lineOf(outcome));
}
const directory = `${root}build/hostile`;
mkdirSync(directory, { recursive: true });
writeFileSync(`${directory}/hostile.md`, hostilePage(outcomes, new Date()));
const bad = outcomes.filter(({ findings }) => findings.length > 0).length;
process.stdout.write(`${outcomes.length} cells, ${bad} with findings: build/hostile/hostile.md\n`);
process.exitCode = bad === 0 ? 0 : 1;
