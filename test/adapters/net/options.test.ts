// Goal: options of listen and connect do as those of node:net; a pipe between sockets keeps what
// others hold of it.
// Method: the same scenario on both; the events, their order and the results are the same.

import { once } from 'node:events';
import { statSync } from 'node:fs';
import { BlockList } from 'node:net';
import { closed, compared, portOf, until } from './differential.ts';
import { inWords } from './recorder.ts';

const host = '127.0.0.1';
/** Without a period that a buffer of any size has, too. */
const LARGE = Buffer.from(Int32Array.from({ length: 2_000_000 }, (_, at) => at * 7919).buffer);
const lengthOf = (chunks: readonly Buffer[]): number =>
  chunks.reduce((length, chunk) => length + chunk.length, 0);

/** Where node:net knows the option. */
const hasBlockLists = Number.parseInt(process.versions.node, 10) >= 24;

compared('the mode of a UNIX socket', async ({ net, path, recorder }) => {
  for (const readableAll of [false, true]) {
    for (const writableAll of [false, true]) {
      const where = path();
      const server = net.createServer().listen({ path: where, readableAll, writableAll });
      await once(server, 'listening');
      // Of what was not asked for, versions of libuv make different things.
      const asked = (readableAll ? 0o444 : 0) | (writableAll ? 0o222 : 0);
      recorder.note('modes', (statSync(where).mode & asked).toString(8));
      server.close();
      await closed(server);
    }
  }
});

compared('IPv6 alone', async ({ net, recorder }) => {
  for (const ipv6Only of [true, false]) {
    // Node 20 ignores it without a host.
    const server = net.createServer().listen({ port: 0, host: '::', ipv6Only });
    server.on('connection', (socket) => socket.destroy());
    await once(server, 'listening');
    const address = inWords(server.address());
    const client = net.connect(portOf(server), host);
    const event = await new Promise<string>((resolve) => {
      client.on('connect', () => resolve('connected'));
      client.on('error', (error: NodeJS.ErrnoException) => resolve(`${error.code}`));
    });
    recorder.note('facts', `${address} ${ipv6Only} ${event}`);
    client.destroy();
    server.close();
    await closed(server);
  }
});

if (hasBlockLists) {
  compared('blocked addresses', async ({ net, listen, recorder }) => {
    const blockList = new BlockList();
    blockList.addAddress(host);
    const server = recorder.watch('server', await listen({ blockList } as never));
    const client = recorder.watch('client', net.connect(portOf(server), host));
    client.on('error', () => undefined);
    client.resume();
    await closed(client);
    const open = await listen();
    const places = [
      { host },
      {
        host: 'somewhere.invalid',
        lookup: (_: unknown, __: unknown, callback: (...results: unknown[]) => void) =>
          callback(null, [
            { address: host, family: 4 },
            { address: '127.0.0.2', family: 4 },
          ]),
      },
    ];
    for (const place of places) {
      const options = { port: portOf(open), blockList, ...place };
      const blocked = recorder.watch(place.host, net.connect(options as never));
      blocked.on('error', (error: AggregateError) => {
        for (const one of error.errors ?? []) recorder.note('errors', inWords(one));
      });
      await closed(blocked);
      recorder.note('attempted', `${blocked.autoSelectFamilyAttemptedAddresses}`);
    }
  });
}

compared('a pipe beside a listener that keeps what it gets', async (stage) => {
  const { net, listen, recorder } = stage;
  const sink = await listen();
  const kept: Buffer[] = [];
  let sunk = 0;
  sink.on('connection', (socket) => {
    socket.on('data', (chunk) => {
      sunk += chunk.length;
    });
  });
  const proxy = await listen();
  proxy.on('connection', (socket) => {
    const upstream = net.connect(portOf(sink), host);
    upstream.on('connect', () => {
      socket.pipe(upstream);
      // After a while: what the pipe alone has had is not kept.
      socket.once('data', () => socket.on('data', (chunk) => kept.push(chunk)));
    });
  });
  const client = net.connect(portOf(proxy), host);
  client.resume().end(LARGE);
  await until(() => sunk === LARGE.length, 'all has come');
  const whole = Buffer.concat(kept);
  const rest = LARGE.subarray(LARGE.length - whole.length);
  recorder.note('facts', `${whole.equals(rest)} ${whole.length > LARGE.length / 2}`);
});

compared('a pipe into a socket that keeps what is written', async (stage) => {
  const { net, listen, recorder } = stage;
  const sink = await listen();
  let sunk = 0;
  sink.on('connection', (socket) => {
    socket.on('data', (chunk) => {
      sunk += chunk.length;
    });
  });
  const proxy = await listen();
  // Node 26 writes some chunks past the method.
  const kept: Buffer[] = [];
  const copies: Buffer[] = [];
  proxy.on('connection', (socket) => {
    const upstream = net.connect(portOf(sink), host);
    const write = upstream.write;
    upstream.write = function keep(this: unknown, ...args: unknown[]) {
      const chunk = args[0] as Buffer;
      kept.push(chunk);
      copies.push(Buffer.from(chunk));
      return Reflect.apply(write, this, args);
    } as typeof write;
    socket.pipe(upstream);
  });
  const client = net.connect(portOf(proxy), host);
  client.resume().end(LARGE);
  await until(() => sunk === LARGE.length, 'all has come');
  recorder.note('facts', `${Buffer.concat(kept).equals(Buffer.concat(copies))} ${kept.length > 9}`);
});

compared('a pipe that is left, and one into two sockets', async (stage) => {
  const { net, listen, recorder } = stage;
  const sink = await listen();
  const sunk: Buffer[][] = [];
  sink.on('connection', (socket) => {
    const chunks: Buffer[] = [];
    sunk.push(chunks);
    socket.on('data', (chunk) => chunks.push(chunk));
  });
  const proxy = await listen();
  const kept: Buffer[] = [];
  proxy.on('connection', (socket) => {
    const [one, other] = [net.connect(portOf(sink), host), net.connect(portOf(sink), host)];
    socket.pipe(one);
    socket.pipe(other);
    socket.once('data', () => {
      socket.unpipe(one);
      one.end();
      socket.once('data', () => {
        socket.unpipe(other);
        other.end();
        socket.on('data', (chunk) => kept.push(chunk)).resume();
      });
    });
  });
  const client = net.connect(portOf(proxy), host);
  client.resume().end(LARGE);
  await closed(client);
  const tail = Buffer.concat(kept);
  recorder.note('facts', `${tail.equals(LARGE.subarray(LARGE.length - tail.length))}`);
  await until(() => sunk.length === 2, 'both are connected');
  for (const chunks of sunk) {
    const head = Buffer.concat(chunks);
    recorder.note('heads', `${head.equals(LARGE.subarray(0, head.length))}`);
  }
});

compared('a proxy to a sink that reads in bursts', async ({ net, listen, recorder }) => {
  const sink = await listen();
  const sunk: Buffer[] = [];
  sink.on('connection', (socket) => {
    socket.on('data', (chunk) => {
      sunk.push(chunk);
      socket.pause();
      setImmediate(() => socket.resume());
    });
  });
  const proxy = await listen();
  proxy.on('connection', (socket) => socket.pipe(net.connect(portOf(sink), host)).pipe(socket));
  const client = net.connect(portOf(proxy), host);
  client.resume().end(LARGE);
  await until(() => lengthOf(sunk) === LARGE.length, 'all has come');
  recorder.note('facts', `${Buffer.concat(sunk).equals(LARGE)}`);
});
