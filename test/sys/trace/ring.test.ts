// Goal: a trace prints the calls of io_uring as strace does.
// Method: golden lines of a stand-in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abiFor } from '#src/sys/abi/index.js';
import type { Sys } from '#src/sys/sys.js';
import { TracingSys } from '#src/sys/trace/tracing-sys.js';
import { leakCheck } from '#test/harness/leaks.js';

/** A kernel of `platform` whose calls return `result`; io_uring_setup answers as Linux 6.1 does. */
function traced(platform: string, result: number) {
  const abi = abiFor(platform, 'x64') ?? assert.fail('no table');
  const answer = (): number => result;
  const answering: Partial<Sys> = {
    abi,
    io_uring_setup: (_entries, params) => {
      const words = new Uint32Array(params.buffer);
      if (result >= 0) words.set([256, 512], 0);
      if (result >= 0) words[5] = 0x80000003;
      return result;
    },
    io_uring_enter: answer,
    io_uring_register: answer,
    mmap: answer,
    address: answer,
    strerror: () => 'Words',
  };
  const lines: string[] = [];
  const sys = new TracingSys(answering as Sys, (line) => lines.push(line));
  return { sys, lines, ioUring: abi.ioUring };
}

/** An io_uring_params with these flags. */
function paramsOf(flags: number): Uint8Array {
  return new Uint8Array(
    Uint32Array.from({ length: 30 }, (_, word) => (word === 2 ? flags : 0)).buffer,
  );
}

test('sys-ring-trace: io_uring_setup', (t) => {
  leakCheck(t);
  const { sys, lines, ioUring } = traced('linux', 5);
  const { IORING_SETUP_CLAMP = 0, IORING_SETUP_CQSIZE = 0 } = ioUring?.constants ?? {};
  assert.equal(sys.io_uring_setup(200, paramsOf(IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE)), 5);
  sys.io_uring_setup(200, paramsOf(0));
  const refused = traced('linux', -1);
  refused.sys.io_uring_setup(0, paramsOf(IORING_SETUP_CLAMP | 0x40000000));
  const answered =
    'sq_entries=256, cq_entries=512, ' +
    'features=IORING_FEAT_SINGLE_MMAP|IORING_FEAT_NODROP|0x80000000';
  assert.deepEqual(
    [...lines, ...refused.lines],
    [
      `io_uring_setup(200, {flags=IORING_SETUP_CQSIZE|IORING_SETUP_CLAMP, ${answered}}) = 5`,
      `io_uring_setup(200, {flags=0, ${answered}}) = 5`,
      'io_uring_setup(0, {flags=IORING_SETUP_CLAMP|0x40000000}) = -1 EPERM (Words)',
    ],
  );
});

test('sys-ring-trace: io_uring_enter and io_uring_register', (t) => {
  leakCheck(t);
  const { sys, lines, ioUring } = traced('linux', 3);
  assert.ok(ioUring);
  const { IORING_ENTER_GETEVENTS, IORING_ENTER_EXT_ARG } = ioUring.constants;
  const { IORING_REGISTER_PBUF_RING, IORING_UNREGISTER_RING_FDS } = ioUring.constants;
  assert.equal(
    sys.io_uring_enter(5, 3, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, 0x1000, 24),
    3,
  );
  sys.io_uring_enter(5, 3, 0, 0, 0, 0);
  assert.equal(sys.io_uring_register(5, IORING_REGISTER_PBUF_RING, 0x1000, 1), 3);
  sys.io_uring_register(5, IORING_UNREGISTER_RING_FDS, 0x1000, 1);
  sys.io_uring_register(5, 999, 0, 0);
  assert.deepEqual(lines, [
    'io_uring_enter(5, 3, 1, IORING_ENTER_GETEVENTS|IORING_ENTER_EXT_ARG) = 3',
    'io_uring_enter(5, 3, 0, 0) = 3',
    'io_uring_register(5, IORING_REGISTER_PBUF_RING, 1) = 3',
    'io_uring_register(5, IORING_UNREGISTER_RING_FDS, 1) = 3',
    'io_uring_register(5, 999, 0) = 3',
  ]);
  assert.deepEqual([...sys.counts.values()], [2, 3]);
});

test('sys-ring-trace: the memory of a ring, and the address of a buffer', (t) => {
  leakCheck(t);
  const { sys, lines, ioUring } = traced('linux', 0x7f0000001000);
  assert.ok(ioUring);
  const { MAP_SHARED, MAP_POPULATE, IORING_OFF_SQ_RING, IORING_OFF_SQES } = ioUring.constants;
  sys.mmap(4096, 3, MAP_SHARED | MAP_POPULATE, 5, IORING_OFF_SQ_RING);
  sys.mmap(4096, 3, MAP_SHARED | MAP_POPULATE, 5, IORING_OFF_SQES);
  // Not a system call.
  assert.equal(sys.address(new Uint8Array(100)), 0x7f0000001000);
  const shown = 'mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_POPULATE, 5';
  assert.deepEqual(lines, [
    `${shown}, 0) = 0x7f0000001000`,
    `${shown}, 0x10000000) = 0x7f0000001000`,
  ]);
});

test('sys-ring-trace: a platform without io_uring', (t) => {
  leakCheck(t);
  const { sys, lines, ioUring } = traced('darwin', -1);
  assert.equal(ioUring, null);
  sys.io_uring_setup(8, paramsOf(1));
  sys.io_uring_enter(5, 3, 1, 9, 0, 0);
  sys.io_uring_register(5, 8, 0, 1);
  assert.deepEqual(lines, [
    'io_uring_setup(8, ?) = -1 EPERM (Words)',
    'io_uring_enter(5, 3, 1, 9) = -1 EPERM (Words)',
    'io_uring_register(5, 8, 1) = -1 EPERM (Words)',
  ]);
});
