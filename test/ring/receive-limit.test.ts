// Goal: one multishot receive brings a bounded number of bytes, whatever the peer has sent.
// Method: more than the limit in the buffer of a socket, and what one receive brings of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUFFER_BYTES, MULTISHOT_TOTAL_BYTES } from '#src/ring/limits.js';
import { openRing } from '#src/ring/open-ring.js';
import { writeNamed } from '#src/socket/options/calls.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { withoutRing } from '#test/loop/ring/environment.js';
import { pushInto, socketPair } from '#test/loop/ring/socket-pairs.js';

const RECEIVE = 1;

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
    writeNamed(sys, left, 'SO_SNDBUF', 4 * MULTISHOT_TOTAL_BYTES);
    const sent = pushInto(sys, left, new Uint8Array(2 * MULTISHOT_TOTAL_BYTES));
    assert.ok(sent > MULTISHOT_TOTAL_BYTES, `${sent} bytes are in the socket`);
    ring.submission.receive(right, 7, RECEIVE, true);
    const completions = ring.completions();
    let received = 0;
    for (let more = true; more; ) {
      ring.enter(1000);
      completions.rewind();
      while (completions.next()) {
        assert.ok(completions.result > 0, `${received} bytes, then ${completions.result}`);
        received += completions.result;
        more = completions.more;
        buffers.give(completions.buffer);
      }
      completions.release();
    }
    assert.ok(received >= MULTISHOT_TOTAL_BYTES, `${received} bytes`);
    assert.ok(received < MULTISHOT_TOTAL_BYTES + BUFFER_BYTES, `${received} bytes`);
  } finally {
    sys.close(left);
    sys.close(right);
    ring.close();
  }
});
