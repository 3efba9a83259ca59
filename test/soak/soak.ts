// `make soak MINUTES=n`: every server, one after the other, for n minutes in all. SOAK=epoll takes
// those whose names have the word. The page is written anew behind each server.

import { mkdirSync, writeFileSync } from 'node:fs';
import { named, positive } from '#test/harness/asked.js';
import { reasonWithoutLoop } from '#test/harness/loops.js';
import { root } from '#test/harness/programs.js';
import { Steps } from '#test/harness/steps.js';
import { soakPage } from './page.ts';
import { type SoakResult, soak } from './soak-subject.ts';
import { subjectPlans } from './subjects.ts';

const ROUND_MS = 1500;

/** What a round takes beside: the last clients, and a sample. */
const BESIDE_MS = 400;

/** Threads under load have heaps as large as they get by then. */
const RSS_WARM_UP_MS = 15_000;

const minutes = positive('MINUTES', process.env['MINUTES'] || '5');
const here = subjectPlans.filter(({ loop }) => loop === null || reasonWithoutLoop(loop) === false);
const chosen = named('SOAK', here, ({ name }) => name);
const rounds = Math.floor((minutes * 60_000) / chosen.length / (ROUND_MS + BESIDE_MS));
const warmUps = Math.max(2, Math.floor(rounds / 5));
const judgesRss = warmUps * ROUND_MS >= RSS_WARM_UP_MS;
const form = { roundMs: ROUND_MS, judgesRss };
const plan = { ...form, warmUps, rounds: Math.max(rounds - warmUps, 5) };
const directory = `${root}build/soak`;
mkdirSync(directory, { recursive: true });
const results: SoakResult[] = [];
for (const [index, subject] of chosen.entries()) {
  const steps = new Steps();
  try {
    const result = await soak(steps, subject, { ...plan, seed: index });
    results.push(result);
    const { ledger, faults } = result;
    const words = faults.length === 0 ? 'nothing lost, nothing left' : faults.join('\n!! ');
    process.stdout.write(`${subject.name}: ${ledger.connections} connections, ${words}\n`);
  } finally {
    await steps.end();
  }
  const command = `make soak MINUTES=${minutes}`;
  writeFileSync(`${directory}/soak.md`, soakPage(results, command, new Date()));
}
process.exitCode = results.every(({ faults }) => faults.length === 0) ? 0 : 1;
process.stdout.write('build/soak/soak.md\n');
