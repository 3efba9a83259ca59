// A TCP proxy: both directions, each with its own end, and neither faster than its reader.
//
//   node build/examples/proxy.js HOST PORT [LISTEN-PORT]
//
// With the arguments example.org 80: `curl -H 'Host: example.org' 127.0.0.1:7080`. After Ctrl-C it
// accepts nothing more and ends with its last connection; a second Ctrl-C ends it at once.

import { type Connection, type ConnectionHandlers, EventLoop } from 'sockloop';

const [host = '127.0.0.1', port = '7007', listenPort = '7080'] = process.argv.slice(2);
const chunks = 'borrowed'; // Written before the handler returns, so a copy is not needed.

interface Pair {
  readonly other: Connection<Pair | undefined>;
}

const relay: ConnectionHandlers<Pair | undefined> = {
  // What the other side does not take yet keeps this one from being read.
  data: (from, chunk) => from.data?.other.write(chunk) || from.pause(),
  drain: (to) => to.data?.other.resume(),
  // Half-close: the other direction goes on.
  end: (from) => from.data?.other.end(),
  close: ({ data }, error) => {
    if (error === null) data?.other.close({ lingerMs: 5000 });
    else data?.other.reset();
  },
};

const loop = new EventLoop();
loop.attach();
const listener = loop.listen<Pair | undefined>({
  host: '127.0.0.1',
  port: Number(listenPort),
  chunks,
  handlers: {
    ...relay,
    open: (client) => {
      client.pause(); // Until there is somebody to write to.
      const open = (server: Connection<Pair | undefined>): void => {
        server.data = { other: client };
        client.data = { other: server };
        client.resume();
      };
      const onError = (error: Error): void => {
        console.error(error.message);
        client.reset();
      };
      const to = { host, port: Number(port), timeoutMs: 5000 };
      loop.connect<Pair | undefined>({ ...to, chunks, handlers: { ...relay, open }, onError });
    },
  },
});
console.log(`listening on port ${listener.port}`);
process.once('SIGINT', () => listener.close());
