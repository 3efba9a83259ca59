/** Runs a program of a library on node:net and on sockloop/net, and compares what it finds. */

import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import * as nodeNet from 'node:net';
import type { TestContext } from 'node:test';
import { nativeSys } from 'sockloop';
import * as ownNet from 'sockloop/net';
import { ThreadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';
import { backends } from '#src/loop/backends.js';
import { eventually } from '#test/harness/command.js';
import { leakCheck, leaksSince, openResources } from '#test/harness/leaks.js';
import type { Net } from './work/net.ts';

const onNode: Net = {
  connect: (place) => nodeNet.connect(place),
  Socket: nodeNet.Socket,
  serveOn: (server: EventEmitter) => {
    const { allowHalfOpen = false } = server as { allowHalfOpen?: boolean };
    const listener = nodeNet.createServer({ noDelay: true, allowHalfOpen });
    listener.on('connection', (socket) => server.emit('connection', socket));
    return listener.listen(0, '127.0.0.1');
  },
};

// The libraries' types ask for Node's own classes.
const onOwn = {
  connect: ownNet.connect,
  Socket: ownNet.Socket,
  serveOn: (server: EventEmitter) => ownNet.serveOn(server, { port: 0, host: '127.0.0.1' }),
} as unknown as Net;

/**
 * Runs `scenario` on node:net and on each loop of sockloop/net: it has to pass, to return the same,
 * and to leave nothing open.
 */
export async function compared(
  t: TestContext,
  scenario: (net: Net) => Promise<unknown>,
): Promise<void> {
  leakCheck(t);
  const wanted = await scenario(onNode);
  for (const backend of ['epoll', 'io_uring'] as const) {
    const found = backends.find(({ name }) => name === backend)?.available(nativeSys());
    if (found !== true) {
      t.diagnostic(`not on ${backend}: ${found?.reason}`);
      continue;
    }
    const thread = new ThreadLoop({ backend });
    useThreadLoop(thread);
    try {
      const before = openResources();
      assert.deepEqual(await scenario(onOwn), wanted, backend);
      await eventually(() => assert.deepEqual(leaksSince(before), [], backend));
    } finally {
      useThreadLoop(null);
      thread.loop.close();
    }
  }
}
