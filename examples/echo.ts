// An echo server in ten lines, on a loop that runs beside everything else of Node.
//
//   node build/examples/echo.js [PORT]
//
// What you type into `nc 127.0.0.1 7007` comes back. Ctrl-C ends it.

import { EventLoop } from 'sockloop';

const loop = new EventLoop();
loop.attach();
const { port } = loop.listen({
  host: '127.0.0.1',
  port: Number(process.argv[2] ?? '7007'),
  handlers: {
    // A client that does not read its echo is not read from.
    data: (client, chunk) => client.write(chunk) || client.pause(),
    drain: (client) => client.resume(),
  },
});
console.log(`listening on port ${port}`);
