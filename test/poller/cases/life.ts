/** Descriptors that are closed, duplicated and reused under the poller's hands. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import type { Ends, Stage } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

/** Closes `fd` and opens descriptors until one gets its number: a new pair's left end. */
function reuse(stage: Stage, fd: number): Ends {
  stage.closeFd(fd);
  const ends = stage.pair();
  assert.equal(ends[0], fd, 'the lowest free number is taken');
  return ends;
}

export const lifeCases: readonly PollerCase[] = [
  {
    name: 'deregister is legal after close',
    run(stage) {
      const [left, right] = stage.pair();
      stage.write(right);
      stage.poller.register(left, Interest.both, 1);
      stage.closeFd(left);
      stage.poller.deregister(left);
      stage.poller.deregister(left);
      stage.idle();
      return undefined;
    },
  },
  {
    name: 'deregister is legal after the number was reused, and the new holder is unharmed',
    run(stage) {
      const other = stage.anotherPoller();
      const [left] = stage.pair();
      stage.poller.register(left, Interest.both, 1);
      const [again, peer] = reuse(stage, left);
      other.register(again, Interest.read, 2);
      stage.poller.deregister(again);
      stage.write(peer);
      stage.idle();
      const tokens: number[] = [];
      assert.equal(other.wait(0, { ready: (token) => tokens.push(token) }), 1);
      assert.deepEqual(tokens, [2]);
      return undefined;
    },
  },
  {
    name: 'a reused number can be registered without the old one deregistered',
    run(stage) {
      const [left, right] = stage.pair();
      stage.write(right);
      stage.poller.register(left, Interest.read, 1);
      const [again, peer] = reuse(stage, left);
      stage.poller.register(again, Interest.read, 2);
      stage.idle();
      stage.write(peer);
      assert.deepEqual(stage.wait(), [{ token: 2, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'what is closed without a word is dropped: no error, no spin, others unharmed',
    run(stage) {
      const [left, right] = stage.pair();
      const [other, peer] = stage.pair();
      stage.poller.register(left, Interest.read, 1);
      stage.poller.register(right, Interest.both, 2);
      stage.poller.register(other, Interest.read, 3);
      stage.closeFd(left);
      stage.closeFd(right);
      stage.idle();
      stage.idle();
      stage.write(peer);
      assert.deepEqual(stage.wait(), [{ token: 3, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a duplicate that outlives its descriptor reports nothing and does not spin',
    run(stage) {
      const [left, right] = stage.pair();
      const [other, peer] = stage.pair();
      stage.poller.register(other, Interest.read, 2);
      stage.poller.register(left, Interest.read, 1);
      stage.dup(left);
      stage.closeFd(left);
      stage.poller.deregister(left);
      stage.write(right);
      // One wait may end early: it finds the file and gets rid of it.
      assert.deepEqual(stage.wait(10), []);
      stage.idle();
      stage.write(peer);
      assert.deepEqual(stage.wait(), [{ token: 2, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a duplicate that outlives its descriptor does not speak for the next holder',
    run(stage) {
      const [left, right] = stage.pair();
      stage.poller.register(left, Interest.read, 1);
      stage.dup(left);
      const [again, peer] = reuse(stage, left);
      // The same token, as whoever takes the descriptor for the token has it.
      stage.poller.register(again, Interest.read, 1);
      stage.write(right);
      assert.deepEqual(stage.wait(10), []);
      stage.idle();
      stage.write(peer);
      assert.deepEqual(stage.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a duplicate that comes back under the old number can be registered',
    run(stage) {
      const [left, right] = stage.pair();
      stage.poller.register(left, Interest.read, 1);
      const kept = stage.dup(left);
      stage.closeFd(left);
      stage.poller.deregister(left);
      assert.equal(stage.dup(kept), left);
      stage.poller.register(left, Interest.read, 2);
      stage.write(right);
      assert.deepEqual(stage.wait(), [{ token: 2, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a descriptor and its duplicate are registered side by side',
    run(stage) {
      const [left, right] = stage.pair();
      const twin = stage.dup(left);
      stage.poller.register(left, Interest.read, 1);
      stage.poller.register(twin, Interest.write, 2);
      stage.write(right);
      const byToken = stage.wait().sort((a, b) => a.token - b.token);
      assert.deepEqual(byToken, [
        { token: 1, interest: Interest.read, errno: 0 },
        { token: 2, interest: Interest.write, errno: 0 },
      ]);
      return undefined;
    },
  },
  {
    name: 'a closed poller refuses to work, and closing it twice does nothing',
    run(stage) {
      const [left] = stage.pair();
      stage.poller.register(left, Interest.read, 1);
      stage.poller.close();
      stage.poller.close();
      const closed = { message: 'the poller is closed' };
      assert.throws(() => stage.wait(0), closed);
      assert.throws(() => stage.wait(null), closed);
      assert.throws(() => stage.poller.register(left, Interest.read, 1), closed);
      stage.poller.deregister(left);
      stage.poller.wake();
      return undefined;
    },
  },
];
