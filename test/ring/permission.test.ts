// Goal: where there is no io_uring, the reason names who keeps it from us.
// Method: stand-ins for kernels that refuse a ring, each with the files of /proc that go with it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackend } from '#src/loop/backends.js';
import { ringAvailable } from '#src/ring/probe.js';
import { abiFor } from '#src/sys/abi/index.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck } from '#test/harness/leaks.js';

const abi = abiFor('linux', 'x64') ?? assert.fail('no table');
const { ENOSYS, EPERM, EINVAL, EMFILE, ENOENT } = abi.errno;

const DISABLED = '/proc/sys/kernel/io_uring_disabled';
const GROUP = '/proc/sys/kernel/io_uring_group';
const STATUS = '/proc/self/status';
const filtered = { [STATUS]: 'Name:\tnode\nSeccomp:\t2\nSeccomp_filters:\t1\n' };
const free = { [STATUS]: 'Name:\tnode\nSeccomp:\t0\nSeccomp_filters:\t0\n' };

/** A kernel whose io_uring_setup(2) gives `errno`, with these files. */
function refusing(errno: number, files: Readonly<Record<string, string>>) {
  const open = new Map<number, string>();
  let next = 10;
  const sys: Partial<Sys> = {
    abi,
    io_uring_setup: () => -errno,
    strerror: () => 'Words',
    open: (path) => {
      const text = files[path];
      if (text === undefined) return -ENOENT;
      next += 1;
      open.set(next, text);
      return next;
    },
    read: (fd, buffer, offset) => {
      const text = Buffer.from(open.get(fd) ?? '');
      buffer.set(text, offset);
      return text.length > 0 ? text.length : -EINVAL;
    },
    close: (fd) => (open.delete(fd) ? 0 : assert.fail(`${fd} is not open`)),
  };
  return { sys: sys as Sys, open };
}

function reasonOf(errno: number, files: Readonly<Record<string, string>>): string {
  const { sys, open } = refusing(errno, files);
  const answer = ringAvailable(sys);
  assert.ok(answer !== true);
  assert.equal(open.size, 0, 'every file is closed');
  return answer.reason;
}

test('ring-permission: who forbids it', (t) => {
  leakCheck(t);
  const setUp = 'cannot set up an io_uring: ';
  const table: [errno: number, files: Readonly<Record<string, string>>, reason: string][] = [
    [
      EPERM,
      { ...filtered, [DISABLED]: '2\n' },
      'EPERM (words); kernel.io_uring_disabled is 2, so that nobody may: set it to 0',
    ],
    [
      EPERM,
      { ...free, [DISABLED]: '1\n', [GROUP]: '-1\n' },
      'EPERM (words); kernel.io_uring_disabled is 1, so that only root may: set it to 0',
    ],
    [
      EPERM,
      { ...free, [DISABLED]: '1\n', [GROUP]: '998\n' },
      'EPERM (words); kernel.io_uring_disabled is 1, so that only root and group 998 may: ' +
        'set it to 0',
    ],
    [
      EPERM,
      { ...filtered, [DISABLED]: '0\n' },
      'EPERM (words); a seccomp filter forbids it, as in containers',
    ],
    [EPERM, filtered, 'EPERM (words); a seccomp filter forbids it, as in containers'],
    [EPERM, { ...free, [DISABLED]: '0\n' }, 'EPERM (words)'],
    [EPERM, { [STATUS]: '', [DISABLED]: '' }, 'EPERM (words)'],
    [
      ENOSYS,
      filtered,
      'ENOSYS (words); a seccomp filter is in force, as in containers, and may hide it',
    ],
    [ENOSYS, free, 'ENOSYS (words); this kernel is older than 5.1 or was built without it'],
    [EINVAL, free, 'EINVAL (it needs Linux 6.1 or newer)'],
    [EMFILE, { ...filtered, [DISABLED]: '2\n' }, 'EMFILE (words)'],
  ];
  for (const [errno, files, reason] of table) {
    assert.equal(reasonOf(errno, files), setUp + reason);
  }
});

test('ring-permission: a loop that cannot be had says why, and other platforms have none', (t) => {
  leakCheck(t);
  const { sys } = refusing(EPERM, { ...free, [DISABLED]: '2\n' });
  assert.throws(() => createBackend('io_uring', sys), {
    message:
      'cannot use the loop io_uring: cannot set up an io_uring: EPERM (words); ' +
      'kernel.io_uring_disabled is 2, so that nobody may: set it to 0',
  });
  for (const platform of ['darwin', 'freebsd']) {
    const elsewhere = { abi: abiFor(platform, 'arm64') } as Sys;
    assert.deepEqual(ringAvailable(elsewhere), { reason: 'only Linux has io_uring' });
  }
});
