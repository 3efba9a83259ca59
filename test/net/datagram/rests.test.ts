// Goal: a socket whose calls answer nothing good, though the kernel reports it as ready, rests
// instead of spinning, and goes on once they do.
// Method: calls that fail for a while, on every loop.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EventLoop, type LoopName } from 'sockloop';
import { createBackend } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { closeAll, recorded, textsOf, until } from './drive.ts';

const native = nativeSys();
const { errno } = native.abi;
const LOOPS: readonly LoopName[] = ['epoll', 'io_uring', 'poll', 'select'];
/** So long does every call fail. */
const FAULT_MS = 300;
/** One each millisecond or less. A loop that spins makes thousands. */
const CALLS_MAX = 300;

/** Calls that fail from `start` on for FAULT_MS. */
class Failing {
  calls = 0;
  #endMs = 0;

  start(): void {
    this.#endMs = performance.now() + FAULT_MS;
  }

  get isOver(): boolean {
    return performance.now() >= this.#endMs;
  }

  /** The result of a call: that of `made`, or the error. */
  answer(code: number, made: () => number): number {
    if (this.isOver) return made();
    this.calls += 1;
    return -code;
  }
}

/** A loop over `sys`, if this machine has it. */
function tried(t: TestContext, name: LoopName, sys: Sys): EventLoop | null {
  try {
    const backend = createBackend(name, sys);
    const loop = new EventLoop({ backend, sys });
    t.after(() => loop.close());
    return loop;
  } catch (error) {
    t.skip(String(error));
    return null;
  }
}

const FAULTS = [
  ...(['EAGAIN', 'EINTR', 'ENOBUFS'] as const).map((code) => ({ call: 'sendmmsg', code }) as const),
  ...(['EAGAIN', 'EINTR', 'ENOMEM'] as const).map((code) => ({ call: 'recvmmsg', code }) as const),
];

/** A turn makes several receives, and one send. */
const CALLS_MAX_OF = { sendmmsg: CALLS_MAX, recvmmsg: 4 * CALLS_MAX } as const;

for (const name of LOOPS) {
  for (const { call, code } of FAULTS) {
    test(`datagrams: a ${call} that fails with ${code} for a while (${name})`, (t) => {
      leakCheck(t);
      const failing = new Failing();
      const made = native[call].bind(native) as (...args: unknown[]) => number;
      const failed = (...args: unknown[]): number =>
        failing.answer(errno[code], () => made(...args));
      const loop = tried(t, name, standIn(native, { [call]: failed }));
      if (loop === null) return;
      const [server, client] = [recorded(loop), recorded(loop)];
      failing.start();
      client.socket.sendMany(['one', 'two'], { to: server.socket.address });
      until(loop, () => server.came.length === 2, 'both have come');
      assert.deepEqual(textsOf(server), ['one', 'two']);
      const callsMax = CALLS_MAX_OF[call];
      assert.ok(failing.calls > 1 && failing.calls < callsMax, `${failing.calls} calls`);
      assert.deepEqual(client.socket.stats().sendErrors, {});
      closeAll(loop, server, client);
    });
  }
}
