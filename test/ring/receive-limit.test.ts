// Goal: one multishot receive brings a bounded number of bytes, whatever the peer has sent.
// Method: a peer that fills the socket again and again, and what one receive brings of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUFFER_BYTES, MULTISHOT_TOTAL_BYTES } from '#src/ring/limits.js';
import { openRing } from '#src/ring/open-ring.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck } from '#test/harness/leaks.js';
import { withoutRing } from '#test/loop/ring/environment.js';
import { pushInto, socketPair } from '#test/loop/ring/socket-pairs.js';

const RECEIVE = 1;

const piece = new Uint8Array(100_000);

test('ring: a multishot receive ends after its limit', { skip: withoutRing }, (t) => {
  leakCheck(t);
  const sys = nativeSys();
  const { ring, buffers } = openRing(sys);
  const [left, right] = socketPair(sys);
  try {
    if (!ring.submission.limitsReceives) {
      t.skip('this kernel does not limit receives');
      return;
    }
    ring.submission.receive(right, 7, RECEIVE, true);
    const completions = ring.completions();
    let received = 0;
    for (let more = true; more; ) {
      pushInto(sys, left, piece);
      ring.enter(1000);
      completions.rewind();
      while (completions.next()) {
        assert.ok(completions.result > 0, `${received} bytes, then ${completions.result}`);
        received += completions.result;
        assert.ok(received < MULTISHOT_TOTAL_BYTES + BUFFER_BYTES, `${received} bytes`);
        more = completions.more;
        buffers.chunk(completions.buffer, completions.result);
        buffers.give(completions.buffer);
      }
      completions.release();
      buffers.publish();
    }
    assert.ok(received >= MULTISHOT_TOTAL_BYTES, `${received} bytes`);
  } finally {
    sys.close(left);
    sys.close(right);
    ring.close();
  }
});

/** The calls of this machine, whose io_uring_enter(2) is refused the first `times`. */
function refusedAtFirst(code: 'EBUSY' | 'EAGAIN' | 'EINTR', times: number): Sys {
  const sys = nativeSys();
  let left = times;
  return new Proxy(sys, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      if (key !== 'io_uring_enter' || left === 0) return value.bind(target);
      left -= 1;
      return () => -(sys.abi.errno[code] ?? 0);
    },
  });
}

test('ring: what the kernel knows is asked until it answers', { skip: withoutRing }, (t) => {
  leakCheck(t);
  const { ring: plain } = openRing(nativeSys());
  plain.close();
  for (const code of ['EBUSY', 'EAGAIN', 'EINTR'] as const) {
    const { ring } = openRing(refusedAtFirst(code, 3));
    ring.close();
    assert.equal(ring.submission.limitsReceives, plain.submission.limitsReceives, code);
    assert.throws(() => openRing(refusedAtFirst(code, 1000)), /ask what io_uring can do: EAGAIN/);
  }
});
