// Goal: descriptors are set up alike on every platform, and their limit can be raised.
// Method: real calls, then the same without what macOS lacks, and with one call failing.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Abi } from '#src/sys/abi/abi.js';
import { abiFor } from '#src/sys/abi/index.js';
import { acceptStream, openPipe, openStream } from '#src/sys/descriptors.js';
import { nativeSys } from '#src/sys/native.js';
import { openFilesLimit, raiseOpenFilesLimit } from '#src/sys/rlimit.js';
import type { Sys } from '#src/sys/sys.js';
import { SysError } from '#src/sys/sys-error.js';
import { leakCheck } from '#test/harness/leaks.js';

const native = nativeSys();
const { constants, errno } = native.abi;
const { F_GETFD, F_GETFL, FD_CLOEXEC, O_NONBLOCK, AF_UNIX } = constants;

/** The kernel of this machine, with some calls replaced. */
function changed(changes: Partial<Sys>): Sys {
  return new Proxy(native, {
    get(target, name) {
      const value: unknown = Reflect.get(name in changes ? changes : target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** This machine without accept4(2), pipe2(2) and the flags of socket(2), like macOS. */
function oldFashioned(changes: Partial<Sys> = {}): Sys {
  const { SOCK_CLOEXEC: _, SOCK_NONBLOCK: __, ...others } = constants;
  const behaviours = { ...native.abi.behaviours, accept4: false };
  const abi: Abi = { ...native.abi, constants: others, behaviours };
  return changed({ abi, pipe2: () => -errno.ENOSYS, ...changes });
}

function modeOf(fd: number): { closedOnExec: boolean; nonblocking: boolean } {
  return {
    closedOnExec: (native.fcntl(fd, F_GETFD, 0) & FD_CLOEXEC) !== 0,
    nonblocking: (native.fcntl(fd, F_GETFL, 0) & O_NONBLOCK) !== 0,
  };
}

/** A non-blocking UNIX listener with one pending connection. Linux only: an abstract name. */
function listenerWithGuest(t: TestContext): number {
  const listener = openStream(native, AF_UNIX, true);
  const guest = openStream(native, AF_UNIX);
  t.after(() => {
    native.close(listener);
    native.close(guest);
  });
  // An address with only a family binds to an abstract name: unix(7), autobind.
  const address = new Uint8Array(110);
  address[0] = AF_UNIX;
  const length = new Int32Array([address.length]);
  assert.equal(native.bind(listener, address, 2), 0);
  assert.equal(native.listen(listener, 5), 0);
  assert.equal(native.getsockname(listener, address, length), 0);
  assert.equal(native.connect(guest, address, length[0] ?? 0), 0);
  return listener;
}

const kinds: [string, Sys][] = [
  ['here', native],
  ['without the newer calls', oldFashioned()],
];

for (const [kind, sys] of kinds) {
  for (const nonblocking of [false, true]) {
    const mode = { closedOnExec: true, nonblocking };
    const words = `${nonblocking ? 'that does not block' : 'that blocks'}, ${kind}`;

    test(`sys-poll-open: a pipe ${words}`, (t) => {
      leakCheck(t);
      const pair = new Int32Array(2);
      assert.equal(openPipe(sys, pair, nonblocking), 0);
      assert.deepEqual([...pair].map(modeOf), [mode, mode]);
      const [reader = -1, writer = -1] = pair;
      assert.equal(sys.write(writer, new Uint8Array(1), 0, 1), 1);
      assert.equal(sys.read(reader, new Uint8Array(1), 0, 1), 1);
      for (const fd of pair) sys.close(fd);
    });

    test(`sys-poll-open: a socket ${words}`, (t) => {
      leakCheck(t);
      const fd = openStream(sys, AF_UNIX, nonblocking);
      assert.deepEqual(modeOf(fd), mode);
      sys.close(fd);
    });

    const skip = native.abi.behaviours.abstractUnixNames ? false : 'uses an abstract name';
    test(`sys-poll-open: an accepted socket ${words}`, { skip }, (t) => {
      leakCheck(t);
      const listener = listenerWithGuest(t);
      const length = new Int32Array([110]);
      const fd = acceptStream(sys, listener, new Uint8Array(110), length, nonblocking);
      assert.deepEqual(modeOf(fd), mode);
      sys.close(fd);
    });
  }
}

test('sys-poll-open: a descriptor that cannot be set up is closed', (t) => {
  leakCheck(t);
  const pair = new Int32Array(2);
  for (const refused of [constants.F_SETFD, constants.F_SETFL]) {
    const sys = oldFashioned({
      fcntl: (fd, command, argument) =>
        command === refused ? -errno.EINVAL : native.fcntl(fd, command, argument),
    });
    assert.equal(openPipe(sys, pair, true), -errno.EINVAL);
    assert.equal(openStream(sys, AF_UNIX, true), -errno.EINVAL);
  }
  const full = changed({ pipe2: () => -errno.EMFILE });
  assert.equal(openPipe(full, pair, true), -errno.EMFILE);
  const fullToo = oldFashioned({ pipe: () => -errno.EMFILE });
  assert.equal(openPipe(fullToo, pair, true), -errno.EMFILE);
});

test('sys-poll-open: accept is one call if the kernel can do all of it', () => {
  const calls: [string, number][] = [];
  const linux = abiFor('linux', 'x64');
  assert.ok(linux);
  const sys = changed({
    abi: linux,
    accept4: (_fd, _address, _length, flags) => calls.push(['accept4', flags]),
    fcntl: () => calls.push(['fcntl', 0]),
  });
  acceptStream(sys, 3, new Uint8Array(1), new Int32Array(1), true);
  acceptStream(sys, 3, new Uint8Array(1), new Int32Array(1));
  assert.deepEqual(calls, [
    ['accept4', 0o2004000],
    ['accept4', 0o2000000],
  ]);
});

test('sys-poll-open: the limit on open files is raised to the hard one', (t) => {
  const before = new Uint8Array(native.abi.structs.rlimit.size);
  native.getrlimit(constants.RLIMIT_NOFILE, before);
  t.after(() => native.setrlimit(constants.RLIMIT_NOFILE, before));
  const lower = before.slice();
  new DataView(lower.buffer).setBigUint64(0, 256n, true);
  assert.equal(native.setrlimit(constants.RLIMIT_NOFILE, lower), 0);
  const { soft, hard } = openFilesLimit(native);
  assert.equal(soft, 256);
  assert.ok(hard >= soft);
  const raised = raiseOpenFilesLimit(native);
  assert.ok(raised > 256);
  assert.equal(openFilesLimit(native).soft, raised);
  assert.equal(raiseOpenFilesLimit(native), raised);
});

/** A process with limits of its own; `accepts` decides which soft limits its kernel takes. */
function limited(platform: string, soft: bigint, hard: bigint, accepts: (soft: bigint) => boolean) {
  const abi = abiFor(platform, 'arm64');
  assert.ok(abi);
  const now = new BigUint64Array([soft, hard]);
  const bytes = new Uint8Array(now.buffer);
  return changed({
    abi,
    getrlimit: (_, limit) => {
      limit.set(bytes);
      return 0;
    },
    setrlimit: (_, limit) => {
      const wanted = new DataView(limit.buffer).getBigUint64(0, true);
      if (!accepts(wanted)) return -abi.errno.EINVAL;
      bytes.set(limit);
      return 0;
    },
  });
}

test('sys-poll-open: macOS refuses an infinite limit, so it gets OPEN_MAX', () => {
  const infinity = 2n ** 63n - 1n;
  const finite = (soft: bigint) => soft <= 10_240n;
  const sys = limited('darwin', 256n, infinity, finite);
  assert.deepEqual(openFilesLimit(sys), { soft: 256, hard: Number.POSITIVE_INFINITY });
  assert.equal(raiseOpenFilesLimit(sys), 10_240);
  assert.equal(raiseOpenFilesLimit(sys), 10_240);
  assert.equal(raiseOpenFilesLimit(limited('darwin', 20_000n, infinity, finite)), 20_000);
});

test('sys-poll-open: no limit is Infinity, and a refusal is an error', () => {
  const infinity = 2n ** 64n - 1n;
  const all = limited('linux', 1024n, infinity, () => true);
  assert.equal(raiseOpenFilesLimit(all), Number.POSITIVE_INFINITY);
  const none = limited('linux', 1024n, infinity, () => false);
  assert.equal(raiseOpenFilesLimit(none), -22);
  const deaf = changed({ getrlimit: () => -errno.EINVAL });
  assert.equal(raiseOpenFilesLimit(deaf), -errno.EINVAL);
  assert.throws(
    () => openFilesLimit(deaf),
    (error) =>
      error instanceof SysError &&
      error.message === 'cannot ask for the limit on open files: EINVAL (invalid argument)',
  );
});
