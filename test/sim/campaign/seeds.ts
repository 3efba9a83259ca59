import { parentPort, workerData } from 'node:worker_threads';
import type { TargetName } from '#test/sim/loop/targets.js';
import { datagramPlay, loopPlay, restartPlay, threadsPlay } from './plays.ts';
import { type Play, shrink, told } from './story.ts';
import { type Sums, Tally } from './tally.ts';

// A thread of a campaign: every `step`th seed from `first` on, over one target after the other,
// until it is told to stop or has run `most` of them.

/** What a thread is given. */
export interface SeedsTask {
  readonly first: number;
  readonly step: number;
  readonly most: number;
  readonly targets: readonly TargetName[];
  /** A word of shared memory: not 0 ends it. */
  readonly stop: Int32Array;
}

/** What a thread says of some seeds. */
export interface SeedsReport {
  readonly sums: Sums;
  /** The stories of those that failed. */
  readonly failures: readonly string[];
}

/** Datagrams are played with every so many seeds. */
const DATAGRAMS_EVERY = 9;

/** Servers are restarted with every so many seeds. */
const RESTARTS_EVERY = 7;

/** Threads are handed connections with every so many seeds. */
const THREADS_EVERY = 7;

/** A message of a thread is about so many seeds: one for each would cost more than some seeds. */
const SEEDS_PER_REPORT = 100;

/** Frames of an error that is shown: the kernel refuses much, and each error would have some. */
const FRAMES_SHOWN = 20;

class Seeds {
  #tally = new Tally();
  #failures: string[] = [];

  run({ first, step, most, targets, stop }: SeedsTask): void {
    Error.stackTraceLimit = 0;
    for (let count = 0; count < most && Atomics.load(stop, 0) === 0; count += 1) {
      const seed = first + Math.floor(count / targets.length) * step;
      const target = targets[count % targets.length] as TargetName;
      this.#play(loopPlay(target, seed));
      if (count % DATAGRAMS_EVERY === 0) this.#play(datagramPlay(target, seed));
      if (count % RESTARTS_EVERY === 0) this.#play(restartPlay(target, seed));
      if (count % THREADS_EVERY === 3) this.#play(threadsPlay(target, seed));
    }
    this.#post();
  }

  #play(play: Play): void {
    const run = play.run({});
    this.#tally.count(play.game, run);
    if (run.violation !== null) this.#failures.push(storyOf(play, run.violation));
    if (this.#failures.length > 0 || this.#tally.seeds >= SEEDS_PER_REPORT) this.#post();
  }

  #post(): void {
    const { seeds, virtualMs, fired, games } = this.#tally;
    const sums = { seeds, virtualMs, fired, games };
    const report: SeedsReport = { sums, failures: this.#failures };
    parentPort?.postMessage(report);
    this.#tally = new Tally();
    this.#failures = [];
  }
}

function storyOf(play: Play, violation: string): string {
  Error.stackTraceLimit = FRAMES_SHOWN;
  const story = shrink(play);
  Error.stackTraceLimit = 0;
  return story === null ? violation : told(play, story);
}

// Out of promise jobs, which the games run themselves.
setImmediate(() => new Seeds().run(workerData as SeedsTask));
