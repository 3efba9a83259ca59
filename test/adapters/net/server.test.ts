// Goal: a server of sockloop/net listens, accepts, refuses and closes as one of node:net does.
// Method: the same scenario on both; the events, their order and the results are the same.

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { closed, compared, portOf, until } from './differential.ts';
import { inWords } from './recorder.ts';

const host = '127.0.0.1';

compared('listening, by each kind of argument', async ({ net, path, recorder }) => {
  const where = path();
  const listens: ((server: InstanceType<typeof net.Server>) => unknown)[] = [
    (server) => server.listen(),
    (server) => server.listen(0),
    (server) => server.listen(0, host),
    (server) => server.listen(0, host, 10),
    (server) => server.listen('0' as never, host),
    (server) => server.listen({ port: 0, host, backlog: 1 }),
    (server) => server.listen({ port: 0, host: 'localhost' }),
    (server) => server.listen({ port: 0, host: '::' }),
    (server) => server.listen(where),
    (server) => server.listen({ path: where }),
  ];
  for (const [at, listen] of listens.entries()) {
    const server = recorder.watch(`server ${at}`, net.createServer());
    recorder.note('facts', `${server.listening} ${server.address()}`);
    recorder.note('facts', `${listen(server) === server}`);
    await once(server, 'listening');
    const address = server.address();
    const shown = typeof address === 'string' ? address === where : inWords(address);
    recorder.note('facts', `${server.listening} ${shown} ${existsSync(where)}`);
    server.close();
    recorder.note('facts', `${server.listening} ${server.address()}`);
    await closed(server);
    recorder.note('facts', `${existsSync(where)}`);
  }
});

compared('listening twice, and again', async ({ net, listen, recorder }) => {
  const server = recorder.watch('server', await listen());
  try {
    server.listen(0);
  } catch (error) {
    recorder.note('error', inWords(error));
  }
  server.close();
  await closed(server);
  server.listen(0, host, () => recorder.note('callback', 'called'));
  await once(server, 'listening');
  const client = net.connect(portOf(server), host);
  const [socket] = await once(server, 'connection');
  socket.destroy();
  client.destroy();
});

compared('a port, a path and an address that cannot be had', async (stage) => {
  const { net, listen, path, recorder } = stage;
  const taken = await listen();
  const where = path();
  const live = net.createServer().listen(where);
  await once(live, 'listening');
  const places = [
    { port: portOf(taken), host },
    { port: 0, host: '203.0.113.7' },
    { path: where },
    { path: '/nowhere/at/all' },
  ];
  for (const [at, place] of places.entries()) {
    const server = recorder.watch(`server ${at}`, net.createServer());
    server.listen(place);
    await new Promise((resolve) => server.once('error', resolve));
    recorder.note('facts', `${server.listening} ${server.address()}`);
    server.close((error) => recorder.note('close', inWords(error)));
    await closed(server);
  }
  live.close();
  await closed(live);
});

compared('closed with open connections', async ({ pair, recorder }) => {
  const { client, server, listener } = await pair();
  recorder.watch('listener', listener);
  const over = closed(listener);
  listener.close((error) => recorder.note('callback', inWords(error)));
  recorder.note('facts', `${listener.listening}`);
  await new Promise<void>((resolve) => {
    listener.getConnections((error, count) => {
      recorder.note('facts', `${error} ${count}`);
      resolve();
    });
  });
  server.resume();
  server.write('still open');
  await until(() => client.readableLength > 0, 'it has come');
  client.resume();
  client.end();
  await over;
});

compared('closed twice, and never opened', async ({ net, listen, recorder }) => {
  const server = recorder.watch('server', await listen());
  server.close((error) => recorder.note('first', inWords(error)));
  server.close((error) => recorder.note('second', inWords(error)));
  await closed(server);
  const never = recorder.watch('never', net.createServer());
  never.close((error) => recorder.note('never', inWords(error)));
  await closed(never);
});

compared('a connect after the close is refused', async ({ net, listen, recorder }) => {
  const server = await listen();
  const port = portOf(server);
  server.close();
  await closed(server);
  const client = recorder.watch('client', net.connect(port, host));
  client.on('error', () => undefined);
  await closed(client);
});

compared('more connections than may be', async ({ net, listen, recorder }) => {
  const server = recorder.watch('server', await listen());
  server.maxConnections = 1;
  const first = net.connect(portOf(server), host);
  await once(server, 'connection');
  const second = recorder.watch('second', net.connect(portOf(server), host));
  second.on('error', () => undefined);
  second.resume();
  await closed(second);
  const gone = closed(first);
  first.destroy();
  await gone;
});

compared('accepted paused', async ({ pair, recorder }) => {
  const { client, server } = await pair({ pauseOnConnect: true });
  const over = closed(client, server);
  client.end('wait');
  await new Promise((resolve) => setTimeout(resolve, 30));
  recorder.note('facts', `${server.isPaused()} ${server.readableLength} ${server.bytesRead}`);
  server.resume();
  client.resume();
  await over;
});

compared('settings of accepted sockets', async ({ pair, recorder }) => {
  const settings = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 2000 };
  const { client, server } = await pair({ ...settings, allowHalfOpen: true, highWaterMark: 100 });
  recorder.note('facts', `${server.allowHalfOpen} ${server.readableHighWaterMark}`);
  recorder.note('facts', `${server.writableHighWaterMark}`);
  const over = closed(client, server);
  client.destroy();
  server.destroy();
  await over;
});

compared('a UNIX path, both ways', async ({ net, path, recorder }) => {
  const where = path();
  const listener = net.createServer().listen(where);
  await once(listener, 'listening');
  const client = recorder.watch('client', net.connect(where));
  const [server] = await once(listener, 'connection');
  recorder.watch('server', server);
  recorder.note('facts', `${inWords(client.address())} ${client.remoteAddress}`);
  server.setNoDelay().setKeepAlive(true);
  try {
    server.resetAndDestroy();
  } catch (error) {
    recorder.note('reset', (error as NodeJS.ErrnoException).code ?? '');
  }
  const over = closed(client, server);
  server.resume();
  client.resume();
  server.write('hello');
  client.end('bye');
  await over;
  listener.close();
  await closed(listener);
  recorder.note('facts', `${existsSync(where)}`);
});

compared('aborted by a signal', async ({ net, recorder }) => {
  for (const isAborted of [true, false]) {
    const controller = new AbortController();
    if (isAborted) controller.abort();
    const server = recorder.watch(`server ${isAborted}`, net.createServer());
    const over = closed(server);
    server.listen({ port: 0, host, signal: controller.signal });
    if (!isAborted) server.once('listening', () => controller.abort());
    await over;
    recorder.note('facts', `${server.listening}`);
  }
});

compared('disposed of', async ({ listen, recorder }) => {
  const server = recorder.watch('server', await listen());
  await server[Symbol.asyncDispose]();
  recorder.note('facts', `${server.listening}`);
  await server[Symbol.asyncDispose]();
});

compared('two hundred clients at once', async ({ net, listen, recorder }) => {
  const server = await listen();
  server.on('connection', (socket) => socket.pipe(socket));
  const clients = Array.from({ length: 200 }, () => net.connect(portOf(server), host));
  let echoed = 0;
  await Promise.all(
    clients.map(async (client, at) => {
      client.end(`client ${at}`);
      let text = '';
      for await (const chunk of client) text += chunk;
      if (text === `client ${at}`) echoed += 1;
    }),
  );
  recorder.note('facts', `${echoed} echoes`);
  server.close();
  await closed(server);
});
