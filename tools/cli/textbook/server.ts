import type { Backend } from 'sockloop';
import { createPoller } from 'sockloop/poller';
import { Socket } from 'sockloop/socket';
import { nativeSys, type SocketAddress, type Sys, SysError } from 'sockloop/sys';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { type BackendEntry, backends, createBackend } from '#src/loop/backends.js';
import { isLateEnd } from '#src/socket/blocking-call.js';
import { waitFor } from '#src/socket/wait.js';
import { acceptErrorKind } from '#src/sys/error-kinds.js';
import {
  ACCEPT_PAUSE_MS,
  CHUNK_BYTES,
  LINE_BYTES_MAX,
  LINGER_MS,
  WAIT_MS,
} from '../../echo/limits.ts';
import { logOut, logsWait } from '../../terminal/output.ts';
import { CompletionServer } from './completion-server.ts';
import { ClientNames } from './names.ts';
import { Failed, parseTextbookPort, step, textbook, textbookSys, wrongUsage } from './program.ts';
import { LoopServer } from './readiness-server.ts';
import { SILENCE_MS } from './silence.ts';

// The textbook's TCP echo server: one client at a time, blocking calls, one line each. With --loop,
// its second server: all clients and the keyboard at once.

/** The textbook's backlog for one client at a time. The loops use the kernel's maximum. */
const BACKLOG = 5;

const USAGE = 'tcpserver [--loop select|poll|epoll|kqueue|io_uring] [--trace] <port>';

const HELP = `
The textbook's echo server: takes a line from each client, sends it back and closes. 0 as the port
takes a free one. A client that sends no newline is answered once it is silent for a second.

  --loop NAME  serve all clients at once, and the keyboard: c counts requests, q quits
  --trace      print each system call on standard error, as strace would
  --help       print this text

sockloop serve is the server with more to choose.`;

type LoopName = BackendEntry['name'];

async function main(words: readonly string[]): Promise<void> {
  const { loop, trace, portText } = parseWords(words);
  const port = parseTextbookPort(portText, 0);
  const sys = textbookSys(trace);
  // Probed by opening the one in use: there may be memory for one ring and not for two.
  const ring = loop === 'io_uring' ? openRing(sys) : null;
  if (loop !== null && ring === null) requireLoop(loop);
  using listener = step('ERROR opening socket', () => new Socket('IPv4', { sys }));
  // Without it TIME_WAIT keeps the port in use for a minute after the server ended: tcp(7).
  step('ERROR on setsockopt', () => listener.setSockOpt('SO_REUSEADDR', true));
  step('ERROR on binding', () => listener.bind({ address: '0.0.0.0', port }));
  step('ERROR on listen', () => listener.listen(loop === null ? BACKLOG : undefined));
  const name = listener.getSockName();
  if (port === 0 && name.family !== 'UNIX') logOut(`server listening on port ${name.port}`);
  if (loop === null) await serveOneByOne(listener);
  else serveAtOnce(listener, loop, ring, sys);
}

function parseWords(words: readonly string[]) {
  let loop: LoopName | null = null;
  let trace = false;
  let at = 0;
  for (; words[at] === '--loop' || words[at] === '--trace'; at += 1) {
    if (words[at] === '--trace') {
      trace = true;
      continue;
    }
    at += 1;
    loop = backends.find(({ name }) => name === words[at])?.name ?? wrongUsage();
  }
  return { loop, trace, portText: words.length === at + 1 ? words[at] : undefined };
}

function requireLoop(loop: LoopName): void {
  const entry = backends.find(({ name }) => name === loop);
  const available = entry?.available(nativeSys()) ?? true;
  if (available !== true) throw new Failed(`ERROR, no ${loop} here: ${available.reason}`);
}

function openRing(sys: Sys): Backend {
  try {
    return createBackend('io_uring', sys);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failed(`ERROR, no io_uring here: ${reason.replace(/^.*?io_uring: /, '')}`);
  }
}

function serveAtOnce(listener: Socket, loop: LoopName, ring: Backend | null, sys: Sys): void {
  if (loop === 'io_uring') {
    if (ring !== null) step('ERROR on wait', () => new CompletionServer(ring, listener).run());
    return;
  }
  const poller = step('ERROR opening poller', () => createPoller(loop, { sys }));
  step('ERROR on wait', () => new LoopServer(poller, listener).run());
  poller.close();
}

async function serveOneByOne(listener: Socket): Promise<never> {
  const names = new ClientNames();
  for (;;) {
    const [connection, address] = nextClient(listener);
    using client = connection;
    try {
      logOut(`server established connection with ${await names.nameOf(address)}`);
      serve(client);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      error.print();
    }
    hangUp(client);
  }
}

/**
 * Shuts down and discards input until the client ends, is silent or runs out of time: close(2) with
 * unread input sends a reset, which may destroy the echo.
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
    // The client has reset the connection or is silent.
    if (!(error instanceof SysError)) throw error;
  }
}

function nextClient(listener: Socket): [Socket, SocketAddress] {
  for (let failures = 0; ; failures++) {
    // Pending log lines are retried while no client comes.
    while (logsWait() && nobodyCame(listener, ACCEPT_PAUSE_MS));
    try {
      return step('ERROR on accept', () => listener.accept());
    } catch (error) {
      // The client left while queued, or there is no descriptor for it: the others are served.
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

function serve(client: Socket): void {
  const line = step('ERROR reading from socket', () => readLine(client));
  // A byte order mark is part of the text.
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(line);
  logOut(`server received ${line.length} bytes: ${text.replace(/\n$/, '')}`);
  step('ERROR writing to socket', () => client.sendAll(line));
}

/** The bytes up to a newline, the end of the stream, or a second of silence. */
function readLine(client: Socket): Uint8Array {
  const buffer = new LineBuffer(LINE_BYTES_MAX);
  try {
    return readInto(buffer, client);
  } catch (error) {
    if (!(error instanceof SysError && isLateEnd(error)) || buffer.length === 0) throw error;
    return buffer.takeRest();
  } finally {
    client.setTimeout(null);
  }
}

function readInto(buffer: LineBuffer, client: Socket): Uint8Array {
  for (;;) {
    const line = buffer.takeLine();
    if (line !== null) return line;
    if (buffer.overlong) throw new Failed(`ERROR, a line of more than ${LINE_BYTES_MAX} bytes`);
    if (buffer.length > 0) client.setTimeout(SILENCE_MS);
    buffer.reserve(CHUNK_BYTES);
    const length = client.recv(buffer.bytes, buffer.end, CHUNK_BYTES);
    if (length === 0) return buffer.takeRest();
    buffer.commit(length);
  }
}

/**
 * Runs the program.
 *
 * @param words - The arguments; those of this process if left out.
 * @returns The exit status.
 */
export function runServer(words?: readonly string[]): Promise<number> {
  return textbook(USAGE, HELP, main, words);
}
