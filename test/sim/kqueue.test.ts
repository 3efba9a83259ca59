// Goal: the simulated kqueues are those of FreeBSD and macOS, and that of libkqueue on Linux.
// Method: what all have in common has to be equal on all; what differs is held against the words of
// the BSDs' sources, and against the real libkqueue where it can be loaded.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimSys } from '#sim/sim-sys.js';
import { abiFor } from '#src/sys/abi/index.js';
import { nativeSys } from '#src/sys/native.js';
import { logOf } from './arm.ts';
import type { Scenario } from './scenarios/connections.ts';
import { commonKqueueScenarios, differingKqueueScenarios } from './scenarios/kqueue.ts';

function simulated(platform: 'linux' | 'darwin' | 'freebsd', scenario: Scenario): string[] {
  const abi = abiFor(platform, 'arm64');
  assert.ok(abi !== null);
  const sys = new SimSys({ seed: 1, abi });
  const log = logOf(scenario, sys, false, 'kqueue');
  assert.deepEqual(sys.openDescriptors(), []);
  return log;
}

function whyNoLibkqueue(): string | false {
  if (process.platform !== 'linux') return 'libkqueue stands in for kqueue on Linux only';
  const kq = nativeSys().kqueue();
  if (kq < 0) return 'libkqueue cannot be loaded; SOCKLOOP_LIBKQUEUE may name it';
  nativeSys().close(kq);
  return false;
}

const skip = whyNoLibkqueue();

for (const [name, scenario] of Object.entries(commonKqueueScenarios)) {
  test(`sim kqueue: ${name}: the same on all three`, () => {
    const linux = simulated('linux', scenario);
    assert.deepEqual(simulated('darwin', scenario), linux);
    assert.deepEqual(simulated('freebsd', scenario), linux);
  });
}

for (const [name, scenario] of Object.entries({
  ...commonKqueueScenarios,
  ...differingKqueueScenarios,
})) {
  test(`sim kqueue: ${name}: as the real libkqueue`, { skip }, () => {
    const real = logOf(scenario, nativeSys(), true, 'kqueue');
    assert.deepEqual(simulated('linux', scenario), real);
  });
}

for (const platform of ['darwin', 'freebsd'] as const) {
  const log = (name: string): string[] => {
    const scenario = differingKqueueScenarios[name];
    assert.ok(scenario !== undefined);
    return simulated(platform, scenario);
  };

  test(`sim kqueue: ${platform}: close removes what was registered`, () => {
    assert.deepEqual(log('close'), [
      'ADD: 0',
      'closed: 0',
      'the number is reused: true',
      'ADD of the new one: 0',
      'its event: 1 left READ 1',
      'DELETE: 0',
      'ADD: 0',
      'now it is watched: 1 left READ 1',
    ]);
    const missing = platform === 'freebsd' ? 'EBADF' : 'ENOENT';
    assert.deepEqual(log('close with a dup').slice(2), [
      'closed, its dup lives: 0',
      `DELETE: ${missing}`,
      'what is left of it: 0',
      'the dup is closed: 0',
    ]);
  });

  test(`sim kqueue: ${platform}: receipts are returned at once`, () => {
    assert.deepEqual(log('receipts with room'), [
      'a receipt with room: 1 left READ ERROR 0',
      'an error with room: 1 999 READ ERROR EBADF',
      'a receipt without room: 0',
      // FreeBSD stops at a receipt that has no slot; macOS goes on.
      `the second: ${platform === 'freebsd' ? 'ENOENT' : '0'}`,
      'an error, and something is ready: 1 999 READ ERROR EBADF',
    ]);
  });

  test(`sim kqueue: ${platform}: ADD with DISABLE starts disabled`, () => {
    assert.deepEqual(log('ADD with DISABLE'), [
      'ADD DISABLE: 0',
      'disabled: 0',
      'ENABLE: 0',
      'enabled: 1 left READ 1',
    ]);
  });

  test(`sim kqueue: ${platform}: an error stays until it is taken`, () => {
    const room = 65_536;
    assert.deepEqual(log('errors of sockets'), [
      'ADD unconnected: 0',
      'unconnected: 0',
      'DELETE: 0',
      'connect: EINPROGRESS',
      'ADD: 0',
      `refused: 2 fresh READ EOF ECONNREFUSED 0, fresh WRITE EOF ECONNREFUSED ${room}`,
      `and again: 2 fresh READ EOF ECONNREFUSED 0, fresh WRITE EOF ECONNREFUSED ${room}`,
      'SO_ERROR: ECONNREFUSED',
      'DELETE: 0',
      'ADD: 0',
      'reset: 1 client READ EOF ECONNRESET 3',
      'and again: 1 client READ EOF ECONNRESET 3',
      'recv: "abc"',
      'recv: ECONNRESET',
    ]);
  });

  test(`sim kqueue: ${platform}: data is what the manual says`, () => {
    const room = 65_536;
    assert.deepEqual(log('writing'), [
      'ADD: 0',
      `idle: 1 left WRITE ${room}`,
      `bytes and an end: 2 left READ EOF 3, left WRITE ${room}`,
      `an end: 2 left READ EOF 0, left WRITE ${room}`,
      `both ends: 2 left READ EOF 0, left WRITE EOF ${room}`,
      'DELETE: 0',
      'ADD: 0',
      'two connections: 1 listener READ 2',
      'DELETE: 0',
      'ADD: 0',
      'a pipe: 1 reader READ 3',
      'and its end: 1 reader READ EOF 3',
    ]);
  });
}
