// Goal: the queues of an io_uring are right at every index, and no refusal of the kernel loses what
// was put.
// Method: a ring in plain memory, of which the test is the kernel. (The queues of a real kernel
// begin at 0, and nobody waits until they wrap.)

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ADDRESSES_MAX, SUBMIT_ATTEMPTS_MAX } from '#src/ring/limits.js';
import type { RingMemory } from '#src/ring/memory.js';
import { Ring } from '#src/ring/ring.js';
import { nativeSys } from '#src/sys/native.js';
import { SysError } from '#src/sys/sys-error.js';
import { leakCheck } from '#test/harness/leaks.js';
import { COMPLETIONS, PlainRing, SUBMISSIONS } from './plain-memory.ts';

const { abi } = nativeSys();
const skip = abi.ioUring === null ? 'the tables of this platform have no io_uring' : false;
const { EINTR, EAGAIN, EBUSY = 16, ETIME = 62, EBADR = 53, EFAULT = 14 } = abi.errno;

/** Indices of both queues: new ones, and shortly before the sign and before 32 bits are used up. */
const STARTS = [0, 2 ** 31 - 5, -5];

/** A ring whose queues a test can look at. */
class OpenedRing extends Ring {
  get queues(): RingMemory {
    return this.memory;
  }
}

/** Puts an entry for each number, which it carries. */
function putNumbered(memory: RingMemory, numbers: readonly number[]): void {
  for (const number of numbers) {
    assert.ok(memory.hasRoom);
    memory.push(0, -1, 0, 0, 0, 10, 0, number, number + 1);
  }
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The numbers of the entries that the kernel could take now. */
function offered(kernel: PlainRing): number[] {
  return kernel.offered.map(([low]) => low);
}

/** All completions that are there. */
function completions(memory: RingMemory): number[][] {
  return Array.from({ length: memory.acquire() }, (_, index) => {
    const place = memory.place(index);
    const [low, high] = [memory.dataLow(place), memory.dataHigh(place)];
    return [low, high, memory.result(place), memory.flags(place)];
  });
}

function entriesFrom(start: number, withArray: boolean): void {
  it('offers entries in their order and none twice, round after round', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(start, withArray);
    const ring = new OpenedRing(kernel.sys);
    for (let round = 0; round < 10; round++) {
      const numbers = range(round * 100, round * 100 + (round % SUBMISSIONS));
      putNumbered(ring.queues, numbers);
      assert.equal(ring.queues.pending, numbers.length);
      assert.equal(ring.queues.publish(), numbers.length);
      const expected = numbers.map((number) => [number, number + 1]);
      assert.deepEqual(kernel.offered, expected);
      assert.ok(ring.submit());
      assert.equal(ring.queues.pending, 0);
      assert.deepEqual(kernel.offered, []);
    }
  });

  it('is full with as many entries as it has, and takes more when some are gone', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(start, withArray);
    const ring = new OpenedRing(kernel.sys);
    putNumbered(ring.queues, range(1, SUBMISSIONS));
    assert.equal(ring.queues.hasRoom, false);
    kernel.onEnter = () => kernel.take(3);
    ring.enter(0);
    assert.equal(ring.queues.pending, SUBMISSIONS - 3);
    putNumbered(ring.queues, [20, 21, 22]);
    assert.equal(ring.queues.hasRoom, false);
    ring.queues.publish();
    assert.deepEqual(offered(kernel), [...range(4, SUBMISSIONS), 20, 21, 22]);
  });

  it('lengthens the last entry while it is there and carries the same data', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(start, withArray);
    const ring = new OpenedRing(kernel.sys);
    for (let round = 0; round < 2 * SUBMISSIONS; round++) {
      putNumbered(ring.queues, [7]);
      assert.equal(ring.queues.lengthenLast(8, 8, 5), false, 'other data');
      assert.equal(ring.queues.lengthenLast(7, 8, 5), true);
      ring.queues.publish();
      assert.equal(kernel.lastEntry(6), 15);
      assert.ok(ring.submit());
      assert.equal(ring.queues.lengthenLast(7, 8, 5), false, 'taken');
    }
  });
}

