// Goal: one page of a process becomes executable, never while it is writable, and where that is
// refused nothing is left. Method: /proc/self/maps of a new process; a C library that answers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abiFor } from '#src/sys/abi/index.js';
import { openBatchCode } from '#src/sys/batch/executable-page.js';
import { arm64Code, x64Code } from '#src/sys/batch/machine-code.js';
import type { CLibrary } from '#src/sys/c-library.js';
import { nativeSys } from '#src/sys/native.js';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutProc } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';

const { batching } = nativeSys();
const skip = reasonWithoutProc || (batching === true ? false : batching.reason);

/** Prints the protection of each executable page that begins with the code, before and after. */
const LOOK = `
import { readFileSync, openSync, readSync } from 'node:fs';
import { arm64Code, x64Code } from '#src/sys/batch/machine-code.js';
import { EventLoop } from '#src/net/event-loop.js';
import { nativeSys } from '#src/sys/native.js';
const code = Buffer.from((process.arch === 'x64' ? x64Code : arm64Code).bytes);
const memory = openSync('/proc/self/mem', 'r');
function pages() {
  const found = [];
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\\n')) {
    const [, first, end, protection] = /^([0-9a-f]+)-([0-9a-f]+) (..x.) /.exec(line) ?? [];
    if (first === undefined || line.includes('[v')) continue;
    const bytes = Buffer.alloc(code.length);
    for (let at = parseInt(first, 16); at < parseInt(end, 16); at += 4096) {
      readSync(memory, bytes, 0, bytes.length, at);
      if (bytes.equals(code)) found.push(protection);
    }
  }
  return found;
}
nativeSys();
new EventLoop({ backend: 'poll', batch: false }).close();
const before = pages();
new EventLoop({ backend: 'poll' }).close();
const after = pages();
for (let loop = 0; loop < 5; loop++) new EventLoop({ backend: 'poll' }).close();
console.log(JSON.stringify({ before, after, later: pages() }));
`;

test('executable page: one of a process that has a loop, and it is read-only', {
  skip,
  timeout: 60_000,
}, async (t) => {
  leakCheck(t);
  const words = [process.execPath, '--input-type=module', '-e', LOOK];
  const { status, out, err } = await run(t, words, '', { cwd: root });
  assert.deepEqual([status, err], [0, '']);
  const one = ['r-xp'];
  assert.deepEqual(JSON.parse(out), { before: [], after: one, later: one });
});

const PAGE = 0x7000_0000;

/** A C library that gives one page, and writes down what is asked of it. */
function answering(answers: { readonly mmap?: number; readonly mprotect?: number } = {}) {
  const calls: string[] = [];
  const memory = new Uint8Array(4096);
  const functions: Partial<CLibrary> = {
    mmap: (address, length, protection, flags, fd, offset) => {
      calls.push(`mmap ${[address, length, protection, flags, fd, offset].join()}`);
      return answers.mmap ?? PAGE;
    },
    mprotect: (address, length, protection) => {
      const written = memory.some((byte) => byte !== 0);
      calls.push(`mprotect ${[address - PAGE, length, protection].join()} ${written}`);
      return answers.mprotect ?? 0;
    },
    munmap: (address, length) => {
      calls.push(`munmap ${address - PAGE},${length}`);
      return 0;
    },
    view: () => memory,
    batchAt: () => () => 0,
    errno: () => 13,
    strerror: () => 'Permission denied',
  };
  return { c: functions as CLibrary, calls, memory };
}

for (const [platform, code] of [
  ['x64', x64Code],
  ['arm64', arm64Code],
] as const) {
  const abi = abiFor('linux', platform);
  assert.ok(abi !== null);
  const { PROT_READ, PROT_WRITE, PROT_EXEC, MAP_PRIVATE, MAP_ANONYMOUS } = abi.constants;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const mapped = `mmap 0,4096,${PROT_READ | PROT_WRITE},${flags},-1,0`;
  const executable = `mprotect 0,4096,${PROT_READ | PROT_EXEC} true`;

  test(`executable page: ${platform}: it is written, then executable`, (t) => {
    leakCheck(t);
    const { c, calls, memory } = answering();
    const opened = openBatchCode(c, abi);
    assert.ok('make' in opened);
    assert.deepEqual(calls, [mapped, executable]);
    assert.deepEqual(memory.subarray(0, code.bytes.length), code.bytes);
    assert.ok(memory.subarray(code.bytes.length).every((byte) => byte === 0));
  });

  test(`executable page: ${platform}: refused, it is taken back`, (t) => {
    leakCheck(t);
    const { c, calls } = answering({ mprotect: -1 });
    assert.deepEqual(openBatchCode(c, abi), {
      reason: 'the kernel allows no executable page: mprotect: EACCES (permission denied)',
    });
    assert.deepEqual(calls, [mapped, executable, 'munmap 0,4096']);
    const none = answering({ mmap: -1 });
    assert.deepEqual(openBatchCode(none.c, abi), {
      reason: 'the kernel allows no executable page: mmap: EACCES (permission denied)',
    });
    assert.deepEqual(none.calls, [mapped]);
  });
}

test('executable page: elsewhere the calls are made one by one', (t) => {
  leakCheck(t);
  for (const system of ['darwin', 'freebsd']) {
    const abi = abiFor(system, 'arm64');
    assert.ok(abi !== null);
    const { c, calls } = answering();
    const reason = `the calls are made one by one on ${system}-arm64`;
    assert.deepEqual(openBatchCode(c, abi), { reason });
    assert.deepEqual(calls, []);
  }
});
