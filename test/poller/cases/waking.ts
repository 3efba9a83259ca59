/** Waking: from this thread and from another, before a wait and during it. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import { wake } from '#src/poller/wakers.js';
import { type Fixture, PATIENCE_MS } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

/** The number of wakes in the test of loss. */
const WAKES = 1000;

/** A wait that only a wake can end. */
function awake(fixture: Fixture, timeoutMs: number | null = PATIENCE_MS): void {
  const startMs = fixture.sys.monotonicMs();
  assert.deepEqual(fixture.wait(timeoutMs), []);
  assert.equal(fixture.poller.interrupted, false);
  fixture.sinceLessThan(startMs, PATIENCE_MS);
}

export const wakingCases: readonly PollerCase[] = [
  {
    name: 'a wake before a wait ends it, and that one only',
    run(fixture) {
      for (const timeoutMs of [PATIENCE_MS, null, 0]) {
        fixture.poller.wake();
        awake(fixture, timeoutMs);
        fixture.idle();
      }
      return undefined;
    },
  },
  {
    name: 'the handle wakes as the poller itself does',
    run(fixture) {
      const { kind, fd } = fixture.poller.wakeHandle;
      assert.equal(kind, fixture.target.waker);
      // A copy, as another thread receives it in a message.
      wake(fixture.sys, { kind, fd });
      awake(fixture);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'a wake from another thread ends the wait that is under way',
    run(fixture) {
      for (const timeoutMs of [PATIENCE_MS, null]) {
        fixture.environment.wakeLater(10, fixture.poller.wakeHandle, 1);
        awake(fixture, timeoutMs);
        fixture.idle();
      }
      return undefined;
    },
  },
  {
    name: 'wakes coalesce',
    run(fixture) {
      for (let wakes = 0; wakes < WAKES; wakes += 1) fixture.poller.wake();
      awake(fixture);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'more wakes than a pipe holds are no error, and leave no more than one pipe full',
    run(fixture) {
      for (let wakes = 0; wakes < 70_000; wakes += 1) fixture.poller.wake();
      awake(fixture);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'a wake is no report, and reports come with it',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1);
      fixture.poller.wake();
      awake(fixture);
      fixture.write(right);
      fixture.poller.wake();
      assert.deepEqual(fixture.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      fixture.drain(left);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'a wake inside a report ends the next wait',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1);
      fixture.write(right);
      fixture.wait(0, () => {
        fixture.poller.wake();
        fixture.drain(left);
      });
      awake(fixture, null);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'of 1,000 wakes from another thread, one for each wait, none is lost',
    run(fixture) {
      const wakes = fixture.environment.wakeRepeatedly(fixture.poller.wakeHandle, WAKES);
      for (let ended = 1; ended <= WAKES; ended += 1) {
        awake(fixture, null);
        assert.equal(wakes.done(), ended);
        wakes.acknowledge();
      }
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'of a burst of wakes from another thread, the last is not lost',
    run(fixture) {
      for (let burst = 0; burst < 20; burst += 1) {
        fixture.environment.wakeLater(1, fixture.poller.wakeHandle, 50);
        awake(fixture, null);
        // The rest of the burst may end further waits, and then nothing follows.
        for (let quiet = false; !quiet; ) {
          const startMs = fixture.sys.monotonicMs();
          assert.deepEqual(fixture.wait(5), []);
          quiet = fixture.sys.monotonicMs() - startMs >= 5;
        }
      }
      return undefined;
    },
  },
  {
    name: 'two pollers have wakers of their own',
    run(fixture) {
      const other = fixture.anotherPoller();
      other.wake();
      fixture.idle();
      assert.equal(other.wait(PATIENCE_MS, { ready: () => assert.fail() }), 0);
      return undefined;
    },
  },
  {
    name: 'a wake after the poller was closed does nothing',
    run(fixture) {
      const handle = fixture.poller.wakeHandle;
      fixture.poller.close();
      wake(fixture.sys, handle);
      fixture.poller.wake();
      return undefined;
    },
  },
];
