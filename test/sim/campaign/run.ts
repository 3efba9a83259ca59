// A campaign of seeds over the simulated kernels, on every core. `make sim MINUTES=5`, or
//
//   node build/test/sim/campaign/run.js [--minutes 1] [--seed N] [--count N] [--targets epoll,poll]
//
// A failing seed is shrunk to a short story, with the command that repeats it. Exit status 1 if one
// fails.

import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { positive } from '#test/harness/asked.js';
import { type TargetName, targetNames } from '#test/sim/loop/targets.js';
import { printOut } from '#tools/terminal/output.js';
import type { SeedsReport, SeedsTask } from './seeds.ts';
import { Tally } from './tally.ts';

/** Seeds that follow each other: a campaign has others than the one a minute later. */
const SEEDS_PER_SECOND_MAX = 10_000;
const FAILURES_MAX = 10;
/** What a seed leaves is garbage: it is collected less often than by the default of 16 MiB. */
const resourceLimits = { maxYoungGenerationSizeMb: 64 };
const PROGRESS_MS = 10_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: `${Math.floor(Date.now() / 1000) * SEEDS_PER_SECOND_MAX}` },
    count: { type: 'string', default: 'Infinity' },
    targets: { type: 'string', default: targetNames.join(',') },
  },
});

function targetsOf(text: string): TargetName[] {
  const names = text.split(',');
  const chosen = targetNames.filter((name) => names.includes(name));
  if (chosen.length === names.length) return chosen;
  throw new Error(`--targets takes ${targetNames.join(',')}`);
}

const targets = targetsOf(values.targets);
const first = positive('--seed', values.seed);
const minutes = positive('--minutes', values.minutes);
const count = positive('--count', values.count);
const stop = new Int32Array(new SharedArrayBuffer(4));
const threads = availableParallelism();
const tally = new Tally();
const startMs = performance.now();
const secondsNow = (): number => (performance.now() - startMs) / 1000;

function take({ sums, failures }: SeedsReport): void {
  tally.add(sums);
  tally.failures += failures.length;
  for (const failure of failures) printOut(failure);
  if (tally.failures >= FAILURES_MAX) Atomics.store(stop, 0, 1);
}

printOut(`seeds from ${first} on, ${threads} threads, ${targets.length} targets`);
const ends = Array.from({ length: threads }, (_, index) => {
  const most = Math.ceil(count / threads);
  const workerData: SeedsTask = { first: first + index, step: threads, most, targets, stop };
  const worker = new Worker(new URL('./seeds.js', import.meta.url), { workerData, resourceLimits });
  worker.on('message', take);
  return once(worker, 'exit');
});
const deadline = setTimeout(() => Atomics.store(stop, 0, 1), minutes * 60_000);
const progress = setInterval(() => printOut(tally.line(secondsNow())), PROGRESS_MS);
try {
  await Promise.all(ends);
} finally {
  Atomics.store(stop, 0, 1);
  clearTimeout(deadline);
  clearInterval(progress);
}
printOut(tally.line(secondsNow()));
for (const line of tally.table()) printOut(line);
process.exitCode = tally.failures === 0 ? 0 : 1;
