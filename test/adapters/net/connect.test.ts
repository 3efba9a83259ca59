// Goal: a socket of sockloop/net connects, fails to connect and reports it as one of node:net does.
// Method: the same scenario on both; the events, their order and the results are the same.

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { closed, compared, portOf, until } from './differential.ts';
import { inWords } from './recorder.ts';

const host = '127.0.0.1';

compared('a connection by address, and its facts', async ({ net, listen, recorder }) => {
  const listener = recorder.watch('listener', await listen());
  const fresh = new net.Socket();
  recorder.note('facts', `${fresh.pending} ${fresh.connecting} ${fresh.readyState}`);
  recorder.note('facts', `${fresh.remoteAddress} ${fresh.bytesRead} ${inWords(fresh.address())}`);
  const client = recorder.watch('client', net.connect(portOf(listener), host));
  recorder.note('facts', `${client.pending} ${client.connecting} ${client.readyState}`);
  const [server] = await once(listener, 'connection');
  if (client.connecting) await once(client, 'connect');
  for (const socket of [client, server]) {
    recorder.note('facts', `${socket.pending} ${socket.connecting} ${socket.readyState}`);
    recorder.note('facts', `${socket.remoteAddress} ${socket.remotePort} ${socket.remoteFamily}`);
    recorder.note('facts', `${socket.localAddress} ${socket.localPort} ${socket.localFamily}`);
    recorder.note(
      'facts',
      `${inWords(socket.address())} ${socket.timeout} ${socket.allowHalfOpen}`,
    );
  }
  recorder.note('facts', `${client.remotePort === server.localPort} ${server.server === listener}`);
  client.end('bye');
  server.resume();
  await closed(client, server);
  recorder.note('facts', `${client.pending} ${client.readyState} ${client.destroyed}`);
  recorder.note('facts', `${client.bytesWritten} ${server.bytesRead} ${client.localPort}`);
  listener.close();
  await once(listener, 'close');
});

compared('a connection by name', async ({ net, listen, recorder }) => {
  const listener = await listen();
  const client = net.connect({ port: portOf(listener), host: 'localhost', family: 4 });
  recorder.watch('client', client);
  await once(client, 'connect');
  client.destroy();
  await closed(client);
});

compared('a connection by a look-up of its own', async ({ net, listen, recorder }) => {
  const listener = await listen();
  for (const address of [host, 'no address']) {
    const client = net.connect({
      port: portOf(listener),
      host: 'somewhere.invalid',
      autoSelectFamily: false,
      lookup: (name, options, callback) => {
        recorder.note('look-up', `${name} ${inWords(options)}`);
        callback(null, address, 4);
      },
    });
    recorder.watch(`to ${address}`, client);
    client.on('error', () => undefined);
    client.on('connect', () => client.end());
    client.resume();
    await closed(client);
  }
});

compared('several addresses, the first of which refuses', async ({ net, listen, recorder }) => {
  const listener = await listen();
  const client = net.connect({
    port: portOf(listener),
    host: 'somewhere.invalid',
    autoSelectFamily: true,
    lookup: (_, __, callback) =>
      callback(null, [
        { address: '127.0.0.2', family: 4 },
        { address: host, family: 4 },
      ]),
  });
  recorder.watch('client', client);
  await once(client, 'connect');
  const attempted = client.autoSelectFamilyAttemptedAddresses ?? [];
  for (const address of attempted) recorder.note('attempted', address);
  client.destroy();
  await closed(client);
});

compared('several addresses, all of which refuse', async ({ net, listen, recorder }) => {
  const listener = await listen();
  const port = portOf(listener);
  listener.close();
  await once(listener, 'close');
  const client = net.connect({
    port,
    host: 'somewhere.invalid',
    lookup: (_, __, callback) =>
      callback(null, [
        { address: '127.0.0.2', family: 4 },
        { address: host, family: 4 },
      ]),
  });
  recorder.watch('client', client);
  client.on('error', (error: AggregateError) => {
    for (const one of error.errors) recorder.note('errors', inWords(one));
  });
  await closed(client);
});

compared('a name that is not found', async ({ net, recorder }) => {
  const client = net.connect({
    port: 1,
    host: 'nowhere.invalid',
    lookup: (_, __, callback) => {
      const error = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
      process.nextTick(() => callback(error, ''));
    },
  });
  recorder.watch('client', client);
  client.on('error', () => undefined);
  await closed(client);
});

compared('a connection that is refused', async ({ net, listen, recorder }) => {
  const listener = await listen();
  const port = portOf(listener);
  listener.close();
  await once(listener, 'close');
  const client = recorder.watch('client', net.connect(port, host));
  client.on('error', () => undefined);
  client.write('lost', (error) => recorder.note('write', inWords(error)));
  client.write('lost, too', (error) => recorder.note('write', inWords(error)));
  client.end(() => recorder.note('end', 'called'));
  await closed(client);
  recorder.note('facts', `${client.readyState} ${client.destroyed} ${client.pending}`);
});

compared('a port that is in use here', async ({ net, listen, recorder }) => {
  const listener = await listen();
  const port = portOf(listener);
  const client = net.connect({ port, host, localPort: port, localAddress: host });
  recorder.watch('client', client);
  client.on('error', () => undefined);
  await closed(client);
});

