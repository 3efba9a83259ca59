// Goal: an AbortSignal ends what it was given to, before, during and never after; a loop that is
// closed leaves no promise pending.
// Method: signals that abort at each of these times, over each poller; listeners on the signals are
// counted.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { createConnection, type EventLoop } from 'sockloop';
import { overPollers, pattern, run } from '../stream/pollers.ts';
import { Outcome, pairOn, portOf, settled, turnOn, until } from './drive.ts';

const host = '127.0.0.1';
const reason = new Error('enough');

/** Nothing waits for the signal any more. */
function assertForgotten({ signal }: AbortController): void {
  assert.equal(getEventListeners(signal, 'abort').length, 0);
}

/** A port on which nobody answers: the queue of its listener is full. */
function fullServer(loop: EventLoop): number {
  const listener = loop.listen({ host, port: 0, backlog: 0, handlers: {} });
  listener.pause();
  return portOf(listener);
}

overPollers('abort: a listener', async (_, loop) => {
  assert.throws(() => loop.listen({ host, port: 0, signal: AbortSignal.abort(reason) }), reason);
  assert.throws(() => loop.listen({ host, port: 0, signal: {} as never }), {
    name: 'TypeError',
    message: 'signal is an AbortSignal, not an object',
  });
  const during = new AbortController();
  const listener = loop.listen({ host, port: 0, signal: during.signal });
  const next = listener[Symbol.asyncIterator]().next();
  const { server } = await pairOn(loop);
  during.abort(reason);
  assert.deepEqual(await next, { done: true, value: undefined });
  assertForgotten(during);
  assert.ok(server.connection.isOpen, 'connections go on');
  await turnOn(loop);
  assert.throws(() => createConnection({ host, port: portOf(listener) }), { code: 'ECONNREFUSED' });
  const after = new AbortController();
  loop.listen({ host, port: 0, signal: after.signal, handlers: {} }).close();
  assertForgotten(after);
  after.abort(reason);
  const closed = new AbortController();
  loop.listen({ host, port: 0, signal: closed.signal, handlers: {} });
  loop.close();
  assertForgotten(closed);
  closed.abort(reason);
});

overPollers('abort: a connect with handlers', async (_, loop) => {
  const errors: unknown[] = [];
  const onError = (error: Error): void => void errors.push(error);
  const port = fullServer(loop);
  const options = { host, port, handlers: { open: () => assert.fail('it is open') }, onError };
  assert.throws(() => loop.connect({ ...options, signal: 7 as never }), TypeError);
  loop.connect({ ...options, signal: AbortSignal.abort(reason) });
  assert.deepEqual(errors, [], 'no handler runs inside the call');
  await turnOn(loop);
  assert.deepEqual(errors.splice(0), [reason]);

  const during = new AbortController();
  const connector = loop.connect({ ...options, host: 'localhost', signal: during.signal });
  during.abort(reason);
  assert.equal(connector.connecting, false);
  assert.deepEqual(errors, [], 'no handler runs inside abort()');
  await turnOn(loop);
  assert.deepEqual(errors.splice(0), [reason]);
  assertForgotten(during);

  const cancelled = new AbortController();
  loop.connect({ ...options, signal: cancelled.signal }).cancel();
  assertForgotten(cancelled);
  cancelled.abort(reason);
  await turnOn(loop);
  assert.deepEqual(errors, []);
});

overPollers('abort: after the connect, it has no effect', async (_, loop) => {
  const after = new AbortController();
  const listener = loop.listen({ host, port: 0, handlers: {} });
  const to = { host, port: portOf(listener), signal: after.signal };
  const connection = await settled(loop, loop.connectAsync(to));
  let isOpen = false;
  const open = (): void => {
    isOpen = true;
  };
  loop.connect({ ...to, handlers: { open } });
  await until(loop, () => isOpen, 'the other is open');
  assertForgotten(after);
  after.abort(reason);
  assert.ok(connection.connection.isOpen);
});

overPollers('abort: a connect without handler of errors ends the run', async (_, loop) => {
  const signal = AbortSignal.abort(reason);
  loop.connect({ host, port: 1, signal, handlers: {} });
  await assert.rejects(loop.run(), reason);
});

overPollers('abort: connectAsync', async (_, loop) => {
  const port = fullServer(loop);
  // Without a turn of the loop.
  const signal = AbortSignal.abort(reason);
  await assert.rejects(loop.connectAsync({ host, port, signal }), reason);
  await assert.rejects(loop.connectAsync({ host, port, signal: 7 as never }), TypeError);
  await assert.rejects(loop.connectAsync({ host, port: -1 }), RangeError);
  const during = new AbortController();
  const connecting = loop.connectAsync({ host: 'localhost', port, signal: during.signal });
  during.abort('in words');
  await assert.rejects(connecting, (error) => error === 'in words');
  assertForgotten(during);
  const refused = loop.connectAsync({ host, port: 1, signal: new AbortController().signal });
  await assert.rejects(settled(loop, refused), { code: 'ECONNREFUSED' });
  loop.close();
  await assert.rejects(loop.connectAsync({ host, port }), {
    message: 'cannot connect: the loop is closed',
  });
});

overPollers('abort: a run', async (_, loop) => {
  await assert.rejects(loop.run({ signal: AbortSignal.abort(reason) }), reason);
  await assert.rejects(loop.run({ signal: 7 as never }), TypeError);
  const timer = loop.setTimer(1_000_000, () => undefined);
  for (const later of [setImmediate, setTimeout]) {
    const during = new AbortController();
    later(() => during.abort(reason));
    await assert.rejects(loop.run({ signal: during.signal }), reason);
    assertForgotten(during);
  }
  const inside = new AbortController();
  loop.setTimer(0, () => inside.abort(reason));
  await assert.rejects(loop.run({ signal: inside.signal }), reason);
  timer.cancel();
  const after = new AbortController();
  await loop.run({ signal: after.signal });
  assertForgotten(after);
  after.abort(reason);
  let ran = false;
  loop.setTimer(0, () => {
    ran = true;
  });
  await run(loop);
  assert.ok(ran, 'the loop is usable');
});

overPollers('closing the loop settles everything', async (_, loop) => {
  const { server, client } = await pairOn(loop);
  const listener = loop.listen({ host, port: 0 });
  const port = fullServer(loop);
  const next = new Outcome(listener[Symbol.asyncIterator]().next());
  const chunk = new Outcome(client[Symbol.asyncIterator]().next());
  const line = new Outcome(server.lines().next());
  const write = new Outcome(server.write(pattern(32 * 1024 * 1024)));
  client.connection.pause();
  await turnOn(loop);
  const end = new Outcome(server.end());
  const connect = new Outcome(loop.connectAsync({ host: 'localhost', port }));
  const { client: third } = await pairOn(loop);
  const close = new Outcome(third.close());
  loop.close();
  await new Promise((resolve) => setImmediate(resolve));
  const over = 'resolved {"done":true}';
  assert.deepEqual(
    [next, chunk, line, write, end, connect, close].map(({ state }) => state),
    [
      over,
      over,
      over,
      'rejected cannot write: the loop was closed',
      'rejected cannot end: the loop was closed',
      'rejected cannot connect: the loop was closed',
      'resolved undefined',
    ],
  );
  await assert.rejects(client.write('x'), { message: 'cannot write: the loop was closed' });
  assert.deepEqual(await client[Symbol.asyncIterator]().next(), { done: true, value: undefined });
  await client.close();
  await client[Symbol.asyncDispose]();
});
