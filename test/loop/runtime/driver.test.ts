// Goal: one of the loops of a thread waits, for all of them and for the runtime, and none is turned
// that is gone. Method: the driver over a runtime and loops that are made up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLIND_WAIT_MS, WAIT_MS_MAX } from '#src/loop/limits.js';
import type { Runtime } from '#src/loop/runtime/runtime.js';
import { type DrivenLoop, ThreadDriver } from '#src/loop/runtime/thread-driver.js';

/** A runtime whose turns the test makes. */
class MadeUpRuntime implements Runtime {
  readonly fd = 1000;
  readonly log: string[] = [];
  /** The longest waits, one for each time that it is asked; the last one for ever. */
  waits: number[] = [0];
  drains: boolean[] = [true];
  take: () => void = () => assert.fail('no turns are asked for');

  enter(take: () => void, held: boolean): void {
    this.log.push(held ? 'enter, held' : 'enter');
    this.take = take;
  }

  begin(): void {
    this.log.length = 0;
  }

  waitMs(): number {
    return (this.waits.length > 1 ? this.waits.shift() : this.waits[0]) ?? 0;
  }

  drain(): boolean {
    return (this.drains.length > 1 ? this.drains.shift() : this.drains[0]) ?? true;
  }

  rest(): void {
    this.log.push('rest');
  }

  close(): void {
    this.log.push('close');
  }
}

const STEPS_MAX = 10;

class MadeUpLoop implements DrivenLoop {
  reports = 0;
  wantsTurns = true;
  holdsProcess = true;
  readonly pollFd: number;
  timerMs = WAIT_MS_MAX;
  readonly steps: number[] = [];
  /** What it watches for the driver, and how often each watch was ended. */
  readonly watched: number[] = [];
  readonly ended: number[] = [];
  canWatch = true;
  /** Tells that a descriptor is ready. */
  readonly ready: (() => void)[] = [];
  onStep: () => void = () => undefined;

  constructor(pollFd = -1) {
    this.pollFd = pollFd;
  }

  waitMsNow(): number {
    return this.timerMs;
  }

  step(waitMsMax: number): void {
    this.steps.push(waitMsMax);
    assert.ok(this.steps.length < STEPS_MAX, 'it gives the runtime no turn');
    this.onStep();
  }

  watchForDriver(fd: number, ready: () => void): (() => void) | null {
    if (!this.canWatch) return null;
    const place = this.watched.push(fd) - 1;
    this.ready.push(ready);
    this.ended.push(0);
    return () => {
      this.ended[place] = (this.ended[place] ?? 0) + 1;
    };
  }
}

/** Loops that are driven, once the turns are asked for. */
async function driving(...loops: readonly MadeUpLoop[]) {
  const runtime = new MadeUpRuntime();
  const driver = new ThreadDriver(runtime);
  for (const loop of loops) driver.add(loop);
  await Promise.resolve();
  return { runtime, driver };
}

test('driver: a loop waits in place of the runtime, while that has nothing to do', async () => {
  const loop = new MadeUpLoop();
  const { runtime } = await driving(loop);
  runtime.waits = [70, 30, 0];
  runtime.take();
  assert.deepEqual(loop.steps, [70, 30], 'work of the runtime is not made to wait for a turn');
  assert.deepEqual(loop.watched, [1000]);
  runtime.waits = [0];
  runtime.take();
  assert.deepEqual(loop.steps.slice(2), [0], 'one turn beside it');
});

test('driver: what makes the runtime ready ends the turns', async () => {
  const loop = new MadeUpLoop();
  const { runtime } = await driving(loop);
  runtime.waits = [50];
  loop.onStep = () => loop.ready[0]?.();
  runtime.take();
  assert.equal(loop.steps.length, 1);
  let left = 3;
  loop.onStep = () => {
    left -= 1;
    if (left === 0) runtime.drains = [false];
  };
  runtime.take();
  assert.equal(loop.steps.length, 4, 'that was said once');
});

test('driver: a loop that cannot watch the runtime waits for a millisecond', async () => {
  const loop = new MadeUpLoop();
  loop.canWatch = false;
  const { runtime } = await driving(loop);
  runtime.waits = [50, 0];
  runtime.take();
  assert.deepEqual(loop.steps, [BLIND_WAIT_MS]);
});

test('driver: of several the one waits that the others cannot wait for', async () => {
  const [seen, blind] = [new MadeUpLoop(7), new MadeUpLoop()];
  const { runtime, driver } = await driving(seen, blind);
  runtime.waits = [50, 0];
  runtime.take();
  assert.deepEqual([seen.steps[0], blind.steps], [0, [50]]);
  assert.deepEqual([seen.watched, blind.watched], [[], [1000, 7]]);
  assert.equal(driver.waitMsNow(), WAIT_MS_MAX);
  [seen.timerMs, blind.timerMs] = [9, 300];
  assert.equal(driver.waitMsNow(), 9);
  runtime.waits = [50, 0];
  runtime.take();
  assert.equal(blind.steps[1], 9, 'no timer of another is late');
  blind.wantsTurns = false;
  runtime.waits = [50, 0];
  runtime.take();
  assert.deepEqual(seen.watched, [1000], 'nor for one that wants no turns');
});

test('driver: beside work of the runtime each loop has one turn', async () => {
  const [one, other] = [new MadeUpLoop(7), new MadeUpLoop(8)];
  const { runtime } = await driving(one, other);
  runtime.take();
  assert.deepEqual([one.steps, other.steps], [[0], [0]]);
});

test('driver: a turn that the runtime has to follow is the last', async () => {
  const [one, other] = [new MadeUpLoop(7), new MadeUpLoop(8)];
  const { runtime } = await driving(one, other);
  runtime.drains = [false];
  runtime.take();
  assert.deepEqual([one.steps, other.steps], [[], [0]]);
  assert.deepEqual(runtime.log, ['enter, held']);
});

test('driver: a loop that another one has closed is not turned', async () => {
  const [one, other] = [new MadeUpLoop(7), new MadeUpLoop(8)];
  const { runtime, driver } = await driving(one, other);
  other.onStep = () => driver.remove(one);
  runtime.waits = [50, 0];
  runtime.take();
  assert.deepEqual(one.steps, []);
  assert.ok(other.steps.length > 0);
});

test('driver: each watch is ended once', async () => {
  const [one, other] = [new MadeUpLoop(7), new MadeUpLoop(8)];
  const { runtime, driver } = await driving(one, other);
  runtime.take();
  assert.deepEqual(one.ended, [0, 0]);
  driver.remove(other);
  assert.deepEqual(one.ended, [1, 1]);
  runtime.take();
  driver.remove(one);
  assert.deepEqual(one.ended, [1, 1, 1]);
  assert.equal(runtime.log.at(-1), 'close');
});

test('driver: loops that want no turns have the runtime rest', async () => {
  const loop = new MadeUpLoop();
  const { runtime, driver } = await driving(loop);
  loop.wantsTurns = false;
  runtime.take();
  assert.deepEqual([loop.steps, runtime.log], [[], ['rest']]);
  loop.wantsTurns = true;
  driver.poke();
  await Promise.resolve();
  assert.deepEqual(runtime.log, ['rest', 'enter, held']);
});

test('driver: what comes to keep the process alive is told to the runtime', async () => {
  const loop = new MadeUpLoop();
  loop.holdsProcess = false;
  const { runtime, driver } = await driving(loop);
  assert.deepEqual(runtime.log, ['enter']);
  loop.holdsProcess = true;
  driver.poke();
  await Promise.resolve();
  assert.deepEqual(runtime.log, ['enter', 'enter, held']);
});
