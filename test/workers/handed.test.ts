// Goal: connections that are handed to a thread are served, whatever a handler does.
// Method: HandedConnections without threads: a loop over a simulated kernel, turned by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimSys } from '#sim/sim-sys.js';
import { ReadinessBackend } from '#src/loop/readiness/backend.js';
import { EventLoop } from '#src/net/event-loop.js';
import type { Listener, ListenSettings } from '#src/net/stream/listener.js';
import { PollPoller } from '#src/poller/poll.js';
import { HandedConnections } from '#src/workers/handed-connections.js';
import { ThreadState } from '#src/workers/shared-state.js';
import { leakCheck } from '#test/harness/leaks.js';

const ADDRESS = { family: 'UNIX', path: '/run/service' } as const;

/** A thread that listens, and the connections that it is handed. */
function handed(settings: ListenSettings) {
  const sys = new SimSys({ seed: 1 });
  const backend = new ReadinessBackend(sys, new PollPoller(sys));
  const loop = new EventLoop({ sys, backend });
  const source = new HandedConnections(ADDRESS, new ThreadState(0), () => undefined);
  // A source is no part of the public options.
  const listener: Listener = loop.listen({ source, ...settings } as never);
  const push = (count: number): void => {
    const { AF_UNIX, SOCK_STREAM } = sys.abi.constants;
    const fds: number[] = [];
    for (let made = 0; made < count; made += 1) {
      const pair = new Int32Array(2);
      assert.equal(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
      fds.push(pair[0] ?? -1);
    }
    source.push(fds);
  };
  return { loop, listener, push };
}

test('handed connections: after a handler that throws the others are delivered', (t) => {
  leakCheck(t);
  let opened = 0;
  const { loop, push } = handed({
    handlers: {
      open: () => {
        opened += 1;
        if (opened === 1) throw new Error('the first');
      },
    },
  });
  push(3);
  assert.throws(() => loop.turn(0), /the first/);
  for (let turn = 0; turn < 3; turn += 1) loop.turn(0);
  assert.equal(opened, 3);
  loop.close();
});

test('handed connections: after a handler that throws no more are open than may be', (t) => {
  leakCheck(t);
  let opened = 0;
  const { loop, listener, push } = handed({
    maxConnections: 1,
    handlers: {
      open: () => {
        opened += 1;
        assert.equal(listener.connections, 1);
        if (opened === 1) throw new Error('the first');
      },
    },
  });
  push(2);
  assert.throws(() => loop.turn(0), /the first/);
  for (let turn = 0; turn < 3; turn += 1) loop.turn(0);
  assert.equal(opened, 2);
  loop.close();
});
