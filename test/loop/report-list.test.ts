// Goal: a report that throws takes nothing from those behind it, nor from its own handle.
// Method: handles that write down when they report.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ReportList } from '#src/loop/report-list.js';
import { leakCheck } from '#test/harness/leaks.js';

class Handle {
  gone = false;
  reporting = false;
  readonly #name: string;
  readonly #log: string[];
  /** What it does in each of its reports. */
  readonly #steps: (() => void)[];

  constructor(name: string, log: string[], steps: (() => void)[] = []) {
    this.#name = name;
    this.#log = log;
    this.#steps = steps;
  }

  report(): void {
    this.#log.push(this.#name);
    this.#steps.shift()?.();
  }
}

function reporting(t: TestContext) {
  leakCheck(t);
  const list = new ReportList();
  const log: string[] = [];
  const ran = (): string => {
    log.length = 0;
    list.run();
    return log.join(' ');
  };
  return { list, log, ran };
}

const fail = (): void => {
  throw new Error('from a callback');
};

test('report list: each handle once, in order, and what is added meanwhile a turn later', (t) => {
  const { list, log, ran } = reporting(t);
  const first: Handle = new Handle('first', log, [() => list.add(first)]);
  const second = new Handle('second', log);
  for (const handle of [first, second, first]) list.add(handle);
  assert.equal(list.length, 2);
  assert.deepEqual([ran(), ran(), ran()], ['first second', 'first', '']);
  list.add(second);
  second.gone = true;
  assert.deepEqual([ran(), list.length], ['', 0]);
});

test('report list: one that throws, and the rest, have the next turn before new ones', (t) => {
  const { list, log, ran } = reporting(t);
  const late = new Handle('late', log);
  const early = new Handle('early', log, [() => list.add(late)]);
  const thrower = new Handle('thrower', log, [fail]);
  const behind = new Handle('behind', log);
  for (const handle of [early, thrower, behind]) list.add(handle);
  assert.throws(() => list.run(), /from a callback/);
  assert.deepEqual(log, ['early', 'thrower']);
  list.add(thrower);
  assert.equal(list.length, 3, 'it is in the list once');
  assert.deepEqual([ran(), ran()], ['thrower behind late', '']);
});

test('report list: one that asks for another report, and throws, has it once', (t) => {
  const { list, log, ran } = reporting(t);
  const thrower: Handle = new Handle('thrower', log, [
    () => {
      list.add(thrower);
      fail();
    },
  ]);
  const behind = new Handle('behind', log);
  for (const handle of [thrower, behind]) list.add(handle);
  assert.throws(() => list.run());
  assert.deepEqual([ran(), ran()], ['behind thrower', '']);
});
