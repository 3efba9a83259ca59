/** Many descriptors, high descriptors, and a poller inside of a poller. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import { PATIENCE_MS, type Stage } from '../fixture.ts';
import type { PollerCase, Skip } from '../suite.ts';

/** More than one wait of any poller takes; select, which takes all it has, has room for fewer. */
const MORE_THAN_A_BATCH = 2500;
const SELECT_FDS = 600;

const MANY = 5000;

/** Registers duplicates of a pipe's end that has something to read, each as its own token. */
function manyReady(stage: Stage, count: number): number[] | Skip {
  const [reader, writer] = stage.pipe();
  const fds = stage.dups(reader, count);
  if ('skip' in fds) return fds;
  for (const fd of fds) stage.poller.register(fd, Interest.read, fd);
  stage.write(writer);
  return fds;
}

export const burdenCases: readonly PollerCase[] = [
  {
    name: 'of more ready descriptors than a wait reports, none starves',
    run(stage) {
      const isSelect = stage.poller.name === 'select';
      const fds = manyReady(stage, isSelect ? SELECT_FDS : MORE_THAN_A_BATCH);
      if ('skip' in fds) return fds;
      const seen = new Set<number>();
      for (let wait = 0; wait < 12; wait += 1) {
        for (const { token } of stage.wait()) seen.add(token);
      }
      assert.equal(seen.size, fds.length);
      return undefined;
    },
  },
  {
    name: '5,000 registrations, of which those that are ready are found',
    run(stage) {
      if (stage.poller.fdLimit < MANY) return { skip: 'select holds 1,024 descriptors' };
      const [idle] = stage.pipe();
      const fds = stage.dups(idle, MANY);
      if ('skip' in fds) return fds;
      for (const fd of fds) stage.poller.register(fd, Interest.read, fd);
      stage.idle();
      const ready = manyReady(stage, 100);
      if ('skip' in ready) return ready;
      const found = stage.wait(PATIENCE_MS).map(({ token }) => token);
      assert.deepEqual(new Set(found), new Set(ready));
      for (const fd of [...fds, ...ready]) stage.poller.deregister(fd);
      stage.idle();
      return undefined;
    },
  },
  {
    name: 'descriptors above 1,024 are watched, or refused where the sets end',
    run(stage) {
      const [reader, writer] = stage.pipe();
      const fds = stage.dups(reader, 1100);
      if ('skip' in fds) return fds;
      const high = Math.max(...fds);
      const register = (): void => stage.poller.register(high, Interest.read, 1);
      if (stage.poller.name === 'select') {
        const message = new RegExp(
          `^select cannot hold descriptor ${high} \\(its sets end at 1023\\): use poll or \\w+$`,
        );
        assert.throws(register, { name: 'RangeError', message });
        assert.throws(() => stage.anotherPoller(), { name: 'RangeError' });
        const highest = fds.find((fd) => fd === stage.poller.fdLimit - 1) ?? -1;
        stage.poller.register(highest, Interest.read, 1);
      } else {
        register();
      }
      stage.idle();
      stage.write(writer);
      assert.deepEqual(stage.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'an epoll inside of a poller is readable while something in it is ready',
    run(stage) {
      const { sys } = stage;
      const { EPOLLIN, EPOLL_CTL_ADD, EPOLL_CLOEXEC } = sys.abi.constants;
      const layout = sys.abi.structs.epoll_event;
      if (EPOLLIN === undefined || EPOLL_CLOEXEC === undefined || layout === undefined) {
        return { skip: 'only Linux has epoll' };
      }
      const epfd = stage.keep(sys.epoll_create1(EPOLL_CLOEXEC));
      const [left, right] = stage.pair();
      const event = new DataView(new ArrayBuffer(layout.size));
      event.setUint32(layout.fields.events.offset, EPOLLIN, true);
      const bytes = new Uint8Array(event.buffer);
      assert.ok(sys.epoll_ctl(epfd, EPOLL_CTL_ADD ?? 0, left, bytes) >= 0);
      stage.poller.register(epfd, Interest.read, 1);
      stage.idle();
      stage.write(right);
      assert.deepEqual(stage.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      stage.drain(left);
      stage.idle();
      return undefined;
    },
  },
];
