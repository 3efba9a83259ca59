// Goal: the iterator of a listener gives every connection once, accepts no more than is wanted, and
// a shutdown ends all of them in time.
// Method: many clients on one loop, over each poller, turned by the test.

import assert from 'node:assert/strict';
import { type AsyncConnection, EventLoop, type Listener } from 'sockloop';
import { CONNECTIONS_WAITING_MAX } from '#src/net/limits.js';
import { overPollers, pattern, run, unixPath } from '../stream/pollers.ts';
import { Outcome, portOf, settled, textOf, turnOn, until } from './drive.ts';

const host = '127.0.0.1';
const over = { done: true, value: undefined };

/** `count` clients of `listener`, once all are connected. */
function clientsOf(
  loop: EventLoop,
  listener: Pick<Listener, 'port'>,
  count: number,
): Promise<AsyncConnection[]> {
  const to = { host, port: portOf(listener) };
  const connects = Array.from({ length: count }, () => loop.connectAsync(to));
  return settled(loop, Promise.all(connects));
}

overPollers('async: connections are accepted while someone iterates', async (_, loop) => {
  const listener = loop.listen({ host, port: 0 });
  const [client] = await clientsOf(loop, listener, 2);
  await turnOn(loop);
  assert.equal(listener.stats.accepted, 0, 'nobody iterates');
  const first = (async () => {
    for await (const connection of listener) {
      await connection.end('one');
      break;
    }
  })();
  await settled(loop, first);
  assert.ok(client !== undefined);
  assert.equal(await settled(loop, textOf(client)), 'one');
  await clientsOf(loop, listener, 1);
  const { accepted } = listener.stats;
  await turnOn(loop);
  assert.equal(listener.stats.accepted, accepted, 'the iterator was left');
  assert.ok(loop.alive, 'the listener is open');
  let taken = 1;
  for await (const connection of { [Symbol.asyncIterator]: () => turned(loop, listener) }) {
    connection.reset();
    taken += 1;
    if (taken === 3) listener.close();
  }
  assert.equal(taken, 3, 'those that waited are given to the next iterator');
  assert.equal(listener.stats.accepted, 3);
});

/** An iterator of `listener` that turns the loop while it waits. */
function turned(
  loop: EventLoop,
  listener: Listener<AsyncConnection>,
): AsyncIterator<AsyncConnection, undefined> {
  const iterator = listener[Symbol.asyncIterator]();
  return { next: () => settled(loop, iterator.next()) };
}

overPollers('async: connections that nobody takes are bounded', async (_, loop) => {
  const listener = loop.listen({ host, port: 0 });
  const count = 3 * CONNECTIONS_WAITING_MAX;
  const connections = listener[Symbol.asyncIterator]();
  await clientsOf(loop, listener, count);
  await turnOn(loop, 20);
  // A burst of a turn is taken as it came.
  const { accepted } = listener.stats;
  const most = CONNECTIONS_WAITING_MAX + 32;
  assert.ok(accepted >= CONNECTIONS_WAITING_MAX && accepted <= most, `${accepted} were accepted`);
  const seen = new Set<AsyncConnection>();
  for (let taken = 0; taken < count; taken++) {
    const { value } = await settled(loop, connections.next());
    assert.ok(value !== undefined);
    seen.add(value);
  }
  assert.equal(seen.size, count);
  assert.equal(listener.connections, count);
});

overPollers('async: two iterators share the connections', async (_, loop) => {
  const listener = loop.listen({ host, port: 0 });
  const one = listener[Symbol.asyncIterator]();
  const other = listener[Symbol.asyncIterator]();
  const both = Promise.all([one.next(), other.next()]);
  await clientsOf(loop, listener, 2);
  const [first, second] = await settled(loop, both);
  assert.ok(first.value !== undefined && second.value !== undefined);
  assert.notEqual(first.value, second.value);
  const last = Promise.all([one.next(), other.next()]);
  listener.close();
  assert.deepEqual(await last, [over, over]);
  assert.deepEqual(await listener[Symbol.asyncIterator]().next(), over, 'a closed listener');
});

