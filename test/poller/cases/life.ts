/** Descriptors that are closed, duplicated and reused while they are registered. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import { type Ends, type Fixture, PATIENCE_MS } from '../fixture.ts';
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
    name: 'what was dropped and is taken out, or comes back, takes nothing from the others',
    run(fixture) {
      const { poller } = fixture;
      for (let gone = 0; gone < 4; gone += 1) {
        const pairs = Array.from({ length: 4 }, () => fixture.pair());
        for (const [token, [left]] of pairs.entries()) poller.register(left, Interest.read, token);
        const [dropped] = pairs[gone] ?? [-1];
        fixture.closeFd(dropped);
        fixture.idle(1);
        // Its number goes to nobody of interest, or to the next.
        if (gone < 2) fixture.dup(pairs[3]?.[0] ?? -1);
        const [late, writer] = fixture.pair();
        assert.equal(late === dropped, gone >= 2);
        if (gone === 2) poller.deregister(dropped);
        poller.register(late, Interest.read, 9);
        if (gone < 2) poller.deregister(dropped);
        const readers = [...pairs.filter((_, token) => token !== gone), [late, writer] as const];
        for (const [, right] of readers) fixture.write(right);
        const tokens = fixture.wait(PATIENCE_MS).map(({ token }) => token);
        assert.deepEqual(
          tokens.sort(),
          [0, 1, 2, 3, 9].filter((token) => token !== gone),
        );
        for (const [left] of readers) poller.deregister(left);
      }
      return undefined;
    },
  },
  {
    name: 'a change to one that was dropped is of its number, and harms no other',
    run(fixture) {
      const { poller } = fixture;
      const [left] = fixture.pair();
      const [other, peer] = fixture.pair();
      poller.register(left, Interest.read, 1);
      poller.register(other, Interest.read, 2);
      fixture.closeFd(left);
      fixture.idle(1);
      assert.equal(fixture.pair()[0], left);
      poller.modify(left, Interest.write, 3);
      assert.deepEqual(fixture.wait(), [{ token: 3, interest: Interest.write, errno: 0 }]);
      poller.deregister(left);
      poller.wake();
      const startMs = fixture.sys.monotonicMs();
      assert.deepEqual(fixture.wait(PATIENCE_MS), []);
      fixture.sinceLessThan(startMs, PATIENCE_MS);
      fixture.write(peer);
      assert.deepEqual(fixture.wait(), [{ token: 2, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'several that are closed are dropped together, whatever their order',
    run(fixture) {
      const { poller } = fixture;
      const COUNT = 6;
      for (let closed = 0; closed < 2 ** COUNT; closed += 5) {
        const pairs = Array.from({ length: COUNT }, () => fixture.pair());
        for (const [token, [left]] of pairs.entries()) poller.register(left, Interest.read, token);
        const isClosed = (token: number): boolean => ((closed >> token) & 1) === 1;
        // One that is ready makes them known in the same wait.
        for (const [token, [left, right]] of pairs.entries()) {
          if (isClosed(token)) fixture.closeFd(left);
          else fixture.write(right);
        }
        const open = pairs.map((_, token) => token).filter((token) => !isClosed(token));
        for (let wait = 0; wait < 2; wait += 1) {
          const tokens = fixture.wait(0).map(({ token }) => token);
          assert.deepEqual(tokens.sort(), open, `closed: ${closed.toString(2)}`);
        }
        for (const [token, [left, right]] of pairs.entries()) {
          poller.deregister(left);
          if (!isClosed(token)) fixture.closeFd(left);
          fixture.closeFd(right);
        }
        assert.deepEqual(fixture.wait(0), []);
      }
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
