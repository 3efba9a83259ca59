// Goal: in borrowed mode a datagram allocates nothing, sent or received, with its address and what
// the kernel tells of it.
// Method: millions of them in a process with a young generation of one megabyte, whose collections
// are counted: one for each megabyte or so that was allocated.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leakCheck } from '#test/harness/leaks.js';

const LIMIT_MS = 120_000;
const MEGABYTE = 2 ** 20;

/** The smallest object takes 16 bytes: one for every second datagram would show. */
const BYTES_MAX = 8;

test('datagrams: nothing is allocated for each in borrowed mode', { timeout: LIMIT_MS }, (t) => {
  leakCheck(t);
  const child = fileURLToPath(new URL('./heap-child.js', import.meta.url));
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--max-semi-space-size=1', child],
    { encoding: 'utf8', timeout: LIMIT_MS },
  );
  assert.equal(status, 0, stderr);
  const { sent, received, collections, read } = JSON.parse(stdout);
  assert.ok(sent >= 2_000_000 && received > sent / 2 && read, stdout);
  const bytes = (collections * MEGABYTE) / (sent + received);
  t.diagnostic(`${collections} collections for ${sent} sent and ${received} received datagrams`);
  assert.ok(bytes < BYTES_MAX, `${bytes.toFixed(1)} bytes a datagram: ${stdout}`);
});
