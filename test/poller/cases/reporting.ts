/** What may happen while a wait reports, and how long a wait takes. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import { PATIENCE_MS, type Report, type Stage } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

/** Descriptors with something to read, registered with themselves as tokens. */
function readableFds(stage: Stage, count: number): number[] {
  return Array.from({ length: count }, () => {
    const [left, right] = stage.pair();
    stage.write(right);
    stage.poller.register(left, Interest.read, left);
    return left;
  });
}

/** The other one of two. */
function otherThan(fds: readonly number[], fd: number): number {
  return fds.find((each) => each !== fd) ?? -1;
}

/** Waits once; at its first report, `then` meets the descriptor whose report is still to come. */
function waitAndMeet(stage: Stage, then: (later: number) => void): Report[] {
  const fds = readableFds(stage, 2);
  let first = true;
  return stage.wait(0, ({ token }) => {
    if (!first) return;
    first = false;
    then(otherThan(fds, token));
  });
}

export const reportingCases: readonly PollerCase[] = [
  {
    name: 'what is deregistered inside a report is not reported any more',
    run(stage) {
      const reports = waitAndMeet(stage, (later) => stage.poller.deregister(later));
      assert.equal(reports.length, 1);
      return undefined;
    },
  },
  {
    name: 'what loses its interest inside a report is not reported any more',
    run(stage) {
      const { poller } = stage;
      const reports = waitAndMeet(stage, (later) => poller.modify(later, Interest.none, 1));
      assert.equal(reports.length, 1);
      return undefined;
    },
  },
  {
    name: 'a report that is still to come has the token that is in force',
    run(stage) {
      const { poller } = stage;
      const reports = waitAndMeet(stage, (later) => poller.modify(later, Interest.read, 99_999));
      assert.equal(reports.at(-1)?.token, 99_999);
      return undefined;
    },
  },
  {
    name: 'a number that is closed and reused inside a report is not reported',
    run(stage) {
      const { poller } = stage;
      const reports = waitAndMeet(stage, (later) => {
        poller.deregister(later);
        stage.closeFd(later);
        assert.equal(stage.pair()[0], later, 'the lowest free number is taken');
        poller.register(later, Interest.read, later);
      });
      assert.equal(reports.length, 1);
      return undefined;
    },
  },
  {
    name: 'what is registered inside a report waits for the next wait',
    run(stage) {
      const { poller } = stage;
      const reports = waitAndMeet(stage, (later) => {
        const [left, right] = stage.pair();
        stage.write(right);
        poller.register(left, Interest.read, 99_999);
        // Ready as it is, it has been registered anew, and may only be reported as that.
        poller.register(later, Interest.read, 99_998);
      });
      assert.equal(reports.length, 1);
      assert.deepEqual(new Set(stage.wait().map(({ token }) => token)).size, 3);
      return undefined;
    },
  },
  {
    name: 'the one that is reported can be deregistered inside its report',
    run(stage) {
      readableFds(stage, 10);
      const reports = stage.wait(0, ({ token }) => {
        stage.poller.deregister(token);
        stage.closeFd(token);
      });
      assert.equal(reports.length, 10);
      stage.idle();
      return undefined;
    },
  },
  {
    name: 'a sink that throws loses nothing',
    run(stage) {
      const fds = readableFds(stage, 5);
      const failing = {
        ready(): void {
          throw new Error('from the sink');
        },
      };
      assert.throws(() => stage.poller.wait(0, failing), { message: 'from the sink' });
      assert.equal(stage.wait().length, fds.length);
      return undefined;
    },
  },
  {
    name: 'an idle wait takes its time, never less, also in fractions',
    run(stage) {
      const [left] = stage.pair();
      stage.idle(3);
      stage.poller.register(left, Interest.read, 1);
      for (const timeoutMs of [0.2, 1, 1.5, 20.3]) {
        stage.idle(timeoutMs);
        assert.equal(stage.poller.interrupted, false);
      }
      return undefined;
    },
  },
  {
    name: 'a wait of 0 looks and does not wait',
    run(stage) {
      const startMs = stage.sys.monotonicMs();
      const [left, right] = stage.pair();
      stage.poller.register(left, Interest.read, 1);
      assert.deepEqual(stage.wait(0), []);
      stage.write(right);
      assert.equal(stage.wait(0).length, 1);
      stage.sinceLessThan(startMs, PATIENCE_MS);
      return undefined;
    },
  },
  {
    name: 'a wait ends as soon as something is ready',
    run(stage) {
      const [left, right] = stage.pair();
      stage.poller.register(left, Interest.read, 1);
      for (const timeoutMs of [PATIENCE_MS, null]) {
        const startMs = stage.sys.monotonicMs();
        stage.world.writeLater(10, right);
        assert.equal(stage.wait(timeoutMs).length, 1);
        stage.sinceLessThan(startMs, PATIENCE_MS);
        stage.drain(left);
      }
      return undefined;
    },
  },
  {
    name: 'a wait that a signal interrupts ends with nothing, and says so',
    run(stage) {
      const [left, right] = stage.pair();
      stage.poller.register(left, Interest.read, 1);
      for (const timeoutMs of [PATIENCE_MS, null]) {
        const startMs = stage.sys.monotonicMs();
        const skip = stage.world.interruptLater(10);
        if (skip !== undefined) return skip;
        assert.deepEqual(stage.wait(timeoutMs), []);
        assert.equal(stage.poller.interrupted, true);
        stage.sinceLessThan(startMs, PATIENCE_MS);
      }
      stage.idle();
      assert.equal(stage.poller.interrupted, false);
      stage.world.interruptLater(10);
      assert.deepEqual(stage.wait(PATIENCE_MS), []);
      stage.write(right);
      assert.equal(stage.wait().length, 1);
      assert.equal(stage.poller.interrupted, false);
      return undefined;
    },
  },
];
