/**
 * An echo server on Bun.listen, to stand beside epoll-echo.c.
 *
 *   bun bun-echo.js PORT    listens on 127.0.0.1; PORT 0 takes a free one; prints "listening PORT"
 *
 * write() says how much the socket took and keeps nothing, so the rest is kept here, and until it
 * has gone that client is not read from. A client that ends its side gets the rest of its echo
 * first. Bun sets TCP_NODELAY and a backlog of 512 by itself; the backlog cannot be changed. Where
 * accept finds no descriptor, Bun tries again without end, so clients are turned away before that.
 * Ends on SIGTERM, by the signal's default.
 */
import { readdirSync, readFileSync } from 'node:fs';

const FDS_SPARE = 16;

const limits = readFileSync('/proc/self/limits', 'utf8');
const fdsMax = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
const clientsMax = fdsMax - readdirSync('/proc/self/fd').length - FDS_SPARE;
let clients = 0;

function onOpen(socket) {
  clients++;
  if (clients > clientsMax) socket.close();
}

function onClose() {
  clients--;
}

// socket.data is null, or what is left to send: { rest, isEnded }.

function onData(socket, bytes) {
  const waiting = socket.data;
  if (waiting !== null) {
    // It was received before the pause took hold.
    waiting.rest = Buffer.concat([waiting.rest, bytes]);
    return;
  }
  const sent = socket.write(bytes);
  // -1: it is closed, and nobody waits for an echo.
  if (sent === bytes.length || sent < 0) return;
  socket.data = { rest: bytes.subarray(sent), isEnded: false };
  socket.pause();
}

function onDrain(socket) {
  const waiting = socket.data;
  if (waiting === null) return;
  const sent = socket.write(waiting.rest);
  if (sent < 0) return;
  waiting.rest = waiting.rest.subarray(sent);
  if (waiting.rest.length > 0) return;
  socket.data = null;
  if (waiting.isEnded) socket.end();
  else socket.resume();
}

function onEnd(socket) {
  if (socket.data === null) socket.end();
  else socket.data.isEnded = true;
}

function onError(socket) {
  socket.terminate();
}

const server = Bun.listen({
  hostname: '127.0.0.1',
  port: Number(process.argv.at(-1)),
  allowHalfOpen: true,
  data: null,
  socket: {
    open: onOpen,
    data: onData,
    drain: onDrain,
    end: onEnd,
    error: onError,
    close: onClose,
  },
});
console.log(`listening ${server.port}`);