overPollers('async: close gives out what waits, or closes it', async (_, loop) => {
  const listener = loop.listen({ host, port: 0 });
  const connections = listener[Symbol.asyncIterator]();
  await clientsOf(loop, listener, 3);
  await until(loop, () => listener.connections === 3, 'all are accepted');
  listener.close();
  assert.ok((await connections.next()).value?.connection.isOpen);
  await connections.return?.();
  await until(loop, () => listener.connections === 1, 'what nobody will take is closed');
});

overPollers('async: a listener with handlers has no next connections', (_, loop) => {
  const listener = loop.listen({ host, port: 0, handlers: {} });
  assert.throws(() => listener[Symbol.asyncIterator](), {
    message: 'cannot iterate over the next connections: the handlers of listen() get them',
  });
  assert.throws(() => loop.listen({ host, port: 0, handlers: null as never }), TypeError);
});

overPollers('async: the port of a listener', (t, loop) => {
  const tcp = loop.listen({ host, port: 0, handlers: {} });
  assert.ok(tcp.address.family === 'IPv4');
  assert.equal(tcp.port, tcp.address.port);
  assert.equal(loop.listen({ path: unixPath(t) }).port, null);
});

overPollers('shutdown: all get what was written, before the deadline', async (_, loop) => {
  const listener = loop.listen({ host, port: 0, handlers: { data: (one) => one.write('late') } });
  const clients = await clientsOf(loop, listener, 3);
  await until(loop, () => listener.connections === 3, 'all are accepted');
  for (const connection of listener) connection.write('answer');
  const counts = listener.shutdown({ deadlineMs: 30_000 });
  assert.equal(listener.shutdown(), counts, 'a second call');
  const answers = clients.map(async (client) => {
    // The server takes no more messages, and its handlers write no more.
    await client.write('one more');
    const text = await textOf(client);
    await client.end();
    return text;
  });
  assert.deepEqual(await settled(loop, counts), { ended: 3, reset: 0 });
  assert.deepEqual(await settled(loop, Promise.all(answers)), ['answer', 'answer', 'answer']);
  assert.deepEqual(await listener.shutdown(), { ended: 3, reset: 0 });
  await until(loop, () => !loop.alive, 'no timer is left');
});

overPollers('shutdown: a stuck client is reset at the deadline', async (_, loop) => {
  const listener = loop.listen({ host, port: 0, handlers: {} });
  const [stuck, fine] = await clientsOf(loop, listener, 2);
  await until(loop, () => listener.connections === 2, 'both are accepted');
  const [first] = listener;
  const local = stuck?.localAddress;
  const isStuck = JSON.stringify(first?.remoteAddress) === JSON.stringify(local);
  const [one, other] = [...listener];
  (isStuck ? one : other)?.write(pattern(16 * 1024 * 1024));
  const counts = listener.shutdown({ deadlineMs: 60_000 });
  await settled(loop, fine?.end() ?? Promise.reject(new Error('no client')));
  await until(loop, () => listener.connections === 1, 'the other has ended');
  const begunMs = loop.nowMs;
  assert.equal(listener.shutdown({ deadlineMs: 100 }), counts, 'an earlier deadline');
  assert.equal(listener.shutdown({ deadlineMs: 60_000 }), counts, 'a later one');
  assert.deepEqual(await settled(loop, counts), { ended: 1, reset: 1 });
  assert.ok(loop.nowMs - begunMs >= 100);
  await assert.rejects(settled(loop, textOf(stuck as AsyncConnection)), { code: 'ECONNRESET' });
});

