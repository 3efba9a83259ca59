import { formatShare } from '#src/base/number-format.js';
import { machineFacts } from '../measure/machine.ts';
import { sockloopVersion } from '../measure/versions.ts';
import type { CompareDocument, ComparedLoop, MeasuredLoop, Winner } from './document.ts';
import type { Comparison } from './plan.ts';
import type { CompareOutcome } from './run.ts';
import type { Disturbance } from './tally.ts';
import { isAt, winnerOf } from './winner.ts';
import { loadPointWords } from './wording.ts';

/** What surrounds a comparison. */
interface CompareSurroundings {
  readonly command: string;
  readonly elapsedMs: number;
  /** Where servers and client ran, in words, and what else was peculiar from the beginning. */
  readonly remarks: readonly string[];
}

/** The document of a comparison. */
export function documentOf(
  { plan, loops, loadPoints }: Comparison,
  outcome: CompareOutcome,
  { command, elapsedMs, remarks }: CompareSurroundings,
): CompareDocument {
  const compared = loops.map(({ name, reason }): ComparedLoop => {
    const contender = outcome.contenders.find((one) => one.name === name);
    if (contender !== undefined) return contender.tally.result(loadPoints);
    const failed = outcome.notStarted.find((one) => one.name === name)?.reason;
    return { name, available: false, reason: reason ?? `its server did not start: ${failed}` };
  });
  const measured = compared.filter((loop): loop is MeasuredLoop => loop.available);
  const winner = winnerOf(measured, loadPoints);
  return {
    schema: 'sockloop-compare/1',
    machine: { ...machineFacts(), node: process.versions.node, sockloop: sockloopVersion() },
    startedAt: outcome.startedAt.toISOString(),
    elapsedMs,
    command,
    plan,
    loops: compared,
    winner,
    remarks: [...remarks, ...remarksOn(outcome, measured, winner, plan.threads)],
  };
}

/** Above this share of their time, other programs had the cores of servers or client. */
const WAITED_SHARE_MAX = 0.03;

/** Below this share of its time, a server waits for its clients. */
const BUSY_SHARE_MIN = 0.9;

function remarksOn(
  { counter, uncounted, stepUs, endedEarly, contenders }: CompareOutcome,
  measured: readonly MeasuredLoop[],
  winner: Winner | null,
  threads: number,
): string[] {
  const words: string[] = [];
  if (endedEarly) words.push('it was ended before its time');
  if ('reason' in counter) words.push(`system calls could not be counted: ${counter.reason}`);
  else words.push(`system calls are counted by ${counter.words}`);
  if (uncounted.length > 0) words.push(`not everywhere: ${uncounted.join('; ')}`);
  if (stepUs > 1) {
    const stepMs = stepUs / 1e3;
    words.push(`CPU time is known in steps of ${stepMs} ms here: take longer slices (--duration)`);
  }
  const disturbances = contenders.map(({ name, tally }) => ({ name, ...tally.disturbance }));
  words.push(...remarksOnDisturbance(disturbances, threads));
  return [...words, ...(threads > 1 ? [] : remarksOnRate(measured, winner))];
}

/** What servers, of so many threads, and client were denied, where it is more than a little. */
export function remarksOnDisturbance(
  all: readonly (Disturbance & { readonly name: string })[],
  threads = 1,
): string[] {
  const share = (of: (one: Disturbance) => number, among = all): number => {
    const elapsedMs = among.reduce((sum, one) => sum + one.elapsedMs, 0);
    return elapsedMs === 0 ? 0 : among.reduce((sum, one) => sum + of(one), 0) / elapsedMs;
  };
  const words: string[] = [];
  // Threads of one server wait for one another.
  const single = threads > 1 ? [] : all.filter(({ name }) => name !== 'threads');
  const server = share(({ serverWaitedMs }) => serverWaitedMs, single);
  if (server > WAITED_SHARE_MAX) {
    words.push(
      `the servers waited ${formatShare(server)} of the time for a core that others had: ` +
        'repeat it on a quieter machine',
    );
  }
  const own = 'rates and times are its own in part, so repeat it on a quieter machine';
  const client = share(({ clientWaitedMs }) => clientWaitedMs);
  if (client > WAITED_SHARE_MAX) {
    words.push(`the client waited ${formatShare(client)} of the time for a core: ${own}`);
  }
  const overslept = share((one) => Math.max(0, one.clientOversleptMs - one.clientWaitedMs));
  if (overslept > WAITED_SHARE_MAX) {
    words.push(
      `the client slept on for ${formatShare(overslept)} of the time (it was stopped, or woken ` +
        `late): ${own}`,
    );
  }
  return words;
}

/** Whose limit the rates are, at the load point where it was decided. */
function remarksOnRate(measured: readonly MeasuredLoop[], winner: Winner | null): string[] {
  if (winner === null) return [];
  const shares = measured.flatMap(({ points }) =>
    points
      .filter((point) => isAt(point, winner))
      .map(({ median }) => (median.messagesPerSecond * median.cpuUsPerMessage) / 1e6),
  );
  const most = Math.max(...shares);
  if (most >= BUSY_SHARE_MIN) return [];
  return [
    `at ${loadPointWords(winner)} the servers were busy ${formatShare(Math.min(...shares))} to ` +
      `${formatShare(most)} of the time: the rate there is what the client can send`,
  ];
}
