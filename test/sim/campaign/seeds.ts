import { parentPort, workerData } from 'node:worker_threads';
import type { TargetName } from '#test/sim/loop/targets.js';
import { datagramPlay, loadPlay, loopPlay, restartPlay, threadsPlay } from './plays.ts';
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

/** The load client plays with every so many: no divisor of the number of targets, nor of these. */
const LOAD_EVERY = 13;

/** Servers are restarted with every so many seeds. */
const RESTARTS_EVERY = 7;

/** Threads are handed connections with every so many seeds. */
const THREADS_EVERY = 7;

/** A message of a thread is about so many seeds: one for each would cost more than some seeds. */
const SEEDS_PER_REPORT = 100;

/** So many seeds are a job: V8 keeps the targets of weak references until the end of one. */
const SEEDS_PER_JOB = 50;

/** Frames of an error that is shown: the kernel refuses much, and each error would have some. */
const FRAMES_SHOWN = 20;

class Seeds {
  #count = 0;
  #tally = new Tally();
  #failures: string[] = [];

  /** Runs seeds out of promise jobs, which some games run themselves. */
  run(task: SeedsTask): void {
    Error.stackTraceLimit = 0;
    const { most, stop } = task;
    const end = Math.min(this.#count + SEEDS_PER_JOB, most);
    for (; this.#count < end && Atomics.load(stop, 0) === 0; this.#count += 1) this.#seed(task);
    if (this.#count < most && Atomics.load(stop, 0) === 0) setImmediate(() => this.run(task));
    else this.#post();
  }

  #seed({ first, step, targets }: SeedsTask): void {
    const count = this.#count;
    const seed = first + Math.floor(count / targets.length) * step;
    const target = targets[count % targets.length] as TargetName;
    this.#play(loopPlay(target, seed));
    if (count % DATAGRAMS_EVERY === 0) this.#play(datagramPlay(target, seed));
    if (count % LOAD_EVERY === 0) this.#play(loadPlay(target, seed));
    if (count % RESTARTS_EVERY === 0) this.#play(restartPlay(target, seed));
    if (count % THREADS_EVERY === 3) this.#play(threadsPlay(target, seed));
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

const seeds = new Seeds();
setImmediate(() => seeds.run(workerData as SeedsTask));
