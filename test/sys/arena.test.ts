// Goal: the kernel can use the memory of an arena, and gets it back.
// Method: bytes through a socket pair, and the mappings of this process.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Socket } from '#src/socket/index.js';
import { Arena } from '#src/sys/arena.js';
import { nativeSys } from '#src/sys/native.js';
import { SysError } from '#src/sys/sys-error.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from './stand-in.ts';

const sys = nativeSys();
const PAGE_BYTES = 16384;

test('arena: it is zeroed, writable, and of the given length', (t) => {
  leakCheck(t);
  for (const length of [1, 4095, 4096, 3 * PAGE_BYTES]) {
    const arena = new Arena(sys, length);
    t.after(() => arena.close());
    assert.equal(arena.length, length);
    assert.equal(arena.bytes.length, length);
    assert.equal(arena.address % 4096, 0);
    assert.ok(arena.bytes.every((byte) => byte === 0));
    arena.bytes.fill(0xa5);
    assert.ok(arena.bytes.every((byte) => byte === 0xa5));
    assert.equal(arena.bytes, arena.bytes, 'the same view each time');
  }
});

test('arena: memory that is mapped again is zeroed', (t) => {
  leakCheck(t);
  for (let round = 0; round < 50; round++) {
    const arena = new Arena(sys, PAGE_BYTES);
    assert.ok(
      arena.bytes.every((byte) => byte === 0),
      `round ${round}`,
    );
    arena.bytes.fill(0xff);
    arena.close();
  }
});

test('arena: the kernel receives into it and sends from it', (t) => {
  leakCheck(t);
  const arena = new Arena(sys, 2 * PAGE_BYTES);
  t.after(() => arena.close());
  const [left, right] = Socket.pair();
  t.after(() => [left.close(), right.close()]);
  arena.bytes.set([1, 2, 3, 4, 5], 10);
  assert.equal(sys.send(left.fileno(), arena.bytes, 11, 3, 0), 3);
  assert.equal(sys.recv(right.fileno(), arena.bytes, PAGE_BYTES, 100, 0), 3);
  assert.deepEqual([...arena.bytes.subarray(PAGE_BYTES, PAGE_BYTES + 4)], [2, 3, 4, 0]);
  const last = arena.length - 1;
  assert.equal(sys.send(left.fileno(), arena.bytes, 10, 1, 0), 1);
  assert.equal(sys.recv(right.fileno(), arena.bytes, last, 1, 0), 1);
  assert.equal(arena.bytes[last], 1);
  const beyond = { name: 'RangeError' };
  assert.throws(() => sys.recv(right.fileno(), arena.bytes, last, 2, 0), beyond);
  assert.throws(() => sys.send(left.fileno(), arena.bytes, 0, arena.length + 1, 0), beyond);
});

test('arena: lengths out of range are refused before anything is mapped', (t) => {
  leakCheck(t);
  const unmapped = standIn(sys, { mmap: () => assert.fail('it was mapped') });
  for (const length of [0, -1, 1.5, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY]) {
    const message = `an arena holds 1 to 2147483647 bytes, not ${length}`;
    assert.throws(() => new Arena(unmapped, length), new RangeError(message));
  }
});

test('arena: the largest one costs nothing until it is touched', (t) => {
  leakCheck(t);
  const arena = new Arena(sys, 2 ** 31 - 1);
  t.after(() => arena.close());
  arena.bytes[arena.length - 1] = 7;
  assert.equal(arena.bytes[arena.length - 1], 7);
  assert.equal(arena.bytes[arena.length - PAGE_BYTES], 0);
});

test('arena: bytes throws once it is closed, and a second close does nothing', (t) => {
  leakCheck(t);
  let unmapped = 0;
  const counting = standIn(sys, {
    munmap: (address, length) => {
      unmapped += 1;
      return sys.munmap(address, length);
    },
  });
  const arena = new Arena(counting, PAGE_BYTES);
  arena.close();
  arena.close();
  arena[Symbol.dispose]();
  assert.equal(unmapped, 1);
  assert.throws(() => arena.bytes, new Error('the arena is closed'));
});

test('arena: errors have the code of the kernel', (t) => {
  leakCheck(t);
  const { ENOMEM, EINVAL = 0 } = sys.abi.errno;
  const full = standIn(sys, { mmap: () => -ENOMEM });
  assert.throws(
    () => new Arena(full, 4096),
    (error) => {
      assert.ok(error instanceof SysError);
      assert.deepEqual([error.code, error.syscall, error.errno], ['ENOMEM', 'mmap', -ENOMEM]);
      assert.match(error.message, /^cannot map 4096 bytes: ENOMEM \(/);
      return true;
    },
  );
  let address = 0;
  const stuck = standIn(sys, { munmap: () => -EINVAL });
  const arena = new Arena(stuck, 4096);
  address = arena.address;
  t.after(() => sys.munmap(address, 4096));
  assert.throws(() => arena.close(), { code: 'EINVAL', syscall: 'munmap' });
  arena.close();
});

test('arena: many rounds leave no mapping behind', (t) => {
  leakCheck(t);
  if (process.platform !== 'linux') return t.skip('/proc/self/maps exists on Linux only');
  const length = 37 * 4096 + 1;
  const mappings = (): [from: number, to: number][] => {
    const maps = readFileSync('/proc/self/maps', 'latin1').matchAll(/^([\da-f]+)-([\da-f]+) /gm);
    return Array.from(maps, ([, from = '', to = '']) => [
      Number.parseInt(from, 16),
      Number.parseInt(to, 16),
    ]);
  };
  // Adjacent mappings are listed as one, so count their bytes.
  const mappedBytes = () => mappings().reduce((sum, [from, to]) => sum + to - from, 0);
  const before = mappedBytes();
  for (let round = 0; round < 2000; round++) {
    const arena = new Arena(sys, length);
    arena.bytes[round] = 1;
    if (round % 500 === 0) {
      assert.ok(mappings().some(([from, to]) => from <= arena.address && arena.address < to));
    }
    arena.close();
  }
  // The JavaScript heap grows a little meanwhile.
  const grown = mappedBytes() - before;
  assert.ok(grown < 500 * length, `${grown} bytes more are mapped`);
});
