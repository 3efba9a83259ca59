// Goal: no call lets the kernel access memory beyond a buffer, and each fails with its errno.
// Method: every call that takes a buffer, with a length that is one too long.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';

const sys = nativeSys();
const { constants, errno, structs } = sys.abi;

interface Call {
  readonly name: string;
  /** The size of the buffer that is one byte or one structure too small. */
  readonly make: (fd: number, buffer: Uint8Array, length: number) => number;
  /** How much the length counts per structure. */
  readonly unit?: number;
}

const inOut = (length: number): Int32Array => Int32Array.of(length);
const { SOL_SOCKET, SO_REUSEADDR } = constants;

const CALLS: readonly Call[] = [
  { name: 'bind', make: (fd, buffer, length) => sys.bind(fd, buffer, length) },
  { name: 'connect', make: (fd, buffer, length) => sys.connect(fd, buffer, length) },
  { name: 'accept', make: (fd, buffer, length) => sys.accept(fd, buffer, inOut(length)) },
  { name: 'accept4', make: (fd, buffer, length) => sys.accept4(fd, buffer, inOut(length), 0) },
  { name: 'getsockname', make: (fd, buffer, length) => sys.getsockname(fd, buffer, inOut(length)) },
  { name: 'getpeername', make: (fd, buffer, length) => sys.getpeername(fd, buffer, inOut(length)) },
  { name: 'send', make: (fd, buffer, length) => sys.send(fd, buffer, 0, length, 0) },
  {
    name: 'send at an offset',
    make: (fd, buffer, length) => sys.send(fd, buffer, 1, length - 1, 0),
  },
  { name: 'recv', make: (fd, buffer, length) => sys.recv(fd, buffer, 0, length, 0) },
  {
    name: 'recv at an offset',
    make: (fd, buffer, length) => sys.recv(fd, buffer, 1, length - 1, 0),
  },
  { name: 'sendto', make: (fd, buffer, length) => sys.sendto(fd, buffer, 0, length, 0, null, 0) },
  {
    name: 'sendto an address',
    make: (fd, buffer, length) => sys.sendto(fd, new Uint8Array(1), 0, 1, 0, buffer, length),
  },
  {
    name: 'recvfrom',
    make: (fd, buffer, length) => sys.recvfrom(fd, buffer, 0, length, 0, null, inOut(0)),
  },
  {
    name: 'recvfrom an address',
    make: (fd, buffer, length) => {
      return sys.recvfrom(fd, new Uint8Array(1), 0, 1, 0, buffer, inOut(length));
    },
  },
  {
    name: 'getsockopt',
    make: (fd, buffer, length) => {
      return sys.getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, buffer, inOut(length));
    },
  },
  {
    name: 'setsockopt',
    make: (fd, buffer, length) => sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, buffer, length),
  },
  {
    name: 'poll',
    make: (_fd, buffer, length) => sys.poll(buffer, length / structs.pollfd.size, 0),
    unit: structs.pollfd.size,
  },
  {
    name: 'getnameinfo',
    make: (_fd, buffer, length) => sys.getnameinfo(buffer, length, 0, { host: '', errno: 0 }),
  },
];

