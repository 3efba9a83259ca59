/** Many descriptors, high descriptors, and a poller inside of a poller. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import { type Fixture, PATIENCE_MS } from '../fixture.ts';
import type { PollerCase, Skip } from '../suite.ts';

/** More than one wait of any poller reports; select, which reports all, holds fewer. */
const MORE_THAN_A_BATCH = 2500;
const SELECT_FDS = 600;

const MANY = 5000;

/** Registers duplicates of a readable end of a pipe, each with its number as the token. */
function manyReady(fixture: Fixture, count: number): number[] | Skip {
  const [reader, writer] = fixture.pipe();
  const fds = fixture.dups(reader, count);
  if ('skip' in fds) return fds;
  for (const fd of fds) fixture.poller.register(fd, Interest.read, fd);
  fixture.write(writer);
  return fds;
}

export const burdenCases: readonly PollerCase[] = [
  {
    name: 'of more ready descriptors than a wait reports, none starves',
    run(fixture) {
      const isSelect = fixture.poller.name === 'select';
      const fds = manyReady(fixture, isSelect ? SELECT_FDS : MORE_THAN_A_BATCH);
      if ('skip' in fds) return fds;
      const seen = new Set<number>();
      for (let wait = 0; wait < 12; wait += 1) {
        for (const { token } of fixture.wait()) seen.add(token);
      }
      assert.equal(seen.size, fds.length);
      return undefined;
    },
  },
  {
    name: '5,000 registrations, of which those that are ready are found',
    run(fixture) {
      if (fixture.poller.fdLimit < MANY) return { skip: 'select holds 1,024 descriptors' };
      const [idle] = fixture.pipe();
      const fds = fixture.dups(idle, MANY);
      if ('skip' in fds) return fds;
      for (const fd of fds) fixture.poller.register(fd, Interest.read, fd);
      fixture.idle();
      const ready = manyReady(fixture, 100);
      if ('skip' in ready) return ready;
      const found = fixture.wait(PATIENCE_MS).map(({ token }) => token);
      assert.deepEqual(new Set(found), new Set(ready));
      for (const fd of [...fds, ...ready]) fixture.poller.deregister(fd);
      fixture.idle();
      return undefined;
    },
  },
  {
    name: 'descriptors above 1,024 are watched, or refused where the sets end',
    run(fixture) {
      const [reader, writer] = fixture.pipe();
      const fds = fixture.dups(reader, 1100);
      if ('skip' in fds) return fds;
      const high = Math.max(...fds);
      const register = (): void => fixture.poller.register(high, Interest.read, 1);
      if (fixture.poller.name === 'select') {
        const message = new RegExp(
          `^select cannot hold descriptor ${high} \\(its sets end at 1023\\): use poll or \\w+$`,
        );
        assert.throws(register, { name: 'RangeError', message });
        assert.throws(() => fixture.anotherPoller(), { name: 'RangeError' });
        const highest = fds.find((fd) => fd === fixture.poller.fdLimit - 1) ?? -1;
        fixture.poller.register(highest, Interest.read, 1);
      } else {
        register();
      }
      fixture.idle();
      fixture.write(writer);
      assert.deepEqual(fixture.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'an epoll inside of a poller is readable while something in it is ready',
    run(fixture) {
      const { sys } = fixture;
      const { EPOLLIN, EPOLL_CTL_ADD, EPOLL_CLOEXEC } = sys.abi.constants;
      const layout = sys.abi.structs.epoll_event;
      if (EPOLLIN === undefined || EPOLL_CLOEXEC === undefined || layout === undefined) {
        return { skip: 'only Linux has epoll' };
      }
      const epfd = fixture.keep(sys.epoll_create1(EPOLL_CLOEXEC));
      const [left, right] = fixture.pair();
      const event = new DataView(new ArrayBuffer(layout.size));
      event.setUint32(layout.fields.events.offset, EPOLLIN, true);
      const bytes = new Uint8Array(event.buffer);
      assert.ok(sys.epoll_ctl(epfd, EPOLL_CTL_ADD ?? 0, left, bytes) >= 0);
      fixture.poller.register(epfd, Interest.read, 1);
      fixture.idle();
      fixture.write(right);
      assert.deepEqual(fixture.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      fixture.drain(left);
      fixture.idle();
      return undefined;
    },
  },
];
