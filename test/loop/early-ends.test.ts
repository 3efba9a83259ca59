// Goal: a loop whose calls end early at once does not spin, and one whose wait fails for good says
// so, whatever fails with it.
// Method: every backend over a kernel that answers with an errno for a while, or from some call on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends } from '#src/loop/backends.js';
import { EventLoop } from '#src/net/event-loop.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { portOf } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';

const native = nativeSys();
const { EAGAIN, EBADF, EINTR, EINVAL } = native.abi.errno;
const timeout = 60_000;
/** How long each call ends early. */
const EARLY_MS = 300;
/** The rests of loop and listener take 5 ms and 10 ms each. */
const CALLS_MAX = 200;

const WAITS = {
  io_uring: 'io_uring_enter',
  epoll: 'epoll_wait',
  kqueue: 'kevent',
  poll: 'poll',
  select: 'select',
} as const satisfies Record<string, keyof Sys>;

/** A Sys whose waits answer `-errno` if `fails`: not a rest, which waits for no descriptor. */
function waiting(name: keyof typeof WAITS, errno: number, fails: () => boolean): Sys {
  const call = WAITS[name];
  const wait = native[call] as (...values: unknown[]) => number;
  return standIn(native, {
    [call]: (...values: unknown[]) => {
      const isRest = call === 'poll' && values[1] === 0;
      return !isRest && fails() ? -errno : Reflect.apply(wait, native, values);
    },
  });
}

for (const { name, available, create } of backends) {
  const missing = available(native);
  const skip = missing === true ? false : missing.reason;

  test(`${name}: waits that are interrupted at once cost no core`, { timeout, skip }, (t) => {
    leakCheck(t);
    let early = 0;
    let endMs = 0;
    const sys = waiting(name, EINTR, () => {
      const ends = native.monotonicMs() < endMs;
      if (ends) early += 1;
      return ends;
    });
    using loop = new EventLoop({ backend: create(sys), sys });
    let served = false;
    const listener = loop.listen({
      host: '127.0.0.1',
      port: 0,
      handlers: {
        open: (connection) => {
          served = true;
          connection.close();
        },
      },
    });
    loop.connect({ host: '127.0.0.1', port: portOf(listener), handlers: {} });
    endMs = native.monotonicMs() + EARLY_MS;
    while (native.monotonicMs() < endMs) loop.turn(50);
    for (let turns = 0; turns < 200 && !served; turns += 1) loop.turn(10);
    assert.ok(served, 'the connection is served once waits wait again');
    assert.ok(early > 0 && early < CALLS_MAX, `${early} waits`);
  });

  test(`${name}: a wait that fails for good ends the run by its error`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    let fails = false;
    const sys = waiting(name, EINVAL, () => fails);
    const loop = new EventLoop({ backend: create(sys), sys });
    loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
    loop.setTimer(1, () => {
      fails = true;
    });
    await assert.rejects(loop.run(), { code: 'EINVAL', message: /^cannot wait with / });
    fails = false;
    loop.close();
  });

  // A ring accepts by an operation of its own.
  if (name === 'io_uring') continue;
  for (const [code, errno] of [
    ['EAGAIN', EAGAIN],
    ['EINTR', EINTR],
  ] as const) {
    test(`${name}: an accept4 that says ${code} for long costs no core`, { timeout, skip }, (t) => {
      leakCheck(t);
      let refused = 0;
      let endMs = 0;
      const sys = standIn(native, {
        accept4: (...values: Parameters<Sys['accept4']>) => {
          if (native.monotonicMs() >= endMs) return native.accept4(...values);
          refused += 1;
          return -errno;
        },
      });
      using loop = new EventLoop({ backend: create(sys), sys });
      let served = false;
      const listener = loop.listen({
        host: '127.0.0.1',
        port: 0,
        handlers: {
          open: (connection) => {
            served = true;
            connection.close();
          },
        },
        onError: (error) => assert.fail(error),
      });
      loop.connect({ host: '127.0.0.1', port: portOf(listener), handlers: {} });
      endMs = native.monotonicMs() + EARLY_MS;
      for (let turns = 0; turns < 5000 && !served; turns += 1) loop.turn(50);
      assert.ok(served, 'the connection is accepted in the end');
      assert.ok(refused > 0 && refused < CALLS_MAX, `${refused} accepts`);
    });
  }
}

test('select: an EBADF that no descriptor explains is an error, not a loop', { timeout }, (t) => {
  leakCheck(t);
  const entry = backends.find(({ name }) => name === 'select');
  assert.ok(entry !== undefined);
  const sys = waiting('select', EBADF, () => true);
  using loop = new EventLoop({ backend: entry.create(sys), sys });
  loop.setTimer(1000, () => undefined);
  assert.throws(() => loop.turn(10), { code: 'EBADF', message: /^cannot wait with select/ });
});