describe('native', () => {
  for (const { name, make, unit = 1 } of CALLS) {
    it(`${name} refuses a length beyond its buffer, and touches nothing`, (t) => {
      leakCheck(t);
      const [left, right] = Socket.pair();
      t.after(() => [left.close(), right.close()]);
      right.sendAll(new Uint8Array(64).fill(1));
      const memory = new Uint8Array(64).fill(0xa5);
      const buffer = memory.subarray(16, 32);
      for (const length of [buffer.length + unit, 2 ** 31 - 8, -unit]) {
        assert.throws(() => make(left.fileno(), buffer, length), RangeError, `${length}`);
      }
      assert.ok(
        memory.every((byte) => byte === 0xa5),
        'nothing was written',
      );
      right.setBlocking(false);
      assert.throws(() => right.recv(new Uint8Array(1)), { code: 'EAGAIN' }, 'nothing was sent');
    });
  }

  it('a length of more than 32 bits is refused', (t) => {
    leakCheck(t);
    const buffer = new Uint8Array(4);
    for (const length of [2 ** 32 + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => sys.send(-1, buffer, 0, length, 0), RangeError);
      assert.throws(() => sys.recv(-1, buffer, 0, length, 0), RangeError);
      assert.throws(() => sys.bind(-1, buffer, length), RangeError);
      assert.throws(() => sys.setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, buffer, length), RangeError);
      assert.throws(() => sys.poll(buffer, length, 0), RangeError);
    }
  });

  it('an offset outside of the buffer is refused', (t) => {
    leakCheck(t);
    const [left, right] = Socket.pair();
    t.after(() => [left.close(), right.close()]);
    const buffer = new Uint8Array(4);
    for (const [offset, length] of [
      [-1, 1],
      [5, 0],
      [4, 1],
      [Number.NaN, 1],
    ] as const) {
      const message = `${length} bytes at ${offset} do not fit into a buffer of 4`;
      assert.throws(() => sys.send(left.fileno(), buffer, offset, length, 0), { message });
      assert.throws(() => sys.recv(left.fileno(), buffer, offset, length, 0), { message });
    }
    assert.equal(sys.send(left.fileno(), buffer, 4, 0, 0), 0);
  });

  it('the arrays of a length and of a pair need their room too', (t) => {
    leakCheck(t);
    const [left, right] = Socket.pair();
    t.after(() => [left.close(), right.close()]);
    const [fd, buffer, none] = [left.fileno(), new Uint8Array(128), new Int32Array(0)];
    assert.throws(() => sys.accept(fd, buffer, none), RangeError);
    assert.throws(() => sys.accept4(fd, buffer, none, 0), RangeError);
    assert.throws(() => sys.getsockname(fd, buffer, none), RangeError);
    assert.throws(() => sys.getpeername(fd, buffer, none), RangeError);
    assert.throws(() => sys.getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, buffer, none), RangeError);
    const { AF_UNIX, SOCK_STREAM } = constants;
    assert.throws(() => sys.socketpair(AF_UNIX, SOCK_STREAM, 0, new Int32Array(1)), RangeError);
  });
});

test('native: a path or a name is not cut at a NUL byte', (t) => {
  leakCheck(t);
  const directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'kept');
  writeFileSync(path, '');
  const error = new RangeError('a C string cannot hold a NUL byte');
  assert.throws(() => sys.unlink(`${path}\0.old`), error);
  assert.ok(existsSync(path));
  const hints = { flags: constants.AI_NUMERICHOST, family: 0, socktype: 0, protocol: 0 };
  const results = { addresses: [], canonicalName: null, errno: 0 };
  assert.throws(() => sys.getaddrinfo('127.0.0.1\0x', null, hints, results), error);
  assert.throws(() => sys.getaddrinfo(null, '80\0x', hints, results), error);
  assert.throws(() => sys.if_nametoindex('lo\0x'), error);
  assert.equal(sys.unlink(path), 0);
  assert.equal(sys.unlink(path), -errno.ENOENT);
});

test('native: a failed call is a negative errno, each its own', (t) => {
  leakCheck(t);
  const { EBADF, ENOTCONN, EINVAL = 0, EAGAIN } = errno;
  const [left, right] = Socket.pair();
  t.after(() => [left.close(), right.close()]);
  const stream = new Socket('IPv4');
  t.after(() => stream.close());
  const buffer = new Uint8Array(128);
  assert.equal(sys.listen(-1, 5), -EBADF);
  assert.equal(sys.close(-1), -EBADF);
  assert.equal(sys.fcntl(-1, constants.F_GETFL, 0), -EBADF);
  assert.equal(sys.shutdown(stream.fileno(), constants.SHUT_WR), -ENOTCONN);
  assert.equal(sys.getpeername(stream.fileno(), buffer, inOut(128)), -ENOTCONN);
  assert.equal(sys.recv(left.fileno(), buffer, 0, 1, constants.MSG_DONTWAIT), -EAGAIN);
  assert.equal(sys.munmap(1, 4096), -EINVAL);
  assert.equal(sys.if_nametoindex('no-such-name'), 0);
  // A successful call does not report an earlier error.
  assert.equal(sys.send(left.fileno(), buffer, 0, 1, 0), 1);
});

test('native: getsockname truncates an address that does not fit, and returns its length', (t) => {
  leakCheck(t);
  const server = new Socket('IPv4');
  t.after(() => server.close());
  server.bind({ address: '127.0.0.1', port: 0 });
  const buffer = new Uint8Array(16).fill(0xa5);
  const length = inOut(4);
  assert.equal(sys.getsockname(server.fileno(), buffer, length), 0);
  assert.equal(length[0], structs.sockaddr_in.size);
  assert.ok(buffer.subarray(4).every((byte) => byte === 0xa5));
});

test('native: the clock is monotonic, and nativeSys() returns one object', (t) => {
  leakCheck(t);
  const first = sys.monotonicMs();
  assert.equal(sys.poll(new Uint8Array(0), 0, 5), 0);
  const passed = sys.monotonicMs() - first;
  assert.ok(passed >= 4.9 && passed < 5000, `${passed} ms`);
  assert.equal(nativeSys(), sys);
});
