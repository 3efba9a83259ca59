/** Registrations that ask for edges: what is reported once, and what tells it again. */

import assert from 'node:assert/strict';
import { ENDING, Interest } from '#src/poller/poller.js';
import type { Fixture, Report } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

/** What one wait reports, by token. */
function sorted(reports: readonly Report[]): (readonly [token: number, interest: number])[] {
  return reports
    .map(({ token, interest }) => [token, interest] as const)
    .sort(([one], [other]) => one - other);
}

function waited(fixture: Fixture): (readonly [token: number, interest: number])[] {
  return sorted(fixture.wait());
}

/** What is told of what was told before and has not changed: nothing, where there are edges. */
function toldAgain(fixture: Fixture, ...reports: (readonly [number, number])[]): unknown[] {
  return fixture.poller.edgeTriggered ? [] : reports;
}

/** Readable ends of pairs, registered for edges with the tokens 0, 1, ... */
function readableEdges(fixture: Fixture, count: number): number[] {
  return Array.from({ length: count }, (_, token) => {
    const [left, right] = fixture.pair();
    fixture.write(right);
    fixture.poller.register(left, Interest.read, token, true);
    return left;
  });
}

export const edgeCases: readonly PollerCase[] = [
  {
    name: 'an edge is told once, where there are edges, and again when more comes',
    run(fixture) {
      assert.equal(fixture.poller.edgeTriggered, fixture.poller.name === 'epoll');
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.read, 1, true);
      fixture.idle();
      for (let time = 0; time < 3; time += 1) {
        fixture.write(right);
        assert.deepEqual(waited(fixture), [[1, Interest.read]]);
        assert.deepEqual(waited(fixture), toldAgain(fixture, [1, Interest.read]));
      }
      fixture.drain(left);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'room is an edge too, and tells of the bytes that lie there',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.both, 1, true);
      assert.deepEqual(waited(fixture), [[1, Interest.write]]);
      assert.deepEqual(waited(fixture), toldAgain(fixture, [1, Interest.write]));
      fixture.write(right);
      assert.deepEqual(waited(fixture), [[1, Interest.both]]);
      assert.deepEqual(waited(fixture), toldAgain(fixture, [1, Interest.both]));
      return undefined;
    },
  },
  {
    name: 'setting the interest again tells again what is ready, with the new token',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.write(right);
      fixture.poller.register(left, Interest.read, 1, true);
      assert.deepEqual(waited(fixture), [[1, Interest.read]]);
      for (const token of [1, 2]) {
        fixture.poller.modify(left, Interest.read, token);
        assert.deepEqual(waited(fixture), [[token, Interest.read]]);
        assert.deepEqual(waited(fixture), toldAgain(fixture, [token, Interest.read]));
      }
      fixture.poller.modify(left, Interest.none, 2);
      fixture.idle();
      fixture.poller.modify(left, Interest.both, 3);
      assert.deepEqual(waited(fixture), [[3, Interest.both]]);
      assert.deepEqual(waited(fixture), toldAgain(fixture, [3, Interest.both]));
      return undefined;
    },
  },
  {
    name: 'a registration has edges if it asks for them, whatever the one before it had',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.write(right);
      const { poller } = fixture;
      const levels = (token: number): void => {
        for (let wait = 0; wait < 3; wait += 1) {
          assert.deepEqual(waited(fixture), [[token, Interest.read]]);
        }
      };
      poller.register(left, Interest.read, 1, true);
      assert.deepEqual(waited(fixture), [[1, Interest.read]]);
      poller.register(left, Interest.read, 2);
      levels(2);
      poller.register(left, Interest.read, 3, true);
      assert.deepEqual(waited(fixture), [[3, Interest.read]]);
      assert.deepEqual(waited(fixture), toldAgain(fixture, [3, Interest.read]));
      poller.deregister(left);
      poller.register(left, Interest.read, 4, false);
      levels(4);
      return undefined;
    },
  },
  {
    name: 'the end of the other side is told with an edge, and with nothing else',
    run(fixture) {
      const { sys, poller } = fixture;
      const [left, right] = fixture.pair();
      const ending = poller.edgeTriggered ? ENDING : 0;
      poller.register(left, Interest.read, 1, true);
      assert.ok(sys.shutdown(right, sys.abi.constants.SHUT_WR) >= 0);
      assert.deepEqual(waited(fixture), [[1, Interest.read | ending]]);
      assert.deepEqual(waited(fixture), toldAgain(fixture, [1, Interest.read]));
      poller.register(left, Interest.read, 2);
      assert.deepEqual(waited(fixture), [[2, Interest.read]]);
      return undefined;
    },
  },
  {
    name: 'a sink that throws loses no edge, neither the one that it threw at nor a later one',
    run(fixture) {
      for (const failing of [0, 1, 3]) {
        const fds = readableEdges(fixture, 4);
        let reports = 0;
        const sink = {
          ready(): void {
            reports += 1;
            if (reports > failing) throw new Error('from the sink');
          },
        };
        assert.throws(() => fixture.poller.wait(0, sink), { message: 'from the sink' });
        const again = waited(fixture);
        // Those before it were told.
        const left = fixture.poller.edgeTriggered ? 4 - failing : 4;
        assert.equal(again.length, left);
        assert.deepEqual(waited(fixture), toldAgain(fixture, ...again));
        for (const fd of fds) fixture.poller.deregister(fd);
      }
      return undefined;
    },
  },
  {
    name: 'a sink that throws does not bring back what it took out or silenced',
    run(fixture) {
      const { poller } = fixture;
      const [first = -1, second = -1, third = -1, fourth = -1] = readableEdges(fixture, 4);
      const sink = {
        ready(): void {
          poller.deregister(second);
          poller.modify(third, Interest.none, 2);
          poller.register(fourth, Interest.read, 9, true);
          throw new Error('from the sink');
        },
      };
      assert.throws(() => poller.wait(0, sink), { message: 'from the sink' });
      const tokens = waited(fixture).map(([token]) => token);
      assert.deepEqual(
        tokens.filter((token) => token !== 0),
        [9],
      );
      fixture.drain(first);
      fixture.drain(fourth);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'edges stay edges where a set is made anew, and levels levels',
    run(fixture) {
      const { poller } = fixture;
      const [edge, one] = fixture.pair();
      const [level, two] = fixture.pair();
      const [gone, three] = fixture.pair();
      poller.register(edge, Interest.read, 1, true);
      poller.register(level, Interest.read, 2);
      poller.register(gone, Interest.read, 3);
      const isLibkqueue = poller.name === 'kqueue' && fixture.sys.abi.platform.startsWith('linux-');
      // libkqueue cannot let go of it: see the cases of duplicates.
      const twin = isLibkqueue ? -1 : fixture.dup(gone);
      fixture.closeFd(gone);
      poller.deregister(gone);
      if (twin >= 0) fixture.write(three);
      assert.deepEqual(waited(fixture), []);
      fixture.idle();
      fixture.write(one);
      fixture.write(two);
      const both = [
        [1, Interest.read],
        [2, Interest.read],
      ] as const;
      assert.deepEqual(waited(fixture), both);
      const told = poller.edgeTriggered ? [both[1]] : both;
      for (let wait = 0; wait < 2; wait += 1) assert.deepEqual(waited(fixture), told);
      return undefined;
    },
  },
];
