// Goal: a ring is set up with what this loop relies on, on old kernels too, and drives itself by
// its registered index where it has one.
// Method: a ring in plain memory, of which the test is the kernel.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ring } from '#src/ring/ring.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { PlainRing } from './plain-memory.ts';

const { abi } = nativeSys();
const skip = abi.ioUring === null ? 'the tables of this platform have no io_uring' : false;
const { EINVAL, EPERM = 1 } = abi.errno;

/** The bits by their names: a test of the sum alone would not say which one is missing. */
function flagsOf(flags: number): string[] {
  const known = Object.entries(abi.ioUring?.constants ?? {});
  return known
    .filter(([name, bit]) => name.startsWith('IORING_SETUP_') && (flags & bit) !== 0)
    .map(([name]) => name.replace('IORING_SETUP_', ''))
    .toSorted();
}

const NEEDED = ['CLAMP', 'CQSIZE', 'DEFER_TASKRUN', 'SINGLE_ISSUER', 'SUBMIT_ALL'];

test('ring set-up: its sizes and flags, and those of an older kernel', { skip }, (t) => {
  leakCheck(t);
  const kernel = new PlainRing(0, false);
  new Ring(kernel.sys);
  assert.deepEqual(
    kernel.setUps.map(({ entries, completions }) => [entries, completions]),
    [[256, 2048]],
  );
  assert.deepEqual(flagsOf(kernel.setUps[0]?.flags ?? 0), [...NEEDED, 'NO_SQARRAY'].toSorted());
  const older = new PlainRing(0, true);
  older.onSetUp = (flags) => (flagsOf(flags).includes('NO_SQARRAY') ? EINVAL : 0);
  new Ring(older.sys, { submissions: 64, completions: 256 });
  assert.deepEqual(
    older.setUps.map(({ entries, completions }) => [entries, completions]),
    [
      [64, 256],
      [64, 256],
    ],
  );
  assert.deepEqual(flagsOf(older.setUps[1]?.flags ?? 0), NEEDED);
});

test('ring set-up: a kernel that is too old, and one that forbids it', { skip }, (t) => {
  leakCheck(t);
  for (const [errno, calls, words] of [
    [EINVAL, 2, /EINVAL.*it needs Linux 6\.1 or newer/],
    [EPERM, 1, /EPERM/],
  ] as const) {
    const kernel = new PlainRing(0, false);
    kernel.onSetUp = () => errno;
    assert.throws(() => new Ring(kernel.sys), words);
    assert.equal(kernel.setUps.length, calls);
  }
});

test('ring set-up: a registered ring is driven by its index, until it is closed', { skip }, (t) => {
  leakCheck(t);
  const { constants: known, structs } = abi.ioUring ?? assert.fail('no io_uring');
  const { offset, data } = structs.io_uring_rsrc_update.fields;
  for (const isRegistered of [true, false]) {
    const kernel = new PlainRing(0, false);
    const calls: [number, number, bigint][] = [];
    kernel.onRegister = (opcode, argument) => {
      const bytes = kernel.bytesAt(argument, structs.io_uring_rsrc_update.size);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const index = view.getUint32(offset.offset, true);
      calls.push([opcode, index, view.getBigUint64(data.offset, true)]);
      if (!isRegistered) return -EINVAL;
      view.setUint32(offset.offset, 3, true);
      return 1;
    };
    const ring = new Ring(kernel.sys);
    ring.enter(0);
    ring.submission.poll(9, 1, 1, 6);
    ring.submit();
    const registered = known.IORING_ENTER_REGISTERED_RING;
    assert.deepEqual(
      kernel.enters.map(({ fd, flags }) => [fd, (flags & registered) !== 0]),
      isRegistered
        ? [
            [3, true],
            [3, true],
          ]
        : [
            [1000, false],
            [1000, false],
          ],
    );
    const events = kernel.enters.map(({ flags }) => (flags & known.IORING_ENTER_GETEVENTS) !== 0);
    assert.deepEqual(events, [true, false], 'to submit runs no completions');
    ring.close();
    const first = [known.IORING_REGISTER_RING_FDS, 0xffff_ffff, 1000n];
    const last = [known.IORING_UNREGISTER_RING_FDS, 3, 0n];
    assert.deepEqual(calls, isRegistered ? [first, last] : [first]);
  }
});
