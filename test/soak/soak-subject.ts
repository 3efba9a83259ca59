import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '#src/base/random.js';
import type { Scope } from '#test/harness/command.js';
import { disagreements, Ledger } from './ledger.ts';
import type { Sample } from './sample.ts';
import { type Slope, slopeOf } from './slope.ts';
import { type Subject, settled } from './subject.ts';
import type { SubjectPlan } from './subjects.ts';
import { traffic } from './traffic.ts';

/** How long clients come. */
export interface SoakPlan {
  /** Rounds before the first sample that counts: what is allocated once is allocated then. */
  readonly warmUps: number;
  /** Rounds behind these, each with a sample at its end. */
  readonly rounds: number;
  readonly roundMs: number;
  readonly seed: number;
  /** Clients at a time, where the subject's own number will not do. */
  readonly clients?: number;
  /** Whether RSS is judged: the heaps of threads take a minute to be as large as they get. */
  readonly judgesRss: boolean;
}

/** What a subject has come to. */
export interface SoakResult {
  readonly name: string;
  readonly ledger: Ledger;
  readonly samples: readonly Sample[];
  /** Bytes a minute. */
  readonly heap: Slope;
  readonly external: Slope;
  readonly rss: Slope;
  readonly minutes: number;
  /** What is not as it was, or does not agree: a sentence each. */
  readonly faults: readonly string[];
}

/**
 * What may grow for sure, that is by the lower end of the interval: V8 goes on compiling for a
 * while, a socket of datagrams remembers up to 1024 peers, chunks are kept for the next ones.
 */
const HEAP_BYTES_MAX = 512 * 1024;
const EXTERNAL_BYTES_MAX = 64 * 1024;
const RSS_BYTES_MAX = 16 * 1024 * 1024;

/** How long a busy machine may take to tell a server of the last end. */
const AGREE_MS = 5000;

/** Runs one subject under the mixed load. */
export async function soak(
  scope: Scope,
  { name, start }: SubjectPlan,
  plan: SoakPlan,
): Promise<SoakResult> {
  const subject = await start(scope);
  const ledger = new Ledger();
  const all: Served[] = [];
  const faults: string[] = [];
  for (let round = 0; round < plan.warmUps + plan.rounds && faults.length === 0; round += 1) {
    await runRound(subject, ledger, plan, round);
    await settled(subject, all[0]?.sample.descriptors.length ?? 0);
    faults.push(...ledger.failures);
    if (faults.length === 0) faults.push(...(await agreed(subject, ledger)));
    if (round < plan.warmUps - 1) continue;
    const sample = await subject.sample();
    all.push({ sample, served: ledger.connections + ledger.datagrams });
    faults.push(...changes(all[0]?.sample ?? sample, sample));
  }
  const end = await subject.end();
  faults.push(...end.faults);
  if (end.account !== null) faults.push(...disagreements(ledger, end.account));
  const memory = memoryOf(all, plan);
  const samples = all.map(({ sample }) => sample);
  return { name, ledger, samples, ...memory, faults: [...new Set([...faults, ...memory.faults])] };
}

/** What does not agree. A server may hear of the end of a connection a little later. */
async function agreed(subject: Subject, ledger: Ledger): Promise<string[]> {
  const endMs = performance.now() + AGREE_MS;
  for (;;) {
    const account = await subject.account();
    const faults = account === null ? [] : disagreements(ledger, account);
    if (faults.length === 0 || performance.now() > endMs) return faults;
    await delay(20);
  }
}

async function runRound(
  subject: Subject,
  ledger: Ledger,
  { roundMs, seed, clients = subject.clients }: SoakPlan,
  round: number,
): Promise<void> {
  if (round > 0) await subject.change(round);
  const street = { ...placeOf(subject), clients, idleMs: 20, ledger };
  const endMs = performance.now() + roundMs;
  const walks = traffic(street, new Random(seed, `round ${round}`), endMs);
  await delay(roundMs / 4);
  const beside = subject.disturb(round).catch((error: Error) => {
    ledger.failures.push(`beside the clients: ${error.message}`);
  });
  await Promise.all([walks, beside]);
}

function placeOf({ port, idlePort, datagramPort, rude, together }: Subject) {
  return { port, idlePort, datagramPort, rude, together };
}

/** What is not as it was. */
function changes(first: Sample, last: Sample): string[] {
  const faults: string[] = [];
  const compare = (what: string, before: readonly string[], now: readonly string[]): void => {
    if (before.length === now.length) return;
    faults.push(`${what}: ${tally(now)}; at first ${tally(before)}`);
  };
  compare('descriptors', first.descriptors, last.descriptors);
  compare('handles', first.handles, last.handles);
  if (first.threads !== last.threads)
    faults.push(`threads: ${last.threads}; at first ${first.threads}`);
  return faults;
}

/** `7 socket, 1 pipe`. */
function tally(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
}

/** A sample, and how many connections and datagrams there had been by then. */
interface Served {
  readonly sample: Sample;
  readonly served: number;
}

/**
 * The slopes over time, for the page; and what grows with what is served, by the lower end of the
 * interval: rounds take long on a busy machine, and serve little.
 */
function memoryOf(all: readonly Served[], { judgesRss }: SoakPlan) {
  const [first, last] = [all[0], all.at(-1)];
  const firstMs = first?.sample.atMs ?? 0;
  const minutes = ((last?.sample.atMs ?? 0) - firstMs) / 60_000;
  const served = (last?.served ?? 0) - (first?.served ?? 0);
  const faults: string[] = [];
  const slope = (what: string, bytes: (sample: Sample) => number, bytesMax: number): Slope => {
    const { perX, halfWidth } = slopeOf(all.map((one) => [one.served, bytes(one.sample)]));
    const grown = (perX - halfWidth) * served;
    if (grown > bytesMax) {
      faults.push(
        `${what} grows: by ${Math.round(grown / 1024)} KiB at least, of ${bytesMax / 1024}`,
      );
    }
    return slopeOf(all.map(({ sample }) => [(sample.atMs - firstMs) / 60_000, bytes(sample)]));
  };
  return {
    heap: slope('the heap', (sample) => sample.heapBytes, HEAP_BYTES_MAX),
    external: slope('what buffers take', (sample) => sample.externalBytes, EXTERNAL_BYTES_MAX),
    rss: slope(
      'RSS',
      (sample) => sample.rssBytes,
      judgesRss ? RSS_BYTES_MAX : Number.POSITIVE_INFINITY,
    ),
    minutes,
    faults,
  };
}
