// Goal: where nothing is known of the runtime, as in Bun and Deno, a quiet loop leaves the thread
// to it, and a busy one does not.
// Method: the driver of a thread over such a runtime, with a loop that records its turns: one that
// follows a rest may not wait.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BLIND_TURNS_BEFORE_REST, BLIND_WAIT_MS, WAIT_MS_MAX } from '#src/loop/limits.js';
import { OtherRuntime } from '#src/loop/runtime/other-runtime.js';
import { type DrivenLoop, ThreadDriver } from '#src/loop/runtime/thread-driver.js';
import { eventually, run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { root } from '#test/harness/programs.js';

const timeout = 60_000;

class RecordedLoop implements DrivenLoop {
  reports = 0;
  readonly wantsTurns = true;
  holdsProcess = true;
  readonly pollFd = -1;
  /** When its next timer is due. */
  timerMs = WAIT_MS_MAX;
  /** Whether each turn followed a rest. */
  readonly rested: boolean[] = [];
  onTurn: () => void = () => undefined;

  waitMsNow(): number {
    return this.timerMs;
  }

  step(waitMsMax: number): void {
    assert.ok(waitMsMax === 0 || waitMsMax === BLIND_WAIT_MS, `${waitMsMax} ms`);
    this.rested.push(waitMsMax === 0);
    this.onTurn();
  }

  watchForDriver(): null {
    return null;
  }

  /** Waits for so many turns from now on, and returns whether they followed rests. */
  async next(count: number): Promise<boolean[]> {
    const from = this.rested.length;
    await eventually(() => assert.ok(this.rested.length >= from + count));
    return this.rested.slice(from, from + count);
  }
}

function driven(t: TestContext, mayRest = true): { loop: RecordedLoop; driver: ThreadDriver } {
  leakCheck(t);
  const driver = new ThreadDriver(new OtherRuntime(mayRest));
  const loop = new RecordedLoop();
  driver.add(loop);
  t.after(() => driver.remove(loop));
  return { loop, driver };
}

/** Waits until it rests. */
async function quiet(loop: RecordedLoop): Promise<void> {
  await eventually(() => assert.equal(loop.rested.at(-1), true));
}

test('other runtime: a quiet loop rests', { timeout }, async (t) => {
  const { loop } = driven(t);
  await quiet(loop);
  const busy = loop.rested.indexOf(true);
  assert.ok(busy >= BLIND_TURNS_BEFORE_REST - 1, `after ${busy} turns`);
  assert.deepEqual(await loop.next(3), [true, true, true]);
});

test('other runtime: a report of the kernel ends the rests', { timeout }, async (t) => {
  const { loop } = driven(t);
  await quiet(loop);
  loop.onTurn = () => {
    loop.onTurn = () => undefined;
    loop.reports += 1;
  };
  const [at, ...rest] = await loop.next(BLIND_TURNS_BEFORE_REST);
  assert.equal(at, true);
  assert.deepEqual(new Set(rest), new Set([false]));
  await quiet(loop);
});

test('other runtime: so does what is begun', { timeout }, async (t) => {
  const { loop, driver } = driven(t);
  await quiet(loop);
  driver.poke();
  assert.deepEqual(await loop.next(2), [false, false]);
});

test('other runtime: a timer of the loop is soon due', { timeout }, async (t) => {
  const { loop } = driven(t);
  loop.timerMs = 1.5;
  const turns = await loop.next(2 * BLIND_TURNS_BEFORE_REST);
  assert.ok(!turns.includes(true));
});

test('other runtime: beside a simulated kernel there is no rest', { timeout }, async (t) => {
  const { loop } = driven(t, false);
  const turns = await loop.next(2 * BLIND_TURNS_BEFORE_REST);
  assert.ok(!turns.includes(true));
});

// Its loop has twenty turns, and keeps the process alive from a callback of Node in a rest on.
const REFERENCED_AGAIN = `
  const { OtherRuntime } = await import('file://${root}dist/src/loop/runtime/other-runtime.js');
  const { ThreadDriver } = await import('file://${root}dist/src/loop/runtime/thread-driver.js');
  const driver = new ThreadDriver(new OtherRuntime(true));
  let turns = 0;
  const loop = {
    reports: 0, wantsTurns: true, holdsProcess: false, pollFd: -1,
    waitMsNow: () => 500,
    watchForDriver: () => null,
    step: () => {
      if (!loop.holdsProcess || ++turns < 20) return;
      console.log('twenty turns');
      driver.remove(loop);
    },
  };
  driver.add(loop);
  setTimeout(() => {
    if (process.argv[1] === 'again') loop.holdsProcess = true;
    driver.poke();
  }, 200);
`;

for (const [word, said] of [
  ['again', 'twenty turns\n'],
  ['not again', ''],
] as const) {
  test(`other runtime: unreferenced, and ${word} referenced`, { timeout }, async (t) => {
    leakCheck(t);
    const words = ['--input-type=module', '--eval', REFERENCED_AGAIN, word];
    const { status, out, err } = await run(t, [process.execPath, ...words]);
    assert.deepEqual([status, out, err], [0, said, '']);
  });
}
