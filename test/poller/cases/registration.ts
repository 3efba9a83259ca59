/** Registering, modifying, deregistering. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import type { Ends, Fixture } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

const TOKEN_MAX = 2 ** 31 - 1;

/** Both ends of a pair, the left one readable. */
function readablePair(fixture: Fixture): Ends {
  const ends = fixture.pair();
  fixture.write(ends[1]);
  return ends;
}

function tokensOf(fixture: Fixture): number[] {
  return fixture.wait().map(({ token }) => token);
}

/** The steps with one descriptor, which the model below follows. */
const STEPS = [
  ['register', Interest.none],
  ['register', Interest.read],
  ['register', Interest.both],
  ['modify', Interest.none],
  ['modify', Interest.read],
  ['modify', Interest.write],
  ['modify', Interest.both],
  ['deregister', Interest.none],
] as const;

type Step = (typeof STEPS)[number];

/** Every sequence of `length` steps. */
function* sequences(length: number): Generator<Step[]> {
  if (length === 0) {
    yield [];
    return;
  }
  for (const sequence of sequences(length - 1)) for (const step of STEPS) yield [...sequence, step];
}

/** True if one of `steps` modifies a descriptor that is not registered. */
function isRefused(steps: readonly Step[]): boolean {
  let isRegistered = false;
  for (const [verb] of steps) {
    if (verb === 'modify' && !isRegistered) return true;
    isRegistered = verb !== 'deregister';
  }
  return false;
}

/** Runs the steps with a descriptor that is readable and writable, and compares with a model. */
function playSteps(fixture: Fixture, fd: number, steps: readonly Step[]): void {
  const { poller } = fixture;
  let expected: { token: number; interest: Interest } | null = null;
  for (const [token, [verb, interest]] of steps.entries()) {
    if (verb === 'deregister') {
      poller.deregister(fd);
      expected = null;
    } else if (verb === 'modify' && expected === null) {
      assert.throws(() => poller.modify(fd, interest, token), /is not registered/);
    } else {
      poller[verb](fd, interest, token);
      expected = { token, interest };
    }
  }
  const ready = expected === null || expected.interest === Interest.none ? [] : [expected];
  const reports = fixture.wait().map(({ token, interest }) => ({ token, interest }));
  assert.deepEqual(reports, ready, JSON.stringify(steps));
  poller.deregister(fd);
}

export const registrationCases: readonly PollerCase[] = [
  {
    name: 'what is registered is reported with its token',
    run(fixture) {
      const [left] = readablePair(fixture);
      fixture.poller.register(left, Interest.read, 0);
      assert.deepEqual(fixture.wait(), [{ token: 0, interest: Interest.read, errno: 0 }]);
      fixture.poller.register(left, Interest.read, TOKEN_MAX);
      assert.deepEqual(fixture.wait(), [{ token: TOKEN_MAX, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'register, modify and deregister work in every order of up to four',
    run(fixture) {
      const [left] = readablePair(fixture);
      for (let length = 1; length <= 4; length += 1) {
        for (const steps of sequences(length)) {
          // An error costs more than the steps, and three steps show the state after it.
          if (length < 4 || !isRefused(steps)) playSteps(fixture, left, steps);
        }
      }
      return undefined;
    },
  },
  {
    name: 'registering again replaces interest and token',
    run(fixture) {
      const [left] = readablePair(fixture);
      fixture.poller.register(left, Interest.read, 1);
      fixture.poller.register(left, Interest.write, 2);
      assert.deepEqual(fixture.wait(), [{ token: 2, interest: Interest.write, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'modify replaces the token where the interest stays',
    run(fixture) {
      const [left] = readablePair(fixture);
      fixture.poller.register(left, Interest.both, 1);
      fixture.poller.modify(left, Interest.both, 2);
      fixture.poller.modify(left, Interest.both, 2);
      assert.deepEqual(fixture.wait(), [{ token: 2, interest: Interest.both, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'an interest in nothing is a registration that is silent',
    run(fixture) {
      const [left, right] = readablePair(fixture);
      fixture.poller.register(left, Interest.none, 1);
      fixture.idle();
      fixture.poller.modify(left, Interest.both, 1);
      assert.deepEqual(fixture.wait(), [{ token: 1, interest: Interest.both, errno: 0 }]);
      fixture.poller.modify(left, Interest.none, 1);
      fixture.closeFd(right);
      // A hang-up must not wake a caller without an interest.
      fixture.idle();
      fixture.poller.modify(left, Interest.read, 3);
      assert.deepEqual(tokensOf(fixture), [3]);
      return undefined;
    },
  },
  {
    name: 'deregister is legal twice and for what was never registered',
    run(fixture) {
      const [left, right] = readablePair(fixture);
      fixture.poller.register(left, Interest.read, 1);
      for (const fd of [left, left, right, 1_000_000, -1]) fixture.poller.deregister(fd);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'modify of what is not registered throws',
    run(fixture) {
      const [left] = fixture.pair();
      const wanted = { message: `descriptor ${left} is not registered` };
      assert.throws(() => fixture.poller.modify(left, Interest.read, 1), wanted);
      return undefined;
    },
  },
  {
    name: 'a descriptor that is not open is refused: EBADF',
    run(fixture) {
      const [left] = fixture.pair();
      fixture.closeFd(left);
      for (const interest of [Interest.none, Interest.read, Interest.both]) {
        const refused = { code: 'EBADF', message: /^cannot watch descriptor \d+ with / };
        assert.throws(() => fixture.poller.register(left, interest, 1), refused);
      }
      assert.throws(() => fixture.poller.register(-1, Interest.read, 1), { code: 'EBADF' });
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'a plain file is always ready, except that epoll refuses it: EPERM',
    run(fixture) {
      const { sys, poller, environment } = fixture;
      if ('skip' in environment.plainFile) return environment.plainFile;
      const fd = fixture.keep(sys.open(environment.plainFile.path, sys.abi.constants.O_RDONLY));
      const register = (): void => poller.register(fd, Interest.read, 1);
      if (poller.name === 'epoll') {
        assert.throws(register, { code: 'EPERM', syscall: 'epoll_ctl' });
        assert.throws(() => poller.modify(fd, Interest.both, 1), /is not registered/);
      } else {
        register();
        assert.deepEqual(tokensOf(fixture), [1]);
      }
      return undefined;
    },
  },
  {
    name: 'a poller has registrations of its own',
    run(fixture) {
      const [left] = readablePair(fixture);
      const other = fixture.anotherPoller();
      fixture.poller.register(left, Interest.read, 1);
      other.register(left, Interest.write, 2);
      assert.deepEqual(tokensOf(fixture), [1]);
      other.deregister(left);
      assert.deepEqual(tokensOf(fixture), [1]);
      return undefined;
    },
  },
  {
    name: 'many descriptors have an entry each, whichever goes first',
    run(fixture) {
      const pairs = Array.from({ length: 40 }, () => readablePair(fixture));
      const lefts = pairs.map(([left]) => left);
      for (const left of lefts) fixture.poller.register(left, Interest.read, left);
      const remaining = new Set(lefts);
      // From the middle, in steps that meet every entry once.
      for (let step = 0; step < lefts.length; step += 1) {
        const left = lefts[(20 + 7 * step) % lefts.length] ?? -1;
        fixture.poller.deregister(left);
        remaining.delete(left);
        assert.deepEqual(new Set(tokensOf(fixture)), remaining);
      }
      return undefined;
    },
  },
];
