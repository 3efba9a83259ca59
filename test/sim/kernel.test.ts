// Goal: the simulated kernel does what the real one does, call by call.
// Method: the same steps over both; the results, errno names and readiness have to be equal.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimSys } from '#sim/sim-sys.js';
import { ringAvailable } from '#src/ring/probe.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { logOf } from './arm.ts';
import { connectionScenarios, type Scenario } from './scenarios/connections.ts';
import { datagramScenarios } from './scenarios/datagrams.ts';
import { fileScenarios } from './scenarios/files.ts';
import { nameScenarios } from './scenarios/names.ts';
import { pollingScenarios } from './scenarios/polling.ts';
import { ringScenarios } from './scenarios/rings.ts';

const skip =
  process.platform === 'linux' ? false : 'the simulated kernel is compared with the one of Linux';

const scenarios: Readonly<Record<string, Scenario>> = {
  ...connectionScenarios,
  ...nameScenarios,
  ...fileScenarios,
  ...pollingScenarios,
  ...datagramScenarios,
};

/** Where this machine has no rings there is nothing to compare. */
function skipOf(name: string): string | false {
  if (skip !== false || !(name in ringScenarios)) return skip;
  const available = ringAvailable(nativeSys());
  return available === true ? false : available.reason;
}

for (const [name, scenario] of Object.entries({ ...scenarios, ...ringScenarios })) {
  test(`sim kernel: ${name}`, { skip: skipOf(name) }, (t) => {
    leakCheck(t);
    const native = nativeSys();
    const tag = `${process.pid}`;
    const real = logOf(scenario, native, true, tag);
    const sim = new SimSys({ seed: 1, abi: native.abi });
    const simulated = logOf(scenario, sim, false, tag);
    assert.deepEqual(simulated, real);
    assert.deepEqual(sim.openDescriptors(), []);
  });
}
