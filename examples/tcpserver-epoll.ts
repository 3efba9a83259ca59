// The textbook's second server on epoll: one thread waits for clients and the keyboard.
// Run it with: node build/examples/tcpserver-epoll.js [PORT]
//
// The kernel keeps the set of descriptors, is told of changes only, and answers with those that are
// ready: a wait costs the same with ten thousand silent clients as with ten. Linux only.

import { readSync } from 'node:fs';
import { createPoller, Interest } from 'sockloop/poller';
import { createServer, formatAddress, type Socket, SysError } from 'sockloop/socket';

const KEYBOARD = 0;
/** A longer line is echoed up to here. Any send buffer has room for it: no short writes. */
const LINE_BYTES_MAX = 1024;
/** A client that sends no newline is answered after so much silence. */
const SILENCE_MS = 1000;
/** A client that was answered may take so long to close. */
const LINGER_MS = 5000;

// A failure, such as a port that is in use, ends the program with a sentence and no stack.
process.on('uncaughtException', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});

using listener = createServer({ host: '127.0.0.1', port: Number(process.argv[2] ?? '7007') });
listener.setBlocking(false);
console.log(`listening on ${formatAddress(listener.getSockName())}`);
const poller = createPoller('epoll');

interface Client {
  readonly socket: Socket;
  readonly line: Uint8Array;
  /** How much of the line has arrived. */
  length: number;
  answered: boolean;
}

/** By descriptor, which is also the token. */
const clients = new Map<number, Client>();
/** By descriptor: when to answer half a line, or to close after the answer. */
const deadlinesMs = new Map<number, number>();
let requests = 0;
let typed = '';
let running = true;

function accept(): void {
  const [socket] = listener.accept();
  const fd = socket.fileno();
  requests += 1;
  socket.setBlocking(false);
  const line = new Uint8Array(LINE_BYTES_MAX);
  clients.set(fd, { socket, line, length: 0, answered: false });
  poller.register(fd, Interest.read, fd);
}

function serve(fd: number): void {
  const client = clients.get(fd);
  if (client === undefined) return;
  const { socket, line, answered } = client;
  const received = socket.recv(line, answered ? 0 : client.length);
  if (answered) {
    // close(2) with unread input resets the connection: read and drop it until the client ends.
    if (received === 0) hangUp(fd);
    return;
  }
  client.length += received;
  const hasNewline = line.subarray(0, client.length).includes(0x0a);
  if (received === 0 || hasNewline || client.length === LINE_BYTES_MAX) answer(fd);
  // Half a line: the rest makes the client ready again, or its silence ends the wait.
  else deadlinesMs.set(fd, performance.now() + SILENCE_MS);
}

function answer(fd: number): void {
  const client = clients.get(fd);
  if (client === undefined) return;
  const { socket, line, length } = client;
  const newline = line.subarray(0, length).indexOf(0x0a);
  socket.sendAll(line.subarray(0, newline < 0 ? length : newline + 1));
  socket.shutdown('write');
  client.answered = true;
  deadlinesMs.set(fd, performance.now() + LINGER_MS);
}

/** Handles the deadlines that have passed. Returns the time until the next one. */
function expire(): number | null {
  let waitMs: number | null = null;
  for (const [fd, deadlineMs] of deadlinesMs) {
    const leftMs = Math.ceil(deadlineMs - performance.now());
    if (leftMs > 0) waitMs = Math.min(waitMs ?? leftMs, leftMs);
    else attempt(fd, clients.get(fd)?.answered ? hangUp : answer);
  }
  return waitMs;
}

function hangUp(fd: number): void {
  poller.deregister(fd);
  clients.get(fd)?.socket.close();
  clients.delete(fd);
  deadlinesMs.delete(fd);
  // A descriptor is free again: accept, if accepting had stopped.
  poller.modify(listener.fileno(), Interest.read, listener.fileno());
}

function readKeyboard(): boolean {
  const bytes = new Uint8Array(256);
  const length = readSync(KEYBOARD, bytes);
  // The end of the input stays ready: stop watching.
  if (length === 0) poller.deregister(KEYBOARD);
  const lines = (typed + new TextDecoder().decode(bytes.subarray(0, length))).split('\n');
  typed = lines.pop() ?? '';
  for (const line of lines) if (running) obey(line.trim());
  return running && length > 0;
}

function obey(command: string): void {
  if (command === 'q' || command === 'quit') running = false;
  else if (command === 'c' || command === 'count') {
    console.log(`Received ${requests} connection requests so far.`);
  } else if (command !== '') console.log('ERROR: unknown command');
  if (running) process.stdout.write('server> ');
}

function ready(token: number): void {
  if (token === KEYBOARD) attempt(token, readKeyboard);
  else if (token === listener.fileno()) attempt(token, accept);
  else attempt(token, serve);
}

/** Runs `step` for a descriptor. An error of a client ends that client only. */
function attempt(token: number, step: (fd: number) => void): void {
  try {
    step(token);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    // Not ready after all: a poller may report too much, so no call here may block.
    if (error.code === 'EAGAIN') return;
    // Out of descriptors: the listener stays ready, and would be reported at every wait.
    if (error.code === 'EMFILE') poller.modify(token, Interest.none, token);
    else if (clients.has(token)) hangUp(token);
  }
}

poller.register(listener.fileno(), Interest.read, listener.fileno());
process.stdout.write('server> ');
try {
  poller.register(KEYBOARD, Interest.read, KEYBOARD);
} catch (error) {
  if (!(error instanceof SysError) || error.code !== 'EPERM') throw error;
  // epoll refuses a plain file and /dev/null, which are always ready: read it now.
  while (readKeyboard());
}
while (running) poller.wait(expire(), { ready });
for (const { socket } of clients.values()) socket.close();
poller.close();
