// Goal: nothing that the kernel is given lies where V8 moves it, or is collected while it is used.
// Method: cases of the conformance suite with a collection before each turn, which moves the bytes
// of small arrays, over calls whose memory is checked.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectGarbage, moveYoung } from '#test/harness/garbage.js';
import { leakCheck } from '#test/harness/leaks.js';
import { takeMemoryFaults } from '#test/harness/memory/known-memory.js';
import type { Case } from './case.ts';
import { connectCases } from './cases/connects.ts';
import { datagramSendCases } from './cases/datagram-sends.ts';
import { streamCases } from './cases/stream.ts';
import type { Environment, LoopTarget } from './environment.ts';
import { targets } from './targets.ts';

const cases: readonly Case[] = [...streamCases, ...connectCases, ...datagramSendCases];

/** An environment that collects garbage before each turn: of all ages in every 50th. */
function collecting(environment: Environment): Environment {
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    if (turns % 50 === 0) collectGarbage();
    else moveYoung();
    environment.turn();
  };
  return { ...environment, turn };
}

async function run(target: LoopTarget, one: Case): Promise<void> {
  try {
    await one.run((options) => collecting(target.create(options)));
  } catch (error) {
    throw new Error(`${one.name}: ${error}`, { cause: error });
  }
  assert.deepEqual(takeMemoryFaults(), [], one.name);
}

for (const name of ['epoll', 'io_uring']) {
  const target = targets.find((one) => one.name === name);
  const skip = target?.available === true ? false : `${name} is not here`;
  test(`collected: ${name}`, { skip, timeout: 180_000 }, async (t) => {
    leakCheck(t);
    assert.ok(target !== undefined);
    for (const one of cases) {
      if ((one.skip?.(target) ?? null) === null) await run(target, one);
    }
  });
}
