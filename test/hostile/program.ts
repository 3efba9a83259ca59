// A server as a user of the library writes one, with the guards of an open network.
//
//   node build/test/hostile/program.js SPEECH [CONNECTIONS_MAX]

import { type Connection, EventLoop, type Guards, LineBuffer } from '#src/index.js';

const [speech = 'bytes', waitBeyond] = process.argv.slice(2);
const LINE_BYTES_MAX = 65_536;

const guards: Guards = {
  connectionsMax: 20_000,
  firstByteMs: 1000,
  writeStallMs: 1000,
  queuedBytesMax: 16 * 1024 * 1024,
  whenQueueFull: 'closeSlowest',
};
const settings = {
  host: '127.0.0.1',
  port: 0,
  guards,
  idleTimeoutMs: 1500,
  queueBytesMax: 1024 * 1024,
  onError: () => undefined,
  ...(waitBeyond === undefined ? {} : { maxConnections: Number(waitBeyond), backlog: 4 }),
  ...(speech === 'proxied' ? { proxyProtocol: { from: ['127.0.0.1'], timeoutMs: 1000 } } : {}),
};

const loop = new EventLoop();

function listenForBytes(): number {
  const listener = loop.listen({
    ...settings,
    handlers: {
      data: (client, chunk) => client.write(chunk) || client.pause(),
      drain: (client) => client.resume(),
    },
  });
  process.once('SIGTERM', () => void listener.shutdown({ deadlineMs: 1000 }));
  return listener.port ?? 0;
}

function answer(client: Connection<LineBuffer>): void {
  const { data: lines } = client;
  for (let line = lines.takeLine(); line !== null; line = lines.takeLine()) {
    if (!client.write(line)) client.pause();
  }
  if (lines.overlong) client.close({ lingerMs: 1000 });
}

function listenForLines(): number {
  const listener = loop.listen<LineBuffer>({
    ...settings,
    handlers: {
      open: (client) => {
        client.data = new LineBuffer(LINE_BYTES_MAX);
      },
      data: (client, chunk) => {
        client.data.append(chunk);
        answer(client);
      },
      drain: (client) => client.resume(),
      end: (client) => {
        client.end(client.data.takeRest());
      },
    },
  });
  process.once('SIGTERM', () => void listener.shutdown({ deadlineMs: 1000 }));
  return listener.port ?? 0;
}

function bindForDatagrams(): number {
  const socket = loop.datagram({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      datagrams: (_, batch) => {
        for (let index = 0; index < batch.length; index++) {
          socket.send(batch.bytes(index), { to: batch.from(index) });
        }
      },
    },
  });
  process.once('SIGTERM', () => socket.close());
  return socket.address.port;
}

const listen =
  speech === 'datagrams' ? bindForDatagrams : speech === 'lines' ? listenForLines : listenForBytes;
process.stdout.write(`listening on 127.0.0.1:${listen()} (${loop.backendName})\n`);
await loop.run();
