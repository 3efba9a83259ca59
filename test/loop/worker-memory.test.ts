// Goal: a worker that ends leaves no memory of its loops mapped: a program that replaces threads
// does not grow.
// Method: the mappings without a file of /proc/self/maps, before and after workers on a loop with
// rings and on one with machine code, ended by an error and in the middle of a turn.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutLoop } from '#test/harness/loops.js';
import { reasonWithoutProc } from '#test/harness/other-programs.js';
import type { MemoryTask } from './worker-memory-worker.ts';

const timeout = 120_000;
/** Threads until the arenas of the allocator are those that stay. */
const WARM_UPS = 2;
const WORKERS = 8;
/** The memory of a ring takes 17 MiB; what Node and koffi leave, of which they touch little, 4. */
const LEFT_BYTES_MAX = 8 * 2 ** 20;

const TASKS: readonly MemoryTask[] = [
  { loop: 'io_uring', ending: 'error' },
  { loop: 'io_uring', ending: 'exit in a handler' },
  { loop: 'epoll', ending: 'handler' },
];

/** Bytes that are mapped without a file: data, and machine code that is not V8's. */
function mappedHere(): { readonly data: number; readonly code: number } {
  const mapped = { data: 0, code: 0 };
  const maps = readFileSync('/proc/self/maps', 'utf8');
  const mappings = /^([0-9a-f]+)-([0-9a-f]+) (rw-p|r-xp) 0+ 00:00 0 *$/gm;
  for (const [, from = '', to = '', kind] of maps.matchAll(mappings)) {
    const bytes = Number.parseInt(to, 16) - Number.parseInt(from, 16);
    mapped[kind === 'rw-p' ? 'data' : 'code'] += bytes;
  }
  return mapped;
}

async function endWorkers(task: MemoryTask, count: number): Promise<void> {
  for (let ended = 0; ended < count; ended += 1) {
    const worker = new Worker(new URL('./worker-memory-worker.js', import.meta.url), {
      workerData: task,
    });
    const errors: Error[] = [];
    worker.on('error', (error) => errors.push(error));
    await new Promise((resolve) => worker.once('exit', resolve));
    for (const { message } of errors) assert.match(message, /^thrown /);
    assert.equal(errors.length, task.ending === 'exit in a handler' ? 0 : 1);
  }
}

for (const task of TASKS) {
  const skip = reasonWithoutProc || reasonWithoutLoop(task.loop);
  test(`worker memory: ${task.loop}: ${task.ending}`, { timeout, skip }, async (t) => {
    leakCheck(t);
    await endWorkers(task, WARM_UPS);
    const before = mappedHere();
    await endWorkers(task, WORKERS);
    const after = mappedHere();
    const left = (after.data - before.data) / WORKERS;
    assert.ok(left < LEFT_BYTES_MAX, `each thread leaves ${left} bytes`);
    assert.equal(after.code, before.code, 'machine code is unmapped');
  });
}
