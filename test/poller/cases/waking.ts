/** Waking: from this thread and from another, before a wait and during it. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import { wake } from '#src/poller/wakers.js';
import { PATIENCE_MS, type Stage } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

/** How often another thread wakes in the test of loss. */
const WAKES = 1000;

/** A wait that only a wake can end. */
function awake(stage: Stage, timeoutMs: number | null = PATIENCE_MS): void {
  const startMs = stage.sys.monotonicMs();
  assert.deepEqual(stage.wait(timeoutMs), []);
  assert.equal(stage.poller.interrupted, false);
  stage.sinceLessThan(startMs, PATIENCE_MS);
}

export const wakingCases: readonly PollerCase[] = [
  {
    name: 'a wake before a wait ends it, and that one only',
    run(stage) {
      for (const timeoutMs of [PATIENCE_MS, null, 0]) {
        stage.poller.wake();
        awake(stage, timeoutMs);
        stage.idle();
      }
      return undefined;
    },
  },
  {
    name: 'the handle wakes as the poller itself does',
    run(stage) {
      const { kind, fd } = stage.poller.wakeHandle;
      assert.equal(kind, stage.subject.waker);
      // As it comes out of a message to another thread.
      wake(stage.sys, { kind, fd });
      awake(stage);
      stage.idle();
      return undefined;
    },
  },
  {
    name: 'a wake from another thread ends the wait that is under way',
    run(stage) {
      for (const timeoutMs of [PATIENCE_MS, null]) {
        stage.world.wakeLater(10, stage.poller.wakeHandle, 1);
        awake(stage, timeoutMs);
        stage.idle();
      }
      return undefined;
    },
  },
  {
    name: 'wakes coalesce',
    run(stage) {
      for (let wakes = 0; wakes < WAKES; wakes += 1) stage.poller.wake();
      awake(stage);
      stage.idle();
      return undefined;
    },
  },
  {
    name: 'more wakes than a pipe holds are no error, and leave no more than one pipe full',
    run(stage) {
      for (let wakes = 0; wakes < 70_000; wakes += 1) stage.poller.wake();
      awake(stage);
      stage.idle();
      return undefined;
    },
  },
  {
    name: 'a wake is no report, and reports come with it',
    run(stage) {
      const [left, right] = stage.pair();
      stage.poller.register(left, Interest.read, 1);
      stage.poller.wake();
      awake(stage);
      stage.write(right);
      stage.poller.wake();
      assert.deepEqual(stage.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      stage.drain(left);
      stage.idle();
      return undefined;
    },
  },
  {
    name: 'a wake inside a report ends the next wait',
    run(stage) {
      const [left, right] = stage.pair();
      stage.poller.register(left, Interest.read, 1);
      stage.write(right);
      stage.wait(0, () => {
        stage.poller.wake();
        stage.drain(left);
      });
      awake(stage, null);
      stage.idle();
      return undefined;
    },
  },
  {
    name: 'of 1,000 wakes from another thread, one for each wait, none is lost',
    run(stage) {
      const wakes = stage.world.wakeRepeatedly(stage.poller.wakeHandle, WAKES);
      for (let ended = 1; ended <= WAKES; ended += 1) {
        awake(stage, null);
        assert.equal(wakes.done(), ended);
        wakes.acknowledge();
      }
      stage.idle();
      return undefined;
    },
  },
  {
    name: 'of a burst of wakes from another thread, the last is not lost',
    run(stage) {
      for (let burst = 0; burst < 20; burst += 1) {
        stage.world.wakeLater(1, stage.poller.wakeHandle, 50);
        awake(stage, null);
        // The rest of the burst may end further waits, and then there is silence.
        for (let quiet = false; !quiet; ) {
          const startMs = stage.sys.monotonicMs();
          assert.deepEqual(stage.wait(5), []);
          quiet = stage.sys.monotonicMs() - startMs >= 5;
        }
      }
      return undefined;
    },
  },
  {
    name: 'two pollers have wakers of their own',
    run(stage) {
      const other = stage.anotherPoller();
      other.wake();
      stage.idle();
      assert.equal(other.wait(PATIENCE_MS, { ready: () => assert.fail() }), 0);
      return undefined;
    },
  },
  {
    name: 'a wake after the poller was closed does nothing',
    run(stage) {
      const handle = stage.poller.wakeHandle;
      stage.poller.close();
      wake(stage.sys, handle);
      stage.poller.wake();
      return undefined;
    },
  },
];
