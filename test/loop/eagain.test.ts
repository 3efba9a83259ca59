import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends } from '#src/loop/backends.js';
import { EAGAINS_MAX, STALL_MS } from '#src/loop/limits.js';
import { EventLoop } from '#src/net/event-loop.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { pattern, portOf } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';

// A kernel that says EAGAIN, ENOBUFS or EINTR though there are bytes, or room: as strace injects
// it, and Linux does when its memory for sockets has run out, or a signal comes. No edge follows:
// the socket was ready before.

const native = nativeSys();
const { EAGAIN, EINTR, ENOBUFS } = native.abi.errno;
const timeout = 120_000;

const REFUSALS = [
  ['send', 'EAGAIN', EAGAIN],
  ['send', 'EINTR', EINTR],
  ['send', 'ENOBUFS', ENOBUFS],
  ['recv', 'EAGAIN', EAGAIN],
  ['recv', 'EINTR', EINTR],
] as const;

/** A Sys that refuses those calls for whose count `refuses` says so. */
function refusing(call: 'send' | 'recv', errno: number, refuses: (count: number) => boolean): Sys {
  let count = 0;
  return standIn(native, {
    [call]: (fd: number, bytes: Uint8Array, offset: number, length: number, flags: number) => {
      count += 1;
      return refuses(count) ? -errno : native[call](fd, bytes, offset, length, flags);
    },
  });
}

/** Sends `bytes` to an echo server on a loop, and turns until all of it is back. */
function echo(loop: EventLoop, bytes: Buffer, turnsMax: number): void {
  const came: Buffer[] = [];
  let closed = 0;
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      data: (connection, chunk) => {
        if (!connection.write(chunk)) connection.pause();
      },
      drain: (connection) => connection.resume(),
      close: (_, error) => {
        assert.equal(error, null);
        closed += 1;
      },
    },
  });
  loop.connect({
    host: '127.0.0.1',
    port: portOf(listener),
    handlers: {
      open: (connection) => connection.end(bytes),
      data: (_, chunk) => void came.push(Buffer.from(chunk)),
      close: (_, error) => {
        assert.equal(error, null);
        closed += 1;
      },
    },
  });
  for (let turns = 0; turns < turnsMax && closed < 2; turns++) loop.turn(5);
  assert.ok(Buffer.concat(came).equals(bytes), 'every byte is back');
  assert.equal(closed, 2);
  listener.close();
}

for (const { name, available, create } of backends) {
  const missing = available(native);
  const skip = missing === true ? false : missing.reason;
  for (const [call, code, errno] of REFUSALS) {
    test(`${name}: one ${code} of ${call} holds nothing up`, { timeout, skip }, (t) => {
      leakCheck(t);
      // Each call in turn: what it leaves to be done may be owed by another call.
      for (let refused = 1; refused <= 8; refused += 1) {
        const sys = refusing(call, errno, (count) => count === refused);
        using loop = new EventLoop({ backend: create(sys), sys });
        echo(loop, pattern(300_000), 2000);
      }
    });

    test(`${name}: every so many ${code} of ${call} hold nothing up`, {
      timeout,
      skip,
    }, (t) => {
      leakCheck(t);
      for (const [first, every] of [
        [1, 2],
        [2, 3],
        [3, 5],
      ] as const) {
        const refuses = (count: number): boolean => count >= first && (count - first) % every === 0;
        const sys = refusing(call, errno, refuses);
        using loop = new EventLoop({ backend: create(sys), sys });
        echo(loop, pattern(6_000_000), 20_000);
      }
    });

    test(`${name}: a ${call} that says ${code} for long costs no core`, { timeout, skip }, (t) => {
      leakCheck(t);
      const refusingMs = 400;
      let endMs = Number.POSITIVE_INFINITY;
      let refused = 0;
      const sys = refusing(call, errno, (count) => {
        const refuses = count >= 2 && native.monotonicMs() < endMs;
        if (refuses) refused += 1;
        return refuses;
      });
      const backend = create(sys);
      using loop = new EventLoop({ backend, sys });
      endMs = native.monotonicMs() + refusingMs;
      echo(loop, pattern(500_000), 20_000);
      // Two streams may rest, each after its first calls.
      const calls = 2 * (EAGAINS_MAX + refusingMs / STALL_MS);
      assert.ok(refused < 2 * calls, `${refused} ${code}`);
    });
  }
}
