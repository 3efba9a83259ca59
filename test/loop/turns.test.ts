// Goal: a turn waits as long as its timers and tasks allow, runs what is due, and no sooner.
// Method: a clock and a kernel that the test sets by hand.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Loop } from '#src/loop/loop.js';
import type { Timer } from '#src/loop/timers.js';
import { leakCheck } from '#test/harness/leaks.js';
import { ScriptedKernel } from './readiness/scripted/kernel.ts';
import { streamOn } from './scripted-sinks.ts';

function turning(t: TestContext) {
  leakCheck(t);
  const kernel = new ScriptedKernel(t, true);
  const loop = new Loop(kernel.sys, kernel.backend);
  t.after(() => loop.close());
  const log: string[] = [];
  const waits = (mostMs: number): string[] => {
    kernel.waits();
    loop.turn(mostMs);
    return kernel.waits();
  };
  const note = (name: string) => (): void => void log.push(`${name} at ${loop.nowMs}`);
  return { kernel, loop, log, waits, note };
}

test('turn: it waits for the next timer, the longest wait, or not at all', (t) => {
  const { kernel, loop, log, waits, note } = turning(t);
  assert.deepEqual(waits(50), ['wait 0'], 'there is nothing to wait for');
  streamOn(kernel);
  assert.deepEqual(waits(50), ['wait 50']);
  loop.setTimer(20, note('timer'));
  assert.deepEqual([waits(50), waits(10)], [['wait 20'], ['wait 10']]);
  kernel.nowMs += 19.5;
  assert.deepEqual([waits(50), log], [['wait 0.5'], []]);
  kernel.nowMs += 0.5;
  assert.deepEqual([waits(50), log], [['wait 0'], ['timer at 1020']]);
  assert.deepEqual(waits(50), ['wait 50']);
  const second = loop.setTimer(30, note('second'));
  assert.deepEqual(waits(50), ['wait 30'], 'not that of the timer before');
  second.cancel();
  loop.defer(note('task'));
  assert.deepEqual([waits(50), log.length], [['wait 0'], 2]);
  loop.holdNodeLoop();
  assert.deepEqual(waits(50), ['wait 2'], 'no longer than a look-up may take');
  assert.deepEqual(waits(1), ['wait 1']);
  loop.releaseNodeLoop();
  assert.deepEqual(waits(50), ['wait 50']);
});

test('turn: timers of one moment run as they were set, and those they set a turn later', (t) => {
  const { kernel, loop, log, note } = turning(t);
  loop.setTimer(10, note('second'));
  loop.setTimer(5, () => {
    note('first')();
    loop.setTimer(0, note('later'));
  });
  loop.setTimer(10, note('third'));
  kernel.nowMs += 9;
  loop.turn(0);
  assert.deepEqual(log, ['first at 1009']);
  loop.turn(0);
  assert.deepEqual(log.slice(1), ['later at 1009']);
  kernel.nowMs += 1;
  loop.turn(0);
  assert.deepEqual(log.slice(2), ['second at 1010', 'third at 1010']);
  assert.equal(loop.alive, false);
});

test('turn: a delay is counted from the call, not from the beginning of the turn', (t) => {
  const { kernel, loop, log, note } = turning(t);
  loop.setTimer(0, () => {
    kernel.nowMs += 7;
    loop.setTimer(10, note('timer'));
  });
  loop.turn(0);
  kernel.nowMs = 1016.9;
  loop.turn(0);
  assert.deepEqual(log, []);
  kernel.nowMs = 1017;
  loop.turn(0);
  assert.deepEqual(log, ['timer at 1017']);
});

test('turn: who is cancelled by one that is due does not run, also behind an error', (t) => {
  const { loop, log, note } = turning(t);
  const timers: Timer[] = [];
  timers.push(
    loop.setTimer(0, () => {
      note('first')();
      timers[1]?.cancel();
      assert.deepEqual(
        timers.map(({ over }) => over),
        [true, true, false, false],
      );
      throw new Error('a timer');
    }),
    loop.setTimer(0, note('cancelled')),
    loop.setTimer(0, note('second')),
    loop.setTimer(0, note('third')),
  );
  assert.throws(() => loop.turn(0), /a timer/);
  assert.deepEqual(log, ['first at 1000']);
  timers[3]?.cancel();
  loop.turn(0);
  loop.turn(0);
  assert.deepEqual(log, ['first at 1000', 'second at 1000']);
  assert.ok(timers.every(({ over }) => over));
  assert.equal(loop.alive, false);
});

test('turn: a timer that is cancelled ahead of an error is over', (t) => {
  const { loop } = turning(t);
  const first = loop.setTimer(0, () => {
    second.cancel();
    throw new Error('a timer');
  });
  const second = loop.setTimer(0, () => assert.fail('it was cancelled'));
  assert.throws(() => loop.turn(0), /a timer/);
  assert.deepEqual([first.over, second.over, loop.alive], [true, true, false]);
});

test('turn: the time is read anew for deliveries, and for tasks', (t) => {
  const { kernel, loop, log, note } = turning(t);
  const { fd } = streamOn(kernel, {
    received: () => {
      note('received')();
      kernel.nowMs += 5;
      note('still')();
      loop.defer(note('task'));
    },
  });
  loop.turn(0);
  assert.equal(loop.nowMs, 1000);
  kernel.nowMs += 5;
  kernel.bring(fd, 'x');
  loop.turn(0);
  assert.deepEqual(log, ['received at 1005', 'still at 1005', 'task at 1010']);
  assert.equal(loop.nowMs, 1010);
  kernel.nowMs += 5;
  assert.equal(loop.nowMs, 1010, 'once for all that ask between two turns');
});

test('turn: 1024 tasks in a turn, and those behind them in the next ones', (t) => {
  const { loop } = turning(t);
  let ran = 0;
  for (let task = 0; task < 2500; task += 1) loop.defer(() => (ran += 1));
  const counts = [1, 2, 3, 4].map(() => {
    loop.turn(0);
    return ran;
  });
  assert.deepEqual(counts, [1024, 2048, 2500, 2500]);
});

test('turn: a task that throws delays those behind it by a turn, ahead of new ones', (t) => {
  const { loop, log, note } = turning(t);
  loop.defer(note('first'));
  loop.defer(() => {
    loop.defer(note('new'));
    throw new Error('a task');
  });
  loop.defer(note('third'));
  assert.throws(() => loop.turn(0), /a task/);
  assert.deepEqual(log, ['first at 1000']);
  loop.turn(0);
  assert.deepEqual(log.slice(1), ['third at 1000', 'new at 1000']);
  assert.equal(loop.alive, false);
});

test('turn: a loop that is closed in a callback runs nothing more', (t) => {
  for (const where of ['timer', 'task'] as const) {
    const { kernel, loop, log, note } = turning(t);
    const close = (): void => {
      note(where)();
      loop.close();
    };
    if (where === 'timer') loop.setTimer(0, close);
    else loop.defer(close);
    const timer = loop.setTimer(0, note('second timer'));
    loop.defer(note('second task'));
    const { told } = streamOn(kernel);
    kernel.waits();
    loop.turn(0);
    assert.deepEqual(kernel.waits().length, where === 'timer' ? 0 : 1);
    assert.deepEqual(log.at(-1), `${where} at 1000`);
    assert.equal(log.length, where === 'timer' ? 1 : 2);
    assert.deepEqual([timer.over, told, loop.alive, loop.fds()], [true, [], false, []]);
    assert.throws(() => loop.turn(0), /closed/);
  }
});