compared('a path without a server', async ({ net, path, recorder }) => {
  const client = recorder.watch('client', net.connect(path().replace(/.*/, '/nowhere/at/all')));
  client.on('error', () => undefined);
  await closed(client);
});

compared('writes and an end while it connects', async ({ net, listen, recorder }) => {
  const listener = await listen();
  const received: Promise<string> = new Promise((resolve) => {
    listener.on('connection', async (socket) => {
      let text = '';
      socket.setEncoding('latin1');
      for await (const chunk of socket) text += chunk;
      resolve(text);
    });
  });
  const client = recorder.watch('client', net.connect(portOf(listener), host));
  recorder.note('facts', `${client.write('one ', () => recorder.note('write', 'one'))}`);
  client.write('dHdvIA==', 'base64', () => recorder.note('write', 'two'));
  const over = closed(client);
  client.end('\u00ff', 'latin1', () => recorder.note('write', 'end'));
  recorder.note('facts', `${client.bytesWritten}`);
  client.resume();
  recorder.note('received', await received);
  await over;
  recorder.note('facts', `${client.bytesWritten}`);
});

compared('destroyed while it connects, with and without an error', async (stage) => {
  const { net, listen, recorder } = stage;
  const port = portOf(await listen());
  for (const error of [undefined, new Error('no more')]) {
    const client = recorder.watch(`client ${error}`, net.connect(port, host));
    client.on('error', () => undefined);
    client.write('lost', (failure) => recorder.note(`write ${error}`, inWords(failure)));
    client.destroy(error);
    recorder.note('facts', `${client.connecting} ${client.readyState}`);
    await closed(client);
  }
});

compared('destroyed before it connects, and used after', async ({ net, recorder }) => {
  const client = recorder.watch('client', new net.Socket());
  client.on('error', () => undefined);
  client.destroy();
  client.write('lost', (error) => recorder.note('write', inWords(error)));
  client.end((error?: Error) => recorder.note('end', inWords(error)));
  await closed(client);
  const other = recorder.watch('other', new net.Socket());
  other.on('error', () => undefined);
  other.write('lost', (error) => recorder.note('write', inWords(error)));
  await until(() => other.destroyed, 'it is destroyed');
});

compared('aborted before and while it connects, and when it is open', async (stage) => {
  const { net, listen, recorder } = stage;
  const listener = await listen();
  for (const when of ['before', 'while', 'open'] as const) {
    const controller = new AbortController();
    if (when === 'before') controller.abort();
    const client = new net.Socket({ signal: controller.signal });
    recorder.watch(when, client);
    client.on('error', () => undefined);
    const over = closed(client);
    if (when !== 'before') client.connect(portOf(listener), host);
    if (when === 'while') controller.abort();
    if (when === 'open') client.on('connect', () => controller.abort());
    await over;
  }
});

compared('connected again once it is closed', async ({ net, listen, recorder }) => {
  const listener = await listen();
  listener.on('connection', (socket) => socket.end('hello').resume());
  const client = recorder.watch('client', new net.Socket());
  for (let time = 0; time < 2; time++) {
    client.connect(portOf(listener), host);
    client.resume();
    await once(client, 'close');
  }
});

compared('wrong arguments', async ({ net, recorder }) => {
  const sockets: Socket[] = [];
  const socket = (): Socket => {
    const made = new net.Socket();
    sockets.push(made);
    return made;
  };
  const calls: [string, () => unknown][] = [
    ['no port', () => socket().connect({} as never)],
    ['a port too high', () => socket().connect(65536, host)],
    ['a port below 0', () => socket().connect({ port: -1 })],
    ['a port of text', () => socket().connect({ port: 'x' as never, host })],
    ['a port that is true', () => socket().connect({ port: true as never })],
    ['a local address', () => socket().connect({ port: 1, host, localAddress: 'x' })],
    ['a local port', () => socket().connect({ port: 1, host, localPort: 'x' as never })],
    ['a look-up', () => socket().connect({ port: 1, host: 'a.invalid', lookup: 1 as never })],
    ['a path', () => socket().connect({ path: 7 as never })],
    ['a timeout', () => socket().setTimeout('x' as never)],
    ['a timeout below 0', () => socket().setTimeout(-1)],
    ['a callback', () => socket().setTimeout(1, 'x' as never)],
    ['a signal', () => new net.Socket({ signal: 1 as never })],
    ['a write', () => socket().write(7 as never)],
    ['null', () => socket().write(null as never)],
    ['server options', () => net.createServer(7 as never)],
    ['listen port', () => net.createServer().listen(65536)],
    ['listen nowhere', () => net.createServer().listen({} as never)],
    ['listen signal', () => net.createServer().listen({ port: 0, signal: 1 as never })],
  ];
  for (const [what, call] of calls) {
    try {
      call();
      recorder.note(what, 'nothing thrown');
    } catch (error) {
      recorder.note(what, inWords(error));
    }
  }
  for (const one of sockets) one.destroy();
  await until(() => sockets.every(({ closed: isClosed }) => isClosed), 'all are closed');
});