function completionsFrom(start: number, withArray: boolean): void {
  it('reads completions in their order, round after round', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(start, withArray);
    const { queues: memory } = new OpenedRing(kernel.sys);
    for (let round = 0; round < 10; round++) {
      const posted = range(1, 1 + ((round * 3) % COMPLETIONS)).map((n) => [round, n, -n, n * 7]);
      for (const [low = 0, high = 0, result = 0, flags = 0] of posted) {
        assert.ok(kernel.post(low, high, result, flags));
      }
      assert.deepEqual(completions(memory), posted);
      memory.overwriteData(memory.place(0), 99);
      assert.deepEqual(completions(memory)[0]?.slice(0, 2), [0, 99]);
      // Given back in two parts.
      memory.release(1);
      assert.deepEqual(completions(memory), posted.slice(1));
      memory.release(posted.length - 1);
      assert.equal(memory.acquire(), 0);
    }
  });

  it('says that completions are kept back for as long as they are', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(start, withArray);
    const { queues: memory } = new OpenedRing(kernel.sys);
    for (let n = 0; n < COMPLETIONS; n++) assert.ok(kernel.post(n, 0, 0));
    assert.equal(memory.acquire(), COMPLETIONS);
    assert.equal(memory.overflowed, false, 'full, and nothing more');
    assert.equal(kernel.post(COMPLETIONS, 0, 0), false);
    assert.equal(memory.acquire(), COMPLETIONS);
    assert.equal(memory.overflowed, true);
    memory.release(COMPLETIONS);
    assert.equal(memory.overflowed, true, 'also once there is room');
    assert.ok(kernel.post(COMPLETIONS, 0, 0));
    kernel.flush();
    assert.equal(memory.overflowed, false);
    assert.deepEqual(completions(memory), [[COMPLETIONS, 0, 0, 0]]);
  });
}

for (const start of STARTS) {
  for (const withArray of [true, false]) {
    const title = `ring memory: from index ${start}${withArray ? ', with an array' : ''}`;
    describe(title, { skip }, () => {
      entriesFrom(start, withArray);
      completionsFrom(start, withArray);
    });
  }
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('ring: io_uring_enter(2) that does not do all', { skip }, () => {
  it('a signal, a timeout and a kernel short of memory lose nothing', (t) => {
    leakCheck(t);
    for (const errno of [EINTR, EAGAIN, EBUSY, ETIME]) {
      const kernel = new PlainRing(0, true);
      const ring = new OpenedRing(kernel.sys);
      putNumbered(ring.queues, [1, 2, 3]);
      kernel.onEnter = () => -errno;
      ring.enter(10);
      assert.equal(ring.interrupted, errno === EINTR);
      assert.equal(ring.queues.pending, 3);
      assert.deepEqual(offered(kernel), [1, 2, 3]);
      kernel.onEnter = (toSubmit) => kernel.take(toSubmit);
      ring.enter(null);
      assert.equal(ring.interrupted, false);
      assert.equal(ring.queues.pending, 0);
      assert.deepEqual(
        kernel.enters.map(({ toSubmit }) => toSubmit),
        [3, 3],
      );
    }
  });

  it('an error of the wait hides how much was submitted, and the queue tells', (t) => {
    leakCheck(t);
    for (const errno of [EINTR, ETIME]) {
      const kernel = new PlainRing(-2, true);
      const ring = new OpenedRing(kernel.sys);
      putNumbered(ring.queues, [1, 2, 3, 4, 5]);
      kernel.onEnter = () => {
        kernel.take(3);
        return -errno;
      };
      ring.enter(10);
      assert.equal(ring.queues.pending, 2);
      kernel.onEnter = (toSubmit) => kernel.take(toSubmit);
      ring.enter(0);
      assert.equal(ring.queues.pending, 0);
      assert.deepEqual(
        kernel.enters.map(({ toSubmit }) => toSubmit),
        [5, 2],
      );
    }
  });

  it('what is taken in parts is offered again until all is gone', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(0, true);
    const ring = new OpenedRing(kernel.sys);
    putNumbered(ring.queues, range(1, 7));
    kernel.onEnter = (toSubmit) => kernel.take(Math.min(toSubmit, 2));
    assert.equal(ring.submit(), true);
    assert.deepEqual(
      kernel.enters.map(({ toSubmit }) => toSubmit),
      [7, 5, 3, 1],
    );
    assert.ok(
      kernel.enters.every(({ minComplete }) => minComplete === 0),
      'without a wait',
    );
  });

  it('a kernel that takes nothing is asked so often and no more', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(0, true);
    const ring = new OpenedRing(kernel.sys);
    putNumbered(ring.queues, [1]);
    kernel.onEnter = () => -EAGAIN;
    assert.equal(ring.submit(), false);
    assert.equal(kernel.enters.length, SUBMIT_ATTEMPTS_MAX);
    assert.equal(ring.queues.pending, 1);
  });

  it('lost completions (EBADR) and what is wrong (EFAULT) are errors that name the call', (t) => {
    leakCheck(t);
    for (const [code, errno] of Object.entries({ EBADR, EFAULT })) {
      for (const call of ['enter', 'submit'] as const) {
        const kernel = new PlainRing(0, true);
        const ring = new OpenedRing(kernel.sys);
        putNumbered(ring.queues, [1]);
        kernel.onEnter = () => -errno;
        assert.throws(
          () => (call === 'enter' ? ring.enter(0) : ring.submit()),
          (error: unknown) => {
            assert.ok(error instanceof SysError);
            assert.deepEqual([error.code, error.syscall], [code, 'io_uring_enter']);
            assert.match(error.message, new RegExp(`io_uring: ${code} \\(`));
            return true;
          },
        );
      }
    }
  });
});

