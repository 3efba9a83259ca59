// Goal: a descriptor is set up by the calls that its platform needs, whichever of them fails, and
// none stays open then; what lies in a socket's queues is asked for in the platform's own way.
// Method: a Sys of each platform that writes down its calls, and lets one of them fail.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Abi } from '#src/sys/abi/abi.js';
import {
  acceptStream,
  openSocket,
  openSocketPair,
  openStream,
  prepareSocket,
  sendFlags,
  setNonblocking,
} from '#src/sys/descriptors.js';
import { unacknowledgedBytesOf, unreadBytesOf } from '#src/sys/socket-queues.js';
import type { Sys } from '#src/sys/sys.js';
import { abiOf } from './stand-in.ts';

const linux = abiOf('linux-x64');
const darwin = abiOf('darwin-arm64');
const freebsd = abiOf('freebsd-x64');

/** A macOS whose sends have no flag against SIGPIPE. */
const { MSG_NOSIGNAL: _, ...olderConstants } = darwin.constants;
const older: Abi = { ...darwin, constants: olderConstants };

/** Descriptors from 10 on; call number `failing` fails with `errno`. */
class Kernel {
  readonly sys: Sys;
  readonly open = new Set<number>();
  readonly calls: string[] = [];
  readonly #flags = new Map<number, number>();
  #made = 0;
  #next = 10;

