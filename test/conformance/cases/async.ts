import assert from 'node:assert/strict';
import { setImmediate as turnOfNode } from 'node:timers/promises';
import type { AsyncConnection } from '#src/net/async/async-connection.js';
import { RECEIVED_BYTES_HIGH } from '#src/net/limits.js';
import { createServer } from '#src/socket/create.js';
import { Socket } from '#src/socket/socket.js';
import { openPipe } from '#src/sys/descriptors.js';
import type { Case } from '../case.ts';
import { type Environment, pattern, portOf, turnOn, until } from '../environment.ts';

// The asynchronous face: it stands on the handlers, so a backend differs in when they run.

const host = '127.0.0.1';

/** More bytes than a kernel takes for a peer that does not read. */
const MANY = 32 * 1024 * 1024;

/** A case whose body awaits promises. */
function inAsyncEnvironment(body: (environment: Environment) => Promise<void>): Case['run'] {
  return async (open) => {
    const environment = open();
    try {
      await body(environment);
    } finally {
      environment.close();
    }
  };
}

/** Turns until `promise` is settled, with promise jobs in between. */
async function settled<Value>(environment: Environment, promise: Promise<Value>): Promise<Value> {
  let isSettled = false;
  const mark = (): void => {
    isSettled = true;
  };
  promise.then(mark, mark);
  for (let turns = 0; turns < environment.turnsMax && !isSettled; turns++) {
    environment.turn();
    await turnOfNode();
  }
  assert.ok(isSettled, 'waited in vain until a promise is settled');
  return await promise;
}

interface Ends {
  readonly server: AsyncConnection;
  readonly client: AsyncConnection;
}

async function asyncPair(environment: Environment): Promise<Ends> {
  const { loop } = environment;
  const listener = loop.listen({ host, port: 0 });
  const accepted = listener[Symbol.asyncIterator]().next();
  const to = { host, port: listener.port ?? 0 };
  const client = await settled(environment, loop.connectAsync(to));
  const { value: server } = await settled(environment, accepted);
  assert.ok(server !== undefined);
  listener.close();
  return { server, client };
}

async function bytesOf(connection: AsyncConnection): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of connection) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The code of the error with which `promise` rejects. */
async function codeOf(environment: Environment, promise: Promise<unknown>): Promise<unknown> {
  const outcome = promise.then(
    () => 'resolved',
    (error: Error & { code?: string }) => error.code ?? error.message,
  );
  return await settled(environment, outcome);
}

const slowConsumer = inAsyncEnvironment(async (environment) => {
  const { server, client } = await asyncPair(environment);
  const bytes = pattern(600_000);
  const ended = client.end(bytes);
  const chunks = server[Symbol.asyncIterator]();
  const got: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    turnOn(environment);
    const held = server.connection.bytesReceived - length;
    assert.ok(held <= RECEIVED_BYTES_HIGH + 65536, `${held} bytes are held`);
    const { value } = await settled(environment, chunks.next());
    if (value === undefined) break;
    got.push(value);
    length += value.length;
  }
  assert.ok(Buffer.concat(got).equals(bytes));
  await settled(environment, ended);
  const answer = bytesOf(client);
  await settled(environment, server.end('thanks'));
  assert.equal((await settled(environment, answer)).toString(), 'thanks');
  until(environment, () => environment.openDescriptors() === 0, 'both ends have closed');
});

const resetInTheMiddle = inAsyncEnvironment(async (environment) => {
  const { server, client } = await asyncPair(environment);
  await settled(environment, client.write('x'));
  const chunks = server[Symbol.asyncIterator]();
  assert.equal((await settled(environment, chunks.next())).value?.length, 1);
  const next = chunks.next();
  client.reset();
  assert.equal(await codeOf(environment, next), 'ECONNRESET');
  assert.equal(await codeOf(environment, server.write('x')), 'ECONNRESET');
  assert.deepEqual(await chunks.next(), { done: true, value: undefined });
  until(environment, () => environment.openDescriptors() === 0, 'both ends have closed');
});

