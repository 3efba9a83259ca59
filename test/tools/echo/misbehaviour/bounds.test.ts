// Goal: answers that wait take bounded memory: their client is not read from.
// Method: a server and a client on one loop; the client sends far more than the server may hold.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Connection, EventLoop, nativeSys } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { leakCheck } from '#test/harness/leaks.js';
import { type Client, EventServer } from '#tools/echo/event-server.js';
import { CHUNK_BYTES, WAITING_BYTES_MAX } from '#tools/echo/limits.js';
import { EventMisbehaviour } from '#tools/echo/misbehaviour/event-misbehaviour.js';
import type { MisbehaviourPlan } from '#tools/echo/misbehaviour/plan.js';
import type { EchoMode } from '#tools/echo/session.js';

const timeout = 60_000;
const available = backends.filter((one) => one.available(nativeSys()) === true);

const plan: MisbehaviourPlan = {
  seed: 1,
  delayMs: 0,
  jitterMs: 0,
  dropShare: 0,
  corruptShare: 0,
  refuseShare: 0,
  closeAfterMessages: null,
  closeAfterBytes: null,
  closeHow: 'fin',
  bandwidthBytesPerSecond: null,
  burstBytes: 1,
};

/** Turns that bring nothing, after which nothing more comes. */
const QUIET_TURNS = 30;

/** Sends 16 MiB of `text` to a server with `changes`. Returns how many bytes it received. */
function receivedOf(
  loop: EventLoop,
  mode: EchoMode,
  changes: Partial<MisbehaviourPlan>,
  text: string,
): number {
  const misbehaviour = new EventMisbehaviour<Client | number>(loop, { ...plan, ...changes }, mode);
  const { listener } = new EventServer(loop, {
    mode,
    misbehaviour,
    listen: (settings) => loop.listen({ host: '127.0.0.1', port: 0, ...settings }),
  });
  const bytes = Buffer.alloc(16 * 1024 * 1024, text);
  const open = (connection: Connection): void => void connection.write(bytes);
  loop.connect({ host: '127.0.0.1', port: listener.port ?? 0, handlers: { open } });
  let received = 0;
  for (let quiet = 0; quiet < QUIET_TURNS; quiet += 1) {
    loop.turn(10);
    const [connection] = misbehaviour.connections;
    if (connection === undefined || connection.bytesReceived > received) quiet = 0;
    received = connection?.bytesReceived ?? 0;
  }
  return received;
}

for (const { name } of available) {
  test(`${name}: a client is not read from while too much waits`, { timeout }, (t) => {
    leakCheck(t);
    using loop = new EventLoop({ backend: name });
    const received = receivedOf(loop, 'echo', { delayMs: 60_000 }, 'x');
    assert(received > WAITING_BYTES_MAX / 2, `${received} bytes received`);
    // What a loop receives at once: a chunk, or what a ring has in its buffers.
    assert(received <= WAITING_BYTES_MAX + 8 * CHUNK_BYTES, `${received} bytes received`);
  });
}

test('many short answers wait in bounded memory', { timeout }, (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const changes = { delayMs: 60_000, jitterMs: 1000 };
  const received = receivedOf(loop, 'line', changes, '\n');
  assert(received <= WAITING_BYTES_MAX + 8 * CHUNK_BYTES, `${received} bytes received`);
});

test('a client that is slow to get its answers is not read from', { timeout }, (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const changes = { bandwidthBytesPerSecond: 1, burstBytes: 1_000_000 };
  const received = receivedOf(loop, 'echo', changes, 'x');
  assert(received >= 1_000_000 && received < 2_000_000 + 8 * CHUNK_BYTES, `${received} bytes`);
});
