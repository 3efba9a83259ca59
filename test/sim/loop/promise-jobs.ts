import { runNextTicks } from '#src/loop/runtime/node-runtime.js';

/**
 * Runs the promise jobs that wait, as Node does after each callback and the loops do between two
 * turns. Only where none is running already: see {@link outOfJobs}.
 */
export function runPromiseJobs(): void {
  let ran = false;
  void Promise.resolve().then(() => {
    ran = true;
  });
  runNextTicks?.();
  if (!ran) throw new Error('promise jobs cannot run inside of one: see outOfJobs');
}

/** Calls `play` where no promise job is running, and promises its result. */
export function outOfJobs<Result>(play: () => Result): Promise<Result> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(play());
      } catch (error) {
        reject(error);
      }
    });
  });
}
