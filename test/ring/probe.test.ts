// Goal: where a kernel does not give all that the ring needs, the answer says what failed and with
// what, and nothing is left behind.
// Method: the calls of this machine, of which one fails as an older or stricter kernel's would.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { RingBackend } from '#src/loop/ring/backend.js';
import { ringAvailable } from '#src/ring/probe.js';
import { abiFor } from '#src/sys/abi/index.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck } from '#test/harness/leaks.js';
import { withoutRing } from '#test/loop/ring/environment.js';
import { standIn } from '#test/sys/stand-in.js';

const sys = nativeSys();
const { ioUring } = sys.abi;
const { ENOSYS, EPERM = 1, EINVAL, EMFILE, ENOMEM } = sys.abi.errno;
const onLinux = ioUring === null ? 'the tables of this platform have no io_uring' : false;

/** Mappings of this process beside the heaps of V8 and the C library: rings and large areas. */
function mappings(): string[] {
  const lines = readFileSync('/proc/self/maps', 'latin1').split('\n');
  return lines.filter((line) => line.includes('io_uring'));
}

/** The answer for these calls, which must leave nothing. Nobody has asked for them before. */
function reasonOf(t: TestContext, own: Partial<Sys>): string {
  leakCheck(t);
  const before = mappings().length;
  const answer = ringAvailable(standIn(sys, own));
  assert.equal(mappings().length, before, 'no mapping of a ring is left');
  if (answer === true) assert.fail('it should not be there');
  return answer.reason;
}

/** One call of io_uring_register(2) that fails. */
function failing(opcode: number | undefined, errno: number): Partial<Sys> {
  return {
    io_uring_register: (fd, operation, arg, count) =>
      operation === opcode ? -errno : sys.io_uring_register(fd, operation, arg, count),
  };
}

/** The `which`-th mmap(2) that fails. */
function failingMap(which: number): Partial<Sys> {
  let calls = 0;
  return {
    mmap: (...call) => {
      calls += 1;
      return calls === which ? -ENOMEM : sys.mmap(...call);
    },
  };
}

const refusals: readonly (readonly [errno: number, reason: RegExp])[] = [
  [ENOSYS, /^cannot set up an io_uring: ENOSYS \(.+\); .+/],
  [EPERM, /^cannot set up an io_uring: EPERM \(.+\)/],
  [EINVAL, /^cannot set up an io_uring: EINVAL \(it needs Linux 6\.1 or newer\)$/],
  [EMFILE, /^cannot set up an io_uring: EMFILE \(.+\)$/],
];

for (const [errno, reason] of refusals) {
  test(`ring probe: io_uring_setup(2) fails: ${reason.source}`, { skip: onLinux }, (t) => {
    const calls: number[] = [];
    const own: Partial<Sys> = {
      io_uring_setup: (entries) => {
        calls.push(entries);
        return -errno;
      },
    };
    assert.match(reasonOf(t, own), reason);
    // Only what an older kernel may not know is asked for once more without it.
    assert.equal(calls.length, errno === EINVAL ? 2 : 1);
  });
}

test('ring probe: a platform without it', (t) => {
  leakCheck(t);
  const darwin = abiFor('darwin', 'arm64') ?? assert.fail('no table');
  const answer = ringAvailable(standIn(sys, { abi: darwin }));
  assert.deepEqual(answer, { reason: 'only Linux has io_uring' });
});

test('ring probe: memory that cannot be mapped', { skip: withoutRing }, (t) => {
  // So that the region has to be mapped too: one that is over is kept for the next.
  const other = new RingBackend(sys);
  t.after(() => other.destroy());
  for (const [which, reason] of [
    [1, /^cannot map the queues of an io_uring: ENOMEM \(/],
    [2, /^cannot map the queues of an io_uring: ENOMEM \(/],
    [3, /^cannot map \d+ bytes: ENOMEM \(/],
  ] as const) {
    assert.match(reasonOf(t, failingMap(which)), reason);
  }
  assert.equal(ringAvailable(standIn(sys, failingMap(4))), true);
});

test('ring probe: a kernel that does not say what it can do', { skip: withoutRing }, (t) => {
  const reason = reasonOf(t, failing(ioUring?.constants.IORING_REGISTER_PROBE, EINVAL));
  assert.match(reason, /^cannot ask what io_uring can do: EINVAL \(/);
});

test('ring probe: no ring of buffers', { skip: withoutRing }, (t) => {
  for (const [errno, code] of [
    [EINVAL, 'EINVAL'],
    [ENOMEM, 'ENOMEM'],
  ] as const) {
    const reason = reasonOf(t, failing(ioUring?.constants.IORING_REGISTER_PBUF_RING, errno));
    assert.match(reason, new RegExp(`^cannot register buffers with an io_uring: ${code} \\(`));
  }
});

test('ring probe: a ring that cannot be entered', { skip: withoutRing }, (t) => {
  const reason = reasonOf(t, { io_uring_enter: () => -EPERM });
  assert.match(reason, /^cannot wait with io_uring: EPERM \(/);
});

const OPERATIONS = [
  'IORING_OP_ACCEPT',
  'IORING_OP_RECV',
  'IORING_OP_SEND',
  'IORING_OP_CONNECT',
  'IORING_OP_POLL_ADD',
  'IORING_OP_ASYNC_CANCEL',
] as const;

test('ring probe: an operation that was taken away', { skip: withoutRing }, (t) => {
  if (ioUring === null) return;
  const { io_uring_probe, io_uring_probe_op } = ioUring.structs;
  for (const name of OPERATIONS) {
    const place = io_uring_probe.size + ioUring.constants[name] * io_uring_probe_op.size;
    const own: Partial<Sys> = {
      io_uring_register: (fd, operation, arg, count) => {
        const result = sys.io_uring_register(fd, operation, arg, count);
        if (operation === ioUring.constants.IORING_REGISTER_PROBE) {
          sys.view(arg + place, io_uring_probe_op.size).fill(0);
        }
        return result;
      },
    };
    assert.equal(reasonOf(t, own), `this kernel's io_uring has no ${name}`);
  }
});

test('ring probe: a task that may register no more rings does without', {
  skip: withoutRing,
}, (t) => {
  leakCheck(t);
  const { IORING_REGISTER_RING_FDS } = ioUring?.constants ?? {};
  assert.equal(ringAvailable(standIn(sys, failing(IORING_REGISTER_RING_FDS, EINVAL))), true);
});

test('ring probe: what failed once is tried again, what was there is not', {
  skip: withoutRing,
}, (t) => {
  leakCheck(t);
  let setups = 0;
  let refuses = true;
  const changing = standIn(sys, {
    io_uring_setup: (...call) => {
      setups += 1;
      return refuses ? -EMFILE : sys.io_uring_setup(...call);
    },
  });
  assert.notEqual(ringAvailable(changing), true);
  refuses = false;
  assert.equal(ringAvailable(changing), true);
  refuses = true;
  assert.equal(ringAvailable(changing), true);
  assert.equal(setups, 2);
});

test('ring probe: a backend that cannot be opened leaves nothing either', {
  skip: withoutRing,
}, (t) => {
  leakCheck(t);
  const before = mappings().length;
  const faults: Partial<Sys>[] = [
    { io_uring_setup: () => -EMFILE },
    { eventfd: () => -EMFILE },
    failing(ioUring?.constants.IORING_REGISTER_PBUF_RING, ENOMEM),
    failingMap(1),
    failingMap(2),
  ];
  for (const own of faults) {
    assert.throws(() => new RingBackend(standIn(sys, own)), /EMFILE|ENOMEM/);
    assert.equal(mappings().length, before);
  }
});