overPollers('shutdown: deadline 0, an earlier one, none', async (_, loop) => {
  const listener = loop.listen({ host, port: 0 });
  const connections = listener[Symbol.asyncIterator]();
  await clientsOf(loop, listener, 2);
  await until(loop, () => listener.connections === 2, 'both are accepted');
  listener.pause();
  const patient = listener.shutdown({ deadlineMs: 2 ** 31 - 1 });
  assert.deepEqual(await connections.next(), over, 'those that wait are ended, not given out');
  assert.equal(listener.shutdown({ deadlineMs: 0 }), patient);
  assert.deepEqual(await settled(loop, patient), { ended: 0, reset: 2 });
  const other = loop.listen({ host, port: 0, handlers: {} });
  const [client] = await clientsOf(loop, other, 1);
  await until(loop, () => other.connections === 1, 'it is accepted');
  assert.deepEqual(await settled(loop, other.shutdown({ deadlineMs: 0 })), { ended: 0, reset: 1 });
  await assert.rejects(settled(loop, textOf(client as AsyncConnection)), { code: 'ECONNRESET' });
  const empty = loop.listen({ host, port: 0 });
  assert.deepEqual(await empty.shutdown({ deadlineMs: 0 }), { ended: 0, reset: 0 });
  for (const deadlineMs of [-1, Number.NaN, 2 ** 31, '5' as never]) {
    await assert.rejects(
      empty.shutdown({ deadlineMs }),
      /^\w*Error: a deadline is 0 to 2147483647/,
    );
  }
});

overPollers('shutdown: on a loop that closes', async (_, loop) => {
  const listener = loop.listen({ host, port: 0, handlers: {} });
  await clientsOf(loop, listener, 1);
  await until(loop, () => listener.connections === 1, 'it is accepted');
  const counts = new Outcome(listener.shutdown());
  loop.close();
  await turnOfPromises();
  assert.equal(counts.state, 'rejected cannot shut down: the loop was closed');
  await assert.rejects(listener.shutdown(), { message: 'cannot shut down: the loop was closed' });
  await listener[Symbol.asyncDispose]();
});

/** Promise jobs have run. */
function turnOfPromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

overPollers('dispose: of listeners, connections and the loop, while it runs', async (_, loop) => {
  const served: string[] = [];
  const serving = async (listener: Listener<AsyncConnection>): Promise<void> => {
    for await (const connection of listener) {
      await using client = connection;
      await client.write('hello');
      served.push('one');
      break;
    }
  };
  const asking = async (): Promise<string> => {
    await using listener = loop.listen({ host, port: 0 });
    const done = serving(listener);
    await using client = await loop.connectAsync({ host, port: portOf(listener) });
    const text = await textOf(client);
    await client.end();
    await done;
    return text;
  };
  const [text] = await Promise.all([asking(), run(loop)]);
  assert.equal(text, 'hello');
  assert.deepEqual(served, ['one']);
  assert.equal(loop.alive, false);
  await using other = new EventLoop();
  assert.equal(other.closed, false);
});

overPollers('dispose: on a loop that does not run, nothing waits', async (_, loop) => {
  const listener = loop.listen({ host, port: 0 });
  const connections = listener[Symbol.asyncIterator]();
  const [client] = await clientsOf(loop, listener, 1);
  const { value: server } = await settled(loop, connections.next());
  await server?.write('hello');
  await server?.[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  assert.equal(await settled(loop, textOf(client as AsyncConnection)), 'hello');
  await loop[Symbol.asyncDispose]();
  assert.equal(loop.closed, true);
});

overPollers('dispose: output that the peer does not get is an error', async (_, loop) => {
  const listener = loop.listen({ host, port: 0 });
  const attempt = async (): Promise<void> => {
    const client = await loop.connectAsync({ host, port: portOf(listener) });
    const { value: server } = await listener[Symbol.asyncIterator]().next();
    listener.close();
    const written = server?.write(pattern(16 * 1024 * 1024));
    const disposed = server?.[Symbol.asyncDispose]();
    client.reset();
    await assert.rejects(disposed ?? Promise.resolve(), /cannot keep the connection with/);
    await assert.rejects(written ?? Promise.resolve(), /cannot keep the connection with/);
  };
  await Promise.all([attempt(), run(loop)]);
});
