#!/usr/bin/env node
import { ACCEPT_PAUSE_MS, CHUNK_BYTES, LINE_BYTES_MAX } from '../echo/limits.ts';
import type { Backend } from '../loop/backend.ts';
import { type BackendEntry, backends, createBackend } from '../loop/backends.ts';
import { createPoller } from '../poller/pollers.ts';
import { hostName } from '../socket/resolve.ts';
import { Socket } from '../socket/socket.ts';
import { waitFor } from '../socket/wait.ts';
import { acceptErrorKind } from '../sys/error-kinds.ts';
import { nativeSys } from '../sys/native.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
import { LineBuffer } from '../tcp/framing/line-buffer.ts';
import { logOut, logsWait } from './output.ts';
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
  // Opened to find out whether there is one: there may be room for one ring, and not for two.
  const ring = loop === 'io_uring' ? openRing() : null;
  if (loop !== null && ring === null) requireLoop(loop);
  using listener = step('ERROR opening socket', () => new Socket('IPv4'));
  // Without this the port stays taken for a minute after the server has ended: tcp(7), TIME_WAIT.
  step('ERROR on setsockopt', () => listener.setSockOpt('SO_REUSEADDR', true));
  step('ERROR on binding', () => listener.bind({ address: '0.0.0.0', port }));
  step('ERROR on listen', () => listener.listen(loop === null ? BACKLOG : undefined));
  const name = listener.getSockName();
  if (port === 0 && name.family !== 'UNIX') logOut(`server listening on port ${name.port}`);
  if (loop === null) serveOneByOne(listener);
  serveAtOnce(listener, loop, ring);
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

function openRing(): Backend {
  try {
    return createBackend('io_uring', nativeSys());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failed(`ERROR, no io_uring here: ${reason.replace(/^.*?io_uring: /, '')}`);
  }
}

function serveAtOnce(listener: Socket, loop: LoopName, ring: Backend | null): void {
  if (loop === 'io_uring') {
    if (ring !== null) step('ERROR on wait', () => new CompletionServer(ring, listener).run());
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
  }
}

function nextClient(listener: Socket): [Socket, SocketAddress] {
  for (let failures = 0; ; failures++) {
    // Log lines that found no room are tried again while nobody comes.
    while (logsWait() && nobodyCame(listener, ACCEPT_PAUSE_MS));
    try {
      return step('ERROR on accept', () => listener.accept());
    } catch (error) {
      // It left while it waited in the queue, or there is no descriptor for it: no reason to leave
      // the others.
      if (!(error instanceof Failed)) throw error;
      const kind = acceptErrorKind(error.code ?? '');
      if (kind === 'final') throw error;
      error.print();
      if (kind === 'shortage' || failures > 0) pause(ACCEPT_PAUSE_MS);
    }
  }
}

function nobodyCame(listener: Socket, timeoutMs: number): boolean {
  return waitFor(nativeSys(), listener.fileno(), listener.constants.POLLIN, timeoutMs) === 0;
}

function pause(pauseMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
}

function serve(client: Socket, address: SocketAddress): void {
  logOut(`server established connection with ${caller(address)}`);
  const line = step('ERROR reading from socket', () => readLine(client));
  // A byte order mark is among the bytes that came.
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(line);
  logOut(`server received ${line.length} bytes: ${text.replace(/\n$/, '')}`);
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
