#!/usr/bin/env node
import { CHUNK_BYTES, LINE_BYTES_MAX, LINGER_MS, WAIT_MS } from '../echo/limits.ts';
import { type BackendEntry, backends, createBackend } from '../loop/backends.ts';
import { createPoller } from '../poller/pollers.ts';
import { hostName } from '../socket/resolve.ts';
import { Socket } from '../socket/socket.ts';
import { nativeSys } from '../sys/native.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
import { SysError } from '../sys/sys-error.ts';
import { LineBuffer } from '../tcp/framing/line-buffer.ts';
import { printOut } from './output.ts';
import { CompletionServer } from './tcpserver-completions.ts';
import { LoopServer } from './tcpserver-loop.ts';
import { Failed, parseTextbookPort, step, textbook, wrongUsage } from './textbook.ts';

// The textbook's TCP echo server: one client at a time, blocking calls, one line for each. With
// --loop, its second one: all clients and the keyboard at once.

/**
 * How many connections may wait while one is served: the textbook's own number. A loop takes them
 * as they come, and as many as the kernel lets wait for it.
 */
const BACKLOG = 5;

const USAGE = 'tcpserver [--loop select|poll|epoll|kqueue|io_uring] <port>';

type LoopName = BackendEntry['name'];

function main(words: readonly string[]): void {
  const { loop, portText } = parseWords(words);
  const port = parseTextbookPort(portText, 0);
  if (loop !== null) requireLoop(loop);
  using listener = step('ERROR opening socket', () => new Socket('IPv4'));
  // Without this the port stays taken for a minute after the server has ended: tcp(7), TIME_WAIT.
  step('ERROR on setsockopt', () => listener.setSockOpt('SO_REUSEADDR', true));
  step('ERROR on binding', () => listener.bind({ address: '0.0.0.0', port }));
  step('ERROR on listen', () => listener.listen(loop === null ? BACKLOG : undefined));
  const name = listener.getSockName();
  if (port === 0 && name.family !== 'UNIX') printOut(`server listening on port ${name.port}`);
  if (loop === null) serveOneByOne(listener);
  serveAtOnce(listener, loop);
}

function parseWords(words: readonly string[]) {
  const [first, loopText, portText] = words;
  if (first !== '--loop') return { loop: null, portText: words.length === 1 ? first : undefined };
  const loop = backends.find(({ name }) => name === loopText)?.name;
  if (loop === undefined || words.length !== 3) wrongUsage();
  return { loop, portText };
}

function requireLoop(loop: LoopName): void {
  const entry = backends.find(({ name }) => name === loop);
  const available = entry?.available(nativeSys()) ?? true;
  if (available !== true) throw new Failed(`ERROR, no ${loop} here: ${available.reason}`);
}

function serveAtOnce(listener: Socket, loop: LoopName): void {
  if (loop === 'io_uring') {
    const backend = step('ERROR opening io_uring', () => createBackend(loop, nativeSys()));
    step('ERROR on wait', () => new CompletionServer(backend, listener).run());
    return;
  }
  const poller = step('ERROR opening poller', () => createPoller(loop));
  step('ERROR on wait', () => new LoopServer(poller, listener).run());
  poller.close();
}

function serveOneByOne(listener: Socket): never {
  for (;;) {
    const [connection, address] = nextClient(listener);
    using client = connection;
    try {
      serve(client, address);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      error.print();
    }
    hangUp(client);
  }
}

/**
 * Ends this side and discards what still comes, until the client has ended too, is silent or has
 * had its time: close(2) with input unread would send a reset, which may destroy the echo.
 */
function hangUp(client: Socket): void {
  const sys = nativeSys();
  const bytes = new Uint8Array(CHUNK_BYTES);
  const endMs = sys.monotonicMs() + LINGER_MS;
  try {
    client.shutdown('write');
    client.setTimeout(WAIT_MS);
    while (client.recv(bytes) > 0 && sys.monotonicMs() < endMs);
  } catch (error) {
    // It has reset the connection, or is silent.
    if (!(error instanceof SysError)) throw error;
  }
}

function nextClient(listener: Socket): [Socket, SocketAddress] {
  for (;;) {
    try {
      return step('ERROR on accept', () => listener.accept());
    } catch (error) {
      // It left while it waited in the queue, which is no reason to leave the others.
      if (!(error instanceof Failed) || error.code !== 'ECONNABORTED') throw error;
      error.print();
    }
  }
}

function serve(client: Socket, address: SocketAddress): void {
  printOut(`server established connection with ${caller(address)}`);
  const line = step('ERROR reading from socket', () => readLine(client));
  // A byte order mark is among the bytes that came.
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(line);
  printOut(`server received ${line.length} bytes: ${text.replace(/\n$/, '')}`);
  step('ERROR writing to socket', () => client.sendAll(line));
}

/** `localhost (127.0.0.1)`, or the address alone where no name is found. */
function caller(address: SocketAddress): string {
  if (address.family === 'UNIX') return address.path;
  const name = hostName(address);
  return name === null ? address.address : `${name} (${address.address})`;
}

/** Everything up to a newline or the end of the stream. */
function readLine(client: Socket): Uint8Array {
  const buffer = new LineBuffer(LINE_BYTES_MAX);
  for (;;) {
    const line = buffer.takeLine();
    if (line !== null) return line;
    if (buffer.overlong) throw new Failed(`ERROR, a line of more than ${LINE_BYTES_MAX} bytes`);
    buffer.reserve(CHUNK_BYTES);
    const length = client.recv(buffer.bytes, buffer.end, CHUNK_BYTES);
    if (length === 0) return buffer.takeRest();
    buffer.commit(length);
  }
}

await textbook(USAGE, main);