describe('submission: a queue that is full', { skip }, () => {
  it('is handed over early, and the operation is put behind', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(2 ** 31 - 4, false);
    const ring = new OpenedRing(kernel.sys);
    const { submission } = ring;
    for (let n = 0; n < 3 * SUBMISSIONS; n++) assert.ok(submission.poll(9, 1, n, 6));
    assert.deepEqual(
      kernel.enters.map(({ toSubmit }) => toSubmit),
      [SUBMISSIONS, SUBMISSIONS],
    );
    ring.queues.publish();
    assert.deepEqual(offered(kernel), range(2 * SUBMISSIONS, 3 * SUBMISSIONS - 1));
  });

  it('says no and puts nothing while the kernel takes nothing', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(0, true);
    const ring = new OpenedRing(kernel.sys);
    const { submission } = ring;
    for (let n = 0; n < SUBMISSIONS; n++) assert.ok(submission.poll(9, 1, n, 6));
    kernel.onEnter = () => -EBUSY;
    const refused = [
      submission.accept(9, 50, 4, true),
      submission.receive(9, 50, 1, true),
      submission.sendNow(9, 0, 1, 50, 2),
      submission.send(9, 4096, 1, 50, 3),
      submission.connect(9, new Uint8Array(16), 50, 5),
      submission.poll(9, 1, 50, 6),
      submission.cancel(50, 6, 0),
      submission.cancelAll(0),
    ];
    assert.deepEqual(new Set(refused), new Set([false]));
    assert.deepEqual(offered(kernel), range(0, SUBMISSIONS - 1));
    kernel.onEnter = (toSubmit) => kernel.take(toSubmit);
    assert.ok(submission.poll(9, 1, 51, 6));
    ring.queues.publish();
    assert.deepEqual(kernel.offered, [[51, 6]]);
  });

  it('keeps the address of a connect until the kernel has taken it', (t) => {
    leakCheck(t);
    const kernel = new PlainRing(0, true);
    const ring = new OpenedRing(kernel.sys);
    const { submission } = ring;
    const { address: base, bytes } = ring.region;
    const waiting: { place: number; n: number }[] = [];
    kernel.onEnter = (toSubmit) => {
      for (const { place, n } of waiting.splice(0)) {
        assert.deepEqual([...bytes.subarray(place, place + 8)], new Array(8).fill(n));
      }
      return kernel.take(toSubmit);
    };
    for (let n = 1; n <= 3 * ADDRESSES_MAX; n++) {
      assert.ok(submission.connect(9, new Uint8Array(8).fill(n), n, 5));
      ring.queues.publish();
      waiting.push({ place: kernel.lastEntry(4) + kernel.lastEntry(5) * 2 ** 32 - base, n });
    }
    assert.ok(ring.submit());
    assert.equal(waiting.length, 0);
  });
});
