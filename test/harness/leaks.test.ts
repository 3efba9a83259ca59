// Goal: the leak check of the other tests sees what is left open, and only that.
// Method: open something of each kind, ask, close it, ask again.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { leakCheck, leaksSince, openFds, openResources } from './leaks.ts';

test('leaks: an open descriptor is seen until it is closed', () => {
  const before = openResources();
  const fd = openSync('/dev/null', 'r');
  assert.match(openFds().get(fd) ?? '', /null|open/);
  assert.equal(leaksSince(before).length, 1);
  closeSync(fd);
  assert.deepEqual(leaksSince(before), []);
});

test('leaks: a timer is seen until it is cleared', () => {
  const before = openResources();
  const timer = setTimeout(() => undefined, 60_000);
  assert.deepEqual(leaksSince(before), ['1 active Timeout']);
  clearTimeout(timer);
  assert.deepEqual(leaksSince(before), []);
});

test('leaks: a child process that has ended leaves nothing', () => {
  const before = openResources();
  spawnSync(process.execPath, ['--version']);
  assert.deepEqual(leaksSince(before), []);
});

test('leaks: the check waits for the clean-up of the test', async (t) => {
  leakCheck(t);
  const fd = openSync('/dev/null', 'r');
  t.after(() => closeSync(fd));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
});
