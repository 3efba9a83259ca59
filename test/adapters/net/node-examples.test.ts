// Goal: the examples of node:net's own documentation do the same on sockloop/net.
// Method: each on both, with free ports and short times; what they print and emit is the same.

import { once } from 'node:events';
import { closed, compared, portOf, until } from './differential.ts';

const host = '127.0.0.1';

compared("Node's example: an echo server and its client", async ({ net, path, recorder }) => {
  const print = (who: string, words: string): void => recorder.note(who, words);
  for (const where of [{ port: 0, host }, { path: path() }]) {
    const server = net.createServer((c) => {
      print('server', 'client connected');
      c.on('end', () => print('server', 'client disconnected'));
      c.write('hello\r\n');
      c.pipe(c);
    });
    server.on('error', (error) => {
      throw error;
    });
    server.listen(where, () => print('server', 'server bound'));
    await once(server, 'listening');
    const to = 'path' in where ? where : { port: portOf(server), host };
    const client = net.createConnection(to, () => {
      print('client', 'connected to server!');
      client.write('world!\r\n');
    });
    let text = '';
    client.on('data', (data) => {
      text += data.toString();
      if (text.length === 15) client.end();
    });
    client.on('end', () => print('client', `${JSON.stringify(text)}, disconnected from server`));
    await closed(client);
    server.close();
    await closed(server);
  }
});

compared("Node's example: goodbye, on any port", async ({ net, recorder }) => {
  const server = net.createServer((socket) => {
    socket.end('goodbye\n');
  });
  recorder.watch('server', server);
  server.listen(() => {
    recorder.note('server', `opened server on ${JSON.stringify(server.address())}`);
  });
  await once(server, 'listening');
  const client = recorder.watch('client', net.connect(portOf(server), host));
  client.resume();
  await closed(client);
  server.close();
  await closed(server);
});

compared("Node's example: a server tries again while its port is in use", async (stage) => {
  const { net, listen, recorder } = stage;
  const taken = await listen();
  const port = portOf(taken);
  const server = recorder.watch('server', net.createServer());
  server.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') return;
    setTimeout(() => {
      server.close();
      server.listen(port, host);
    }, 20);
  });
  server.listen({ host, port, exclusive: true });
  await closed(server);
  taken.close();
  await until(() => server.listening, 'it listens');
  server.close();
  await closed(server);
});

compared("Node's example: a socket that times out is ended", async ({ pair, recorder }) => {
  const { client, server } = await pair();
  client.setTimeout(20);
  client.on('timeout', () => {
    recorder.note('client', 'socket timeout');
    client.end();
  });
  const over = closed(client, server);
  client.resume();
  server.resume();
  await over;
});

compared('every documented event of a socket and a server, in order', async (stage) => {
  const { net, recorder } = stage;
  const server = recorder.watch('server', net.createServer({ allowHalfOpen: true }));
  server.maxConnections = 1;
  server.listen(0, host);
  await once(server, 'listening');
  const client = recorder.watch('client', new net.Socket({ highWaterMark: 4 } as never));
  client.on('drain', () => recorder.note('client', 'drain'));
  client.connect({ port: portOf(server), host: 'localhost', family: 4 });
  const [accepted] = await once(server, 'connection');
  recorder.watch('accepted', accepted);
  const dropped = net.connect(portOf(server), host);
  dropped.on('error', () => undefined).resume();
  await closed(dropped);
  client.write('more than four bytes');
  client.setTimeout(30);
  await once(client, 'timeout');
  client.setTimeout(0);
  accepted.resume();
  client.resume();
  const over = closed(client, accepted);
  client.end();
  await once(accepted, 'end');
  accepted.end('answer');
  await over;
  server.close();
  await closed(server);
});
