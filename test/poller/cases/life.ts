/** Descriptors that are closed, duplicated and reused while they are registered. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import type { Ends, Fixture } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

/** Closes `fd` and opens descriptors until one gets its number: a new pair's left end. */
function reuse(fixture: Fixture, fd: number): Ends {
  fixture.closeFd(fd);
  const ends = fixture.pair();
  assert.equal(ends[0], fd, 'the lowest free number is taken');
  return ends;
}

export const lifeCases: readonly PollerCase[] = [
  {
    name: 'deregister is legal after close',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.write(right);
      fixture.poller.register(left, Interest.both, 1);
      fixture.closeFd(left);
      fixture.poller.deregister(left);
      fixture.poller.deregister(left);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'deregister is legal after the number was reused, and the new holder is unharmed',
    run(fixture) {
      const other = fixture.anotherPoller();
      const [left] = fixture.pair();
      fixture.poller.register(left, Interest.both, 1);
      const [again, peer] = reuse(fixture, left);
      other.register(again, Interest.read, 2);
      fixture.poller.deregister(again);
      fixture.write(peer);
      fixture.idle();
      const tokens: number[] = [];
      assert.equal(other.wait(0, { ready: (token) => tokens.push(token) }), 1);
      assert.deepEqual(tokens, [2]);
      return undefined;
    },
  },
  {
    name: 'a reused number can be registered without the old one deregistered',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.write(right);
      fixture.poller.register(left, Interest.read, 1);
      const [again, peer] = reuse(fixture, left);
      fixture.poller.register(again, Interest.read, 2);
      fixture.idle();
      fixture.write(peer);
      assert.deepEqual(fixture.wait(), [{ token: 2, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'what is closed without a word is dropped: no error, no spin, others unharmed',
    run(fixture) {
      const [left, right] = fixture.pair();
      const [other, peer] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1);
      fixture.poller.register(right, Interest.both, 2);
      fixture.poller.register(other, Interest.read, 3);
      fixture.closeFd(left);
      fixture.closeFd(right);
      fixture.idle();
      fixture.idle();
      fixture.write(peer);
      assert.deepEqual(fixture.wait(), [{ token: 3, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a duplicate that outlives its descriptor reports nothing and does not spin',
    run(fixture) {
      const [left, right] = fixture.pair();
      const [other, peer] = fixture.pair();
      fixture.poller.register(other, Interest.read, 2);
      fixture.poller.register(left, Interest.read, 1);
      fixture.dup(left);
      fixture.closeFd(left);
      fixture.poller.deregister(left);
      fixture.write(right);
      // One wait may end early: it finds the file and removes it.
      assert.deepEqual(fixture.wait(10), []);
      fixture.idle();
      fixture.write(peer);
      assert.deepEqual(fixture.wait(), [{ token: 2, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a duplicate that outlives its descriptor does not speak for the next holder',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1);
      fixture.dup(left);
      const [again, peer] = reuse(fixture, left);
      // The same token, as for a caller that uses the descriptor as the token.
      fixture.poller.register(again, Interest.read, 1);
      fixture.write(right);
      assert.deepEqual(fixture.wait(10), []);
      fixture.idle();
      fixture.write(peer);
      assert.deepEqual(fixture.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a duplicate that comes back under the old number can be registered',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1);
      const kept = fixture.dup(left);
      fixture.closeFd(left);
      fixture.poller.deregister(left);
      assert.equal(fixture.dup(kept), left);
      fixture.poller.register(left, Interest.read, 2);
      fixture.write(right);
      assert.deepEqual(fixture.wait(), [{ token: 2, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a descriptor and its duplicate are registered side by side',
    run(fixture) {
      const [left, right] = fixture.pair();
      const twin = fixture.dup(left);
      fixture.poller.register(left, Interest.read, 1);
      fixture.poller.register(twin, Interest.write, 2);
      fixture.write(right);
      const byToken = fixture.wait().sort((a, b) => a.token - b.token);
      assert.deepEqual(byToken, [
        { token: 1, interest: Interest.read, errno: 0 },
        { token: 2, interest: Interest.write, errno: 0 },
      ]);
      return undefined;
    },
  },
  {
    name: 'a closed poller refuses to work, and closing it twice does nothing',
    run(fixture) {
      const [left] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1);
      fixture.poller.close();
      fixture.poller.close();
      const closed = { message: 'the poller is closed' };
      assert.throws(() => fixture.wait(0), closed);
      assert.throws(() => fixture.wait(null), closed);
      assert.throws(() => fixture.poller.register(left, Interest.read, 1), closed);
      fixture.poller.deregister(left);
      fixture.poller.wake();
      return undefined;
    },
  },
];
