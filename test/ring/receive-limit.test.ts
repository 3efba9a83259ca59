// Goal: one multishot receive brings a bounded number of bytes, whatever the peer has sent.
// Method: a peer that fills the socket again and again, and what one receive brings of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUFFER_BYTES, MULTISHOT_TOTAL_BYTES } from '#src/ring/limits.js';
import { openRing } from '#src/ring/open-ring.js';
import { nativeSys } from '#src/sys/native.js';
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
