// Goal: a service that has ended leaves no timer and no listener of a signal, and has no more
// sockets than threads. Method: a service of one thread, handed over with a deadline far away.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { serveOnThreads } from 'sockloop/workers';
import { leakCheck } from '#test/harness/leaks.js';

const SERVES = `export function serve(thread) {
  thread.listen({ handlers: {} });
  for (const to of [thread.threads, -1, thread.threads - 1, 'others']) {
    try {
      thread.post('a message', to);
      thread.post(to + ' is heard');
    } catch (error) {
      thread.post(error.name);
    }
  }
}`;

test('service: what it leaves when it is handed over', { timeout: 60_000 }, async (t) => {
  leakCheck(t);
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const { signal } = new AbortController();
  const messages: unknown[] = [];
  const service = await serveOnThreads({
    module: new URL(`data:text/javascript,${encodeURIComponent(SERVES)}`),
    listen: { host: '127.0.0.1', port: 0 },
    threads: 1,
    signal,
    onMessage: (message) => messages.push(message),
  });
  assert.equal(service.fds.length, 1);
  assert.deepEqual(messages, ['RangeError', 'RangeError', '0 is heard', 'others is heard']);
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  assert.deepEqual(await service.handOver({ deadlineMs: 1_000_000 }), { ended: 0, reset: 0 });
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  assert.equal(timers(), before);
});
