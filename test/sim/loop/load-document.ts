import type { LoadPlan } from '#tools/load/plan.js';
import { Collection } from '#tools/load/record/collection.js';
import type { IntervalCounts, ThreadResult } from '#tools/load/record/thread-messages.js';
import { documentOf } from '#tools/load/result/run-document.js';
import type { Oracle } from './oracle.ts';

/** What a thread has told of itself, and how many messages it was to send until the end. */
interface Told {
  readonly plan: LoadPlan;
  readonly result: ThreadResult;
  readonly intervals: readonly IntervalCounts[];
  readonly stopped: boolean;
  /** In the warm-up and the measured time. */
  readonly sentMax: number;
}

/** The document of a run says the same as its thread, and no more than was due. */
export function judgeDocument({ plan, result, intervals, stopped, sentMax }: Told, oracle: Oracle) {
  const alone = { ...plan, threads: 1 };
  const collection = new Collection(alone);
  for (const counts of intervals) collection.add(0, counts);
  const document = documentOf(
    {
      plan: alone,
      startedAt: new Date(0).toISOString(),
      endedEarly: stopped,
      startLateMs: 0,
      cpuMs: 0,
      threads: [{ loop: 'simulated', result, failure: null }],
    },
    collection,
  );
  const { counts, response, generator, heat } = document;
  const same = (what: string, is: number, own: number): void =>
    oracle.expect(is === own, `${what} of the document: ${is}, and the thread had ${own}`);
  const sum = (numbers: readonly number[]): number =>
    numbers.reduce((total, one) => total + one, 0);
  const errors = sum(Object.values(result.trouble.errors));
  same('messages', counts.messages, result.messages);
  same('errors', sum(Object.values(counts.errors)), errors);
  same('seconds', sum(document.intervals.map(({ messages }) => messages)), result.messages);
  same('errors by second', sum(document.intervals.map((one) => one.errors)), errors);
  same('times', response.count, result.messages);
  same('heat', sum(heat.counts.map((row) => sum(row))), result.messages);
  const { percentiles, minUs, maxUs } = response;
  const rising = [minUs, ...percentiles.map(({ us }) => us), maxUs];
  const falls = rising.some((us, at) => us < (rising[at - 1] ?? 0) && maxUs > 0);
  oracle.expect(!falls, `percentiles that fall: ${rising.join(', ')}`);
  const achieved = (generator.achievedPerSecond * result.measuredMs) / 1000;
  oracle.expect(achieved <= sentMax + 1e-6, `${achieved} achieved, and ${sentMax} were sent`);
}
