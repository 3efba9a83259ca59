// Goal: `make memory` sees a wrong length in a program, in a thread of it, and in the package.
// Method: programs with the preload that send more bytes than they have.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { leakCheck } from '#test/harness/leaks.js';
import { root } from '#test/harness/programs.js';

const send = (native: string): string => `
  const { nativeSys } = await import(${JSON.stringify(native)});
  const view = new Uint8Array(8);
  try { nativeSys().send(1, view, 0, 9, 0); } catch { /* The file has it. */ }
`;

const inThread = (native: string): string => `
  const { Worker } = await import('node:worker_threads');
  const script = encodeURIComponent(${JSON.stringify(send(native))});
  new Worker(new URL('data:text/javascript,' + script));
`;

for (const [what, script] of [
  ['a program', send],
  ['a thread', inThread],
] as const) {
  test(`memory everywhere: ${what} that sends more than it has`, (t) => {
    leakCheck(t);
    const page = join(tmpdir(), `memory-faults-${process.pid}.txt`);
    t.after(() => rmSync(page, { force: true }));
    const preload = new URL('./preload.js', import.meta.url);
    const native = `file://${root}dist/src/sys/native.js`;
    const env = {
      ...process.env,
      SOCKLOOP_MEMORY_FAULTS: page,
      NODE_OPTIONS: `--import=${preload}`,
    };
    const options = ['--input-type=module', '--eval', script(native)];
    const { status, stderr } = spawnSync(process.execPath, options, { env, encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(readFileSync(page, 'utf8'), /^Error: send: 9 bytes at 0 of 8\n {4}at /);
  });
}