const leftEarly = inAsyncEnvironment(async (environment) => {
  const { server, client } = await asyncPair(environment);
  const sent = client.end(pattern(100_000));
  const serving = (async () => {
    for await (const _chunk of server) {
      void server.write('enough');
      break;
    }
  })();
  const answer = bytesOf(client);
  await settled(environment, serving);
  assert.equal((await settled(environment, answer)).toString(), 'enough');
  await settled(environment, sent);
  until(environment, () => environment.openDescriptors() === 0, 'both ends have closed');
});

const acceptedOnDemand = inAsyncEnvironment(async (environment) => {
  const { loop } = environment;
  const listener = loop.listen({ host, port: 0 });
  const to = { host, port: listener.port ?? 0 };
  const clients = Array.from({ length: 3 }, () => loop.connectAsync(to));
  await settled(environment, Promise.all(clients));
  turnOn(environment);
  assert.equal(listener.stats.accepted, 0);
  const connections = listener[Symbol.asyncIterator]();
  for (let taken = 0; taken < 2; taken++) {
    assert.ok((await settled(environment, connections.next())).value?.connection.isOpen);
  }
  await connections.return?.();
  turnOn(environment);
  const others = listener[Symbol.asyncIterator]();
  assert.ok((await settled(environment, others.next())).value?.connection.isOpen);
  assert.deepEqual(await settled(environment, listener.shutdown({ deadlineMs: 0 })), {
    ended: 0,
    reset: 3,
  });
  assert.deepEqual(await others.next(), { done: true, value: undefined });
});

const shutDown = inAsyncEnvironment(async (environment) => {
  const { loop } = environment;
  const listener = loop.listen({ host, port: 0, handlers: {} });
  const to = { host, port: portOf(listener) };
  const fine = await settled(environment, loop.connectAsync(to));
  until(environment, () => listener.connections === 1, 'it is accepted');
  const [one] = listener;
  const stuck = await settled(environment, loop.connectAsync(to));
  until(environment, () => listener.connections === 2, 'the other is accepted');
  for (const connection of listener) if (connection !== one) connection.write(new Uint8Array(MANY));
  stuck.connection.pause();
  const counts = listener.shutdown({ deadlineMs: 1_000_000 });
  const answer = bytesOf(fine);
  assert.equal((await settled(environment, answer)).length, 0);
  await settled(environment, fine.end());
  until(environment, () => listener.connections === 1, 'it has ended');
  assert.equal(listener.shutdown({ deadlineMs: 10 }), counts);
  assert.deepEqual(await settled(environment, counts), { ended: 1, reset: 1 });
  stuck.connection.resume();
  assert.equal(await codeOf(environment, bytesOf(stuck)), 'ECONNRESET');
  until(environment, () => environment.openDescriptors() === 0, 'all are closed');
});

const closedLoop = inAsyncEnvironment(async (environment) => {
  const { server, client } = await asyncPair(environment);
  const { loop } = environment;
  const listener = loop.listen({ host, port: 0 });
  const ends = [listener[Symbol.asyncIterator]().next(), client[Symbol.asyncIterator]().next()];
  client.connection.pause();
  const words = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'resolved',
      (error: Error) => error.message,
    );
  const write = words(server.write(new Uint8Array(MANY)));
  turnOn(environment);
  const connect = words(loop.connectAsync({ host, port: listener.port ?? 0 }));
  loop.close();
  const over = { done: true, value: undefined };
  assert.deepEqual(await Promise.all<unknown>(ends), [over, over]);
  assert.equal(await write, 'cannot write: the loop was closed');
  assert.equal(await connect, 'cannot connect: the loop was closed');
});

