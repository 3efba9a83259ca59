/** Changes while a wait reports, and the length of a wait. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import { type Fixture, PATIENCE_MS, type Report } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

/** Readable descriptors, registered with their numbers as tokens. */
function readableFds(fixture: Fixture, count: number): number[] {
  return Array.from({ length: count }, () => {
    const [left, right] = fixture.pair();
    fixture.write(right);
    fixture.poller.register(left, Interest.read, left);
    return left;
  });
}

/** The other one of two. */
function otherThan(fds: readonly number[], fd: number): number {
  return fds.find((each) => each !== fd) ?? -1;
}

/** Waits once; at the first report, calls `then` with the descriptor of the next one. */
function waitAndMeet(fixture: Fixture, then: (later: number) => void): Report[] {
  const fds = readableFds(fixture, 2);
  let first = true;
  return fixture.wait(0, ({ token }) => {
    if (!first) return;
    first = false;
    then(otherThan(fds, token));
  });
}

export const reportingCases: readonly PollerCase[] = [
  {
    name: 'what is deregistered inside a report is not reported any more',
    run(fixture) {
      const reports = waitAndMeet(fixture, (later) => fixture.poller.deregister(later));
      assert.equal(reports.length, 1);
      return undefined;
    },
  },
  {
    name: 'what loses its interest inside a report is not reported any more',
    run(fixture) {
      const { poller } = fixture;
      const reports = waitAndMeet(fixture, (later) => poller.modify(later, Interest.none, 1));
      assert.equal(reports.length, 1);
      return undefined;
    },
  },
  {
    name: 'a report that is still to come has the token that is in force',
    run(fixture) {
      const { poller } = fixture;
      const reports = waitAndMeet(fixture, (later) => poller.modify(later, Interest.read, 99_999));
      assert.equal(reports.at(-1)?.token, 99_999);
      return undefined;
    },
  },
  {
    name: 'a number that is closed and reused inside a report is not reported',
    run(fixture) {
      const { poller } = fixture;
      const reports = waitAndMeet(fixture, (later) => {
        poller.deregister(later);
        fixture.closeFd(later);
        assert.equal(fixture.pair()[0], later, 'the lowest free number is taken');
        poller.register(later, Interest.read, later);
      });
      assert.equal(reports.length, 1);
      return undefined;
    },
  },
  {
    name: 'what is registered inside a report waits for the next wait',
    run(fixture) {
      const { poller } = fixture;
      const reports = waitAndMeet(fixture, (later) => {
        const [left, right] = fixture.pair();
        fixture.write(right);
        poller.register(left, Interest.read, 99_999);
        // It is ready and registered again: it may only be reported with its new token.
        poller.register(later, Interest.read, 99_998);
      });
      assert.equal(reports.length, 1);
      assert.deepEqual(new Set(fixture.wait().map(({ token }) => token)).size, 3);
      return undefined;
    },
  },
  {
    name: 'the one that is reported can be deregistered inside its report',
    run(fixture) {
      readableFds(fixture, 10);
      const reports = fixture.wait(0, ({ token }) => {
        fixture.poller.deregister(token);
        fixture.closeFd(token);
      });
      assert.equal(reports.length, 10);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'a sink that throws loses nothing',
    run(fixture) {
      const fds = readableFds(fixture, 5);
      const failing = {
        ready(): void {
          throw new Error('from the sink');
        },
      };
      assert.throws(() => fixture.poller.wait(0, failing), { message: 'from the sink' });
      assert.equal(fixture.wait().length, fds.length);
      return undefined;
    },
  },
  {
    name: 'an idle wait takes its time, never less, also in fractions',
    run(fixture) {
      const [left] = fixture.pair();
      fixture.idle(3);
      fixture.poller.register(left, Interest.read, 1);
      for (const timeoutMs of [0.2, 1, 1.5, 20.3]) {
        fixture.idle(timeoutMs);
        assert.equal(fixture.poller.interrupted, false);
      }
      return undefined;
    },
  },
  {
    name: 'a wait of 0 looks and does not wait',
    run(fixture) {
      const startMs = fixture.sys.monotonicMs();
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1);
      assert.deepEqual(fixture.wait(0), []);
      fixture.write(right);
      assert.equal(fixture.wait(0).length, 1);
      fixture.sinceLessThan(startMs, PATIENCE_MS);
      return undefined;
    },
  },
  {
    name: 'a wait ends as soon as something is ready',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1);
      for (const timeoutMs of [PATIENCE_MS, null]) {
        const startMs = fixture.sys.monotonicMs();
        fixture.environment.writeLater(10, right);
        assert.equal(fixture.wait(timeoutMs).length, 1);
        fixture.sinceLessThan(startMs, PATIENCE_MS);
        fixture.drain(left);
      }
      return undefined;
    },
  },
  {
    name: 'a wait that a signal interrupts ends with nothing, and says so',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1);
      for (const timeoutMs of [PATIENCE_MS, null]) {
        const startMs = fixture.sys.monotonicMs();
        const skip = fixture.environment.interruptLater(10);
        if (skip !== undefined) return skip;
        assert.deepEqual(fixture.wait(timeoutMs), []);
        assert.equal(fixture.poller.interrupted, true);
        fixture.sinceLessThan(startMs, PATIENCE_MS);
      }
      fixture.idle();
      assert.equal(fixture.poller.interrupted, false);
      fixture.environment.interruptLater(10);
      assert.deepEqual(fixture.wait(PATIENCE_MS), []);
      fixture.write(right);
      assert.equal(fixture.wait().length, 1);
      assert.equal(fixture.poller.interrupted, false);
      return undefined;
    },
  },
];
