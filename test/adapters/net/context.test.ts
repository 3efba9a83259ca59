// Goal: the events of sockets and servers have the asynchronous context that they have on node:net.
// Method: the same scenario on both; what an AsyncLocalStorage holds at each event is the same.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';
import { closed, compared, portOf, until } from './differential.ts';
import type { Recorder } from './recorder.ts';

const host = '127.0.0.1';
const LARGE = Buffer.alloc(20 * 1024 * 1024);
const storage = new AsyncLocalStorage<string>();

/** Writes down the context of each of `events`, in their order. */
function note(
  recorder: Recorder,
  name: string,
  emitter: EventEmitter,
  events: readonly string[],
): void {
  for (const event of events) {
    emitter.on(event, () => recorder.note(name, `${event} in ${storage.getStore()}`));
  }
}

const OF_SOCKETS = ['lookup', 'connect', 'ready', 'data', 'drain', 'end', 'finish', 'close'];

compared('the contexts of a server and its sockets', async ({ net, recorder }) => {
  const server = storage.run('create', () => net.createServer());
  note(recorder, 'listener', server, ['listening', 'connection', 'close']);
  server.on('connection', (socket) => {
    note(recorder, 'server', socket, OF_SOCKETS);
    socket.on('data', () => storage.run('answer', () => socket.write('answer')));
  });
  storage.run('listen', () => server.listen(0, host));
  await until(() => server.listening, 'it listens');
  for (const name of ['one', 'two']) {
    const client = storage.run(`create ${name}`, () => new net.Socket());
    note(recorder, name, client, [...OF_SOCKETS, 'timeout']);
    client.once('data', () => storage.run('end', () => client.end()));
    storage.run(`connect ${name}`, () => client.connect(portOf(server), host));
    storage.run(`write ${name}`, () => {
      client.write('hello', () => recorder.note(name, `written in ${storage.getStore()}`));
    });
    await closed(client);
  }
  storage.run('close', () => server.close());
  await closed(server);
});

compared('the contexts of a connection by name, and of a path', async (stage) => {
  const { net, listen, path, recorder } = stage;
  const listener = await listen();
  const where = path();
  const local = net.createServer().listen(where);
  for (const one of [listener, local]) one.on('connection', (socket) => socket.end().resume());
  await until(() => local.listening, 'it listens');
  for (const options of [{ port: portOf(listener), host: 'localhost' }, { path: where }]) {
    const name = Object.keys(options).join();
    const client = storage.run(`connect ${name}`, () => net.connect(options));
    note(recorder, name, client, OF_SOCKETS);
    client.resume();
    await closed(client);
  }
  local.close();
  await closed(local);
});

compared('the contexts of errors', async ({ net, listen, pair, recorder }) => {
  const gone = await listen();
  const port = portOf(gone);
  gone.close();
  await closed(gone);
  const refused = storage.run('connect', () => net.connect(port, host));
  note(recorder, 'refused', refused, ['error', 'close']);
  await closed(refused);
  const none = storage.run('connect', () => net.connect('/nowhere/at/all'));
  note(recorder, 'none', none, ['error', 'close']);
  await closed(none);
  const { client, server } = await storage.run('pair', () => pair());
  note(recorder, 'reset', client, ['error', 'close']);
  note(recorder, 'resetter', server, ['close']);
  const over = closed(client, server);
  client.resume();
  storage.run('reset', () => server.resetAndDestroy());
  await over;
});

compared('the contexts of writes that wait', async ({ pair, recorder }) => {
  const { client, server } = await storage.run('pair', () => pair());
  const over = closed(client, server);
  note(recorder, 'client contexts', client, ['drain', 'finish', 'close']);
  storage.run('write', () => {
    client.write(LARGE, () => recorder.note('write', `called in ${storage.getStore()}`));
  });
  storage.run('other', () => {
    client.write(LARGE, () => recorder.note('write', `called in ${storage.getStore()}`));
  });
  server.resume();
  storage.run('end', () => client.end());
  await over;
});

compared('the contexts of a destruction', async ({ net, listen, pair, recorder }) => {
  const { client, server } = await storage.run('pair', () => pair());
  note(recorder, 'client contexts', client, ['close']);
  const over = closed(client);
  storage.run('destroy', () => client.destroy());
  await over;
  server.destroy();
  const port = portOf(await listen());
  const connecting = storage.run('connect', () => net.connect(port, host));
  note(recorder, 'connecting', connecting, ['close']);
  storage.run('destroy', () => connecting.destroy());
  await closed(connecting);
});
