import { Random } from '#src/base/random.js';
import type { LoadPlan, OpenLoop, Stage } from '../plan.ts';

// When the messages of an open loop are due. All threads follow one schedule: its message k is the
// thread's (k mod threads), so rates that no thread could have alone add up, and whatever the
// threads do, no two messages of a uniform schedule come closer than the rate says.
//
// It is counted from the beginning of the measured time: a uniform message k is due in the middle
// of the k-th gap from there, those of the warm-up have numbers below 0. So the measured time
// holds exactly rate times duration of them.

/** A piece of the schedule in which the rate is constant or rises evenly from 0. */
interface Piece {
  readonly startMs: number;
  readonly endMs: number;
  /** Messages before its beginning, counted from that of the measured time. */
  readonly before: number;
  readonly count: number;
  readonly rises: boolean;
}

/** The course of the rate: how many messages are due until when. Times from the first of all. */
export class RateCourse {
  readonly #pieces: readonly Piece[];
  /** Messages in front of the measured time: not a whole number as a rule. */
  readonly warmupCount: number;
  /** Messages of the measured time. */
  readonly measuredCount: number;

  constructor(stages: readonly Stage[], warmupMs: number, rampMs: number) {
    const rate = stages[0]?.ratePerSecond ?? 0;
    const spans = [
      { durationMs: rampMs, ratePerSecond: rate, rises: true },
      { durationMs: warmupMs - rampMs, ratePerSecond: rate, rises: false },
      ...stages.map((stage) => ({ ...stage, rises: false })),
    ];
    const countOf = (span: (typeof spans)[number]): number =>
      (span.durationMs * span.ratePerSecond) / (span.rises ? 2000 : 1000);
    this.warmupCount = spans.slice(0, 2).reduce((sum, span) => sum + countOf(span), 0);
    const pieces: Piece[] = [];
    let startMs = 0;
    let before = -this.warmupCount;
    for (const [index, span] of spans.entries()) {
      // The measured time begins at 0 exactly, whatever the sums in front of it were rounded to.
      if (index === 2) before = 0;
      const count = countOf(span);
      const endMs = startMs + span.durationMs;
      if (count > 0) pieces.push({ startMs, endMs, before, count, rises: span.rises });
      startMs = endMs;
      before += count;
    }
    this.#pieces = pieces;
    this.measuredCount = before;
  }

  /** When `count` messages are over, in ms from the start of the warm-up; Infinity at the end. */
  timeOf(count: number): number {
    for (const piece of this.#pieces) {
      if (count >= piece.before + piece.count) continue;
      const share = Math.max(0, (count - piece.before) / piece.count);
      // A rate that rises from 0: the messages are the square of the time.
      const along = piece.rises ? Math.sqrt(share) : share;
      return piece.startMs + along * (piece.endMs - piece.startMs);
    }
    return Number.POSITIVE_INFINITY;
  }
}

/** The share of one thread in the schedule of a run: its messages in the order of their times. */
export class Schedule {
  readonly #course: RateCourse;
  readonly #threads: number;
  readonly #random: Random | null;
  /** The number of the next message of this thread, from 0 for the first of all. */
  #number = -1;
  /** And its place in the course. */
  #place: number;
  #dueMs = 0;

  constructor(plan: LoadPlan, model: OpenLoop, thread: number) {
    this.#course = new RateCourse(model.stages, plan.warmupMs, plan.rampMs);
    this.#threads = plan.threads;
    this.#random = model.arrivals === 'poisson' ? new Random(plan.seed) : null;
    const { warmupCount } = this.#course;
    // The first place of a uniform schedule: the first half above -warmupCount. Arrivals by chance
    // begin where the warm-up does.
    const first = 0.5 - Math.floor(warmupCount + 0.5);
    this.#place = this.#random === null ? first - 1 : -warmupCount;
    this.#advance(thread + 1);
  }

  /** When the next message is due, in ms from the beginning of the warm-up; Infinity at the end. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** The number of the next message in the schedule of all threads, from 0 on. */
  get number(): number {
    return this.#number;
  }

  /** Goes on to the next message. */
  next(): void {
    this.#advance(this.#threads);
  }

  #advance(steps: number): void {
    this.#number += steps;
    if (this.#random === null) this.#place += steps;
    else for (let step = 0; step < steps; step += 1) this.#place += this.#random.exponential();
    this.#dueMs = this.#course.timeOf(this.#place);
  }
}