const aborted = inAsyncEnvironment(async (environment) => {
  const { loop } = environment;
  const reason = Object.assign(new Error('enough'), { code: 'ENOUGH' });
  const during = new AbortController();
  const { signal } = during;
  const listener = loop.listen({ host, port: 0, signal });
  const next = listener[Symbol.asyncIterator]().next();
  const to = { host, port: listener.port ?? 0, signal };
  const connecting = loop.connectAsync(to);
  const errors: unknown[] = [];
  loop.connect({ ...to, handlers: {}, onError: (error) => errors.push(error) });
  during.abort(reason);
  assert.deepEqual(errors, [], 'no handler runs inside abort()');
  assert.equal(await codeOf(environment, connecting), 'ENOUGH');
  assert.deepEqual(await next, { done: true, value: undefined });
  until(environment, () => errors.length === 1, 'the handler was told');
  assert.deepEqual(errors, [reason]);
  until(environment, () => environment.openDescriptors() === 0, 'all are closed');
});

const foreignSockets = inAsyncEnvironment(async (environment) => {
  const { loop } = environment;
  const { sys } = loop;
  const [one, other] = Socket.pair({ sys });
  const left = loop.adopt(one.detach());
  let received = '';
  const right = loop.adopt(other.detach(), {
    handlers: {
      data: (_, chunk) => {
        received += Buffer.from(chunk).toString();
      },
    },
  });
  const text = bytesOf(left);
  right.end('hello');
  assert.equal((await settled(environment, text)).toString(), 'hello');
  await settled(environment, left.end('back'));
  until(environment, () => received === 'back', 'the answer is there');
  const listener = loop.listen({ fd: createServer({ host, port: 0 }, { sys }).detach() });
  const next = listener[Symbol.asyncIterator]().next();
  const to = { host, port: listener.port ?? 0 };
  const client = await settled(environment, loop.connectAsync(to));
  (await settled(environment, next)).value?.reset();
  assert.equal(await codeOf(environment, bytesOf(client)), 'ECONNRESET');
  listener.close();
  until(environment, () => environment.openDescriptors() === 0, 'all are closed');
});

/** What is refused is neither changed nor closed. */
function refusedDescriptors(environment: Environment): void {
  const { loop } = environment;
  const { sys } = loop;
  const handlers = {};
  const pipe = new Int32Array(2);
  assert.ok(openPipe(sys, pipe, false) >= 0);
  const [pipeFd = -1, otherEnd = -1] = pipe;
  using fresh = new Socket('IPv4', { sys });
  using listening = createServer({ host, port: 0 }, { sys });
  const open = environment.openDescriptors();
  const refused = (fd: number, adopting: string, listeningOn: string): void => {
    const message = (what: string): RegExp => new RegExp(`^cannot ${what} descriptor ${fd}: E`);
    const adopt = { code: adopting, message: message('adopt') };
    assert.throws(() => loop.adopt(fd, { handlers }), adopt);
    if (listeningOn === '') return;
    const listen = { code: listeningOn, message: message('listen on') };
    assert.throws(() => loop.listen({ fd, handlers }), listen);
  };
  refused(1_000_000, 'EBADF', 'EBADF');
  refused(pipeFd, 'ENOTSOCK', 'ENOTSOCK');
  refused(fresh.fileno(), 'ENOTCONN', 'EINVAL');
  refused(listening.fileno(), 'EINVAL', '');
  assert.equal(environment.openDescriptors(), open);
  for (const fd of [pipeFd, otherEnd]) sys.close(fd);
}

export const asyncCases: readonly Case[] = [
  { name: 'async: a slow consumer holds its peer back', laws: [4, 5], run: slowConsumer },
  { name: 'async: an iterator throws a reset', laws: [4], run: resetInTheMiddle },
  { name: 'async: an iterator left early closes behind its output', laws: [6], run: leftEarly },
  { name: 'async: connections are accepted on demand', laws: [1], run: acceptedOnDemand },
  { name: 'shutdown ends connections, and resets stuck ones', laws: [6], run: shutDown },
  { name: 'async: closing the loop settles what is pending', laws: [], run: closedLoop },
  { name: 'an AbortSignal ends connects and listeners', laws: [2], run: aborted },
  { name: 'sockets opened elsewhere', laws: [], run: foreignSockets },
  {
    name: 'descriptors that are no sockets of the kind are refused',
    laws: [],
    run: inAsyncEnvironment((environment) => Promise.resolve(refusedDescriptors(environment))),
  },
];