  constructor(abi: Abi, failing = -1, errno = abi.errno.EINVAL) {
    const called =
      (name: string, make: (...args: never[]) => number) =>
      (...args: never[]): number => {
        this.#made += 1;
        this.calls.push(`${name}(${args.filter((arg) => typeof arg === 'number').join(', ')})`);
        return this.#made - 1 === failing ? -errno : make(...args);
      };
    const { F_GETFL, F_SETFL } = abi.constants;
    this.sys = {
      abi,
      socket: called('socket', () => this.#opened()),
      accept: called('accept', () => this.#opened()),
      accept4: called('accept4', () => this.#opened()),
      socketpair: called('socketpair', (...args: unknown[]) => {
        (args[3] as Int32Array).set([this.#opened(), this.#opened()]);
        return 0;
      }),
      fcntl: called('fcntl', (...args: number[]) => {
        const [fd = -1, command, argument = 0] = args;
        if (command === F_GETFL) return this.#flags.get(fd) ?? 2;
        if (command === F_SETFL) this.#flags.set(fd, argument);
        return 0;
      }),
      setsockopt: called('setsockopt', () => 0),
      close: (fd: number) => {
        assert.ok(this.open.delete(fd), `${fd} is closed once`);
        return 0;
      },
    } as unknown as Sys;
  }

  #opened(): number {
    const fd = this.#next;
    this.#next += 1;
    this.open.add(fd);
    return fd;
  }
}

type Opening = (sys: Sys) => number;

const openings = {
  stream: (sys) => openStream(sys, 1, true),
  blocking: (sys) => openStream(sys, 1),
  pair: (sys) => openSocketPair(sys, 1, new Int32Array(2)),
  accepted: (sys) => acceptStream(sys, 3, new Uint8Array(16), new Int32Array([16]), true),
  waiting: (sys) => acceptStream(sys, 3, new Uint8Array(16), new Int32Array([16])),
} satisfies Readonly<Record<string, Opening>>;

test('socket set-up: whichever call fails, nothing stays open', () => {
  for (const abi of [linux, darwin, freebsd, older]) {
    for (const [name, open] of Object.entries(openings)) {
      const right = new Kernel(abi);
      assert.ok(open(right.sys) >= 0, name);
      assert.equal(right.open.size, name === 'pair' ? 2 : 1);
      for (let failing = 0; failing < right.calls.length; failing += 1) {
        const kernel = new Kernel(abi, failing, abi.errno.EMFILE);
        const words = `${name} on ${abi.platform}, ${right.calls[failing]}`;
        const result = open(kernel.sys);
        assert.deepEqual([...kernel.open], [], words);
        // A connection that cannot be set up is one that was lost: the listener goes on.
        const isLost = failing > 0 && (name === 'accepted' || name === 'waiting');
        assert.equal(result, isLost ? -abi.errno.ECONNABORTED : -abi.errno.EMFILE, words);
      }
    }
  }
});

test('socket set-up: as few calls as the platform allows', () => {
  const { SOCK_STREAM } = linux.constants;
  const callsOf = (abi: Abi, open: Opening): string[] => {
    const kernel = new Kernel(abi);
    open(kernel.sys);
    return kernel.calls;
  };
  const { stream, blocking, accepted, waiting } = openings;
  assert.deepEqual(
    [stream, blocking, accepted, waiting].map((open) => callsOf(linux, open)),
    [
      [`socket(1, ${SOCK_STREAM | 0o2004000}, 0)`],
      [`socket(1, ${SOCK_STREAM | 0o2000000}, 0)`],
      ['accept4(3, 526336)'],
      ['accept4(3, 524288)'],
    ],
  );
  const { F_SETFD, F_GETFL, F_SETFL, FD_CLOEXEC, O_NONBLOCK, SOL_SOCKET, SO_NOSIGPIPE } =
    darwin.constants;
  assert.deepEqual(
    callsOf(older, (sys) => openSocket(sys, 2, 1, 6, true)),
    [
      'socket(2, 1, 6)',
      `fcntl(10, ${F_SETFD}, ${FD_CLOEXEC})`,
      `setsockopt(10, ${SOL_SOCKET}, ${SO_NOSIGPIPE}, 4)`,
      `fcntl(10, ${F_GETFL}, 0)`,
      `fcntl(10, ${F_SETFL}, ${2 | O_NONBLOCK})`,
    ],
  );
  // Of an accepted socket O_NONBLOCK is that of the listener: it is cleared if it has to.
  assert.deepEqual(callsOf(darwin, waiting).slice(0, 2), ['accept(3)', `fcntl(10, ${F_GETFL}, 0)`]);
});

test('socket set-up: O_NONBLOCK is set and cleared alone, and only if it changes', () => {
  const { F_GETFL, F_SETFL, O_NONBLOCK } = linux.constants;
  const kernel = new Kernel(linux);
  assert.ok(setNonblocking(kernel.sys, 10, false) >= 0);
  assert.ok(setNonblocking(kernel.sys, 10, true) >= 0);
  assert.ok(setNonblocking(kernel.sys, 10, true) >= 0);
  assert.ok(setNonblocking(kernel.sys, 10, false) >= 0);
  const get = `fcntl(10, ${F_GETFL}, 0)`;
  assert.deepEqual(kernel.calls, [
    get,
    get,
    `fcntl(10, ${F_SETFL}, ${2 | O_NONBLOCK})`,
    get,
    get,
    `fcntl(10, ${F_SETFL}, 2)`,
  ]);
});

test('socket set-up: a socket from elsewhere stays open, and may have been reset', () => {
  for (const abi of [linux, older]) {
    const calls = new Kernel(abi);
    assert.ok(prepareSocket(calls.sys, 10) >= 0);
    for (let failing = 0; failing < calls.calls.length; failing += 1) {
      const refused = new Kernel(abi, failing, abi.errno.EBADF);
      refused.open.add(10);
      assert.equal(prepareSocket(refused.sys, 10), -abi.errno.EBADF);
      assert.equal(refused.open.has(10), true);
    }
  }
  // macOS refuses SO_NOSIGPIPE once the peer has reset the connection.
  assert.ok(prepareSocket(new Kernel(older, 1, darwin.errno.EINVAL).sys, 10) >= 0);
  const { MSG_NOSIGNAL } = linux.constants;
  assert.deepEqual(
    [linux, older].map((abi) => sendFlags(new Kernel(abi).sys)),
    [MSG_NOSIGNAL, 0],
  );
});

test('socket queues: each platform is asked in its own way, and the FIN is no byte', () => {
  const asked: string[] = [];
  const answering = (abi: Abi, bytes: number, result = 0): Sys =>
    ({
      abi,
      ioctl: (fd: number, request: number, value: Int32Array) => {
        asked.push(`ioctl ${fd} ${request}`);
        value[0] = bytes;
        return result;
      },
      getsockopt: (
        fd: number,
        level: number,
        name: number,
        value: Uint8Array,
        length: Int32Array,
      ) => {
        asked.push(`getsockopt ${fd} ${level} ${name} ${length[0]}`);
        new DataView(value.buffer).setInt32(0, bytes, true);
        return result;
      },
    }) as unknown as Sys;
  const of = (abi: Abi, bytes: number, finSent: boolean): number | null =>
    unacknowledgedBytesOf(answering(abi, bytes), 7, finSent);
  assert.deepEqual([of(linux, 9, false), of(linux, 9, true), of(linux, 0, true)], [9, 8, 0]);
  assert.deepEqual([of(darwin, 9, false), of(darwin, 9, true)], [9, 9]);
  assert.deepEqual([of(freebsd, 9, false), of(freebsd, 9, true)], [9, 9]);
  const { SIOCOUTQ } = linux.constants;
  const { FIONWRITE } = freebsd.constants;
  const option = `getsockopt 7 ${darwin.constants.SOL_SOCKET} ${darwin.options['SO_NWRITE']} 4`;
  assert.deepEqual([...new Set(asked)], [`ioctl 7 ${SIOCOUTQ}`, option, `ioctl 7 ${FIONWRITE}`]);
  for (const abi of [linux, darwin, freebsd]) {
    assert.equal(unacknowledgedBytesOf(answering(abi, 9, -9), 7, false), null);
    asked.length = 0;
    assert.deepEqual(
      [unreadBytesOf(answering(abi, 0), 7), unreadBytesOf(answering(abi, 5), 7)],
      [0, 5],
    );
    assert.equal(asked[0], `ioctl 7 ${abi.constants.FIONREAD}`);
    assert.equal(unreadBytesOf(answering(abi, 5, -9), 7), null);
  }
});
