// Goal: every poller keeps the contract of src/poller/poller.ts on every platform of the tables.
// Method: the one suite over the simulated kernel, where kqueue is BSD's, or libkqueue's on Linux.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPoller } from '#src/poller/pollers.js';
import { interruptingSys, simulatedTargets } from './simulated-environment.ts';
import { describePoller } from './suite.ts';

const targets = simulatedTargets();
for (const target of targets) describePoller(target);

test('simulated: a wait that a signal interrupts ends with nothing, and says so', () => {
  for (const { poller: name, available, abi, waker } of targets) {
    if (available !== true) continue;
    const poller = createPoller(name, { sys: interruptingSys(abi), waker });
    const silent = { ready: () => assert.fail('nothing is ready') };
    for (const timeoutMs of [1000, null]) {
      assert.equal(poller.wait(timeoutMs, silent), 0);
      assert.equal(poller.interrupted, true, `${name} on ${abi.platform}`);
    }
    assert.equal(poller.wait(0, silent), 0);
    assert.equal(poller.interrupted, false);
    poller.close();
  }
});
