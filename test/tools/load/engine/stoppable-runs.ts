// One load run for each model, all at once: `node stoppable-runs.js PORT MODEL...`. A model is the
// name of a loop, for a closed loop, or a rate. Prints "measuring" once every run measures, and the
// documents as JSON at the end.

import assert from 'node:assert/strict';
import { startLoad } from '#tools/load/engine/run.js';
import type { LoadPlan } from '#tools/load/plan.js';
import { openPlan, planFor } from '../servers.ts';

const DURATION_MS = 3000;

const [port, ...models] = process.argv.slice(2);
const measuring = new Set<string>();

function planOf(model: string): LoadPlan {
  const changes = { durationMs: DURATION_MS, timeoutMs: 20_000 };
  if (/^\d/.test(model)) return openPlan(Number(port), Number(model), DURATION_MS, changes);
  return planFor(Number(port), { ...changes, loop: model as LoadPlan['loop'] });
}

const runs = models.map((model) =>
  startLoad(planOf(model), {
    progress: ({ phase, messages }) => {
      if (phase !== 'measuring' || messages === 0 || measuring.has(model)) return;
      measuring.add(model);
      if (measuring.size === models.length) process.stdout.write('measuring\n');
    },
  }),
);
const documents = await Promise.all(runs.map(({ done }) => done));
assert.equal(documents.length, models.length);
process.stdout.write(JSON.stringify(documents));
