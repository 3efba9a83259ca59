/**
 * An echo server on node:net, to stand beside epoll-echo.c.
 *
 *   node node-net-echo.mjs PORT    listens on 127.0.0.1; PORT 0 takes a free one; prints "listening
 *                                  PORT"
 *
 * What comes is written as it comes; a client that does not take its echo is not read from until it
 * has. A client that ends its side gets the rest of its echo first: end() sends what is queued.
 * Handlers are shared by all clients, and chunks are new ones each time: the `onread` option, which
 * would lend one buffer to all, is not for the sockets that a server accepts. Ends on SIGTERM, by
 * the signal's default.
 */
import { createServer } from 'node:net';

function onData(chunk) {
  if (!this.write(chunk)) this.pause();
}

function onDrain() {
  this.resume();
}

function onEnd() {
  this.end();
}

function onError() {
  this.destroy();
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  client.on('data', onData).on('drain', onDrain).on('end', onEnd).on('error', onError);
});
server.listen({ host: '127.0.0.1', port: Number(process.argv.at(-1)), backlog: 65535 }, () => {
  console.log(`listening ${server.address().port}`);
});
