// The textbook's second server on select: one thread waits for clients and the keyboard.
// Run it with: node build/examples/tcpserver-select.js [PORT]
//
// The kernel gets two sets of bits at each wait, who to watch for reading and who for writing, and
// writes its answer over them. It looks at every number below the highest one, and a set ends at
// 1,024: a client whose descriptor is higher has to be turned away.

import { readSync } from 'node:fs';
import { createPoller, Interest } from 'sockloop/poller';
import { createServer, formatAddress, type Socket, SysError } from 'sockloop/socket';

const KEYBOARD = 0;
/** A longer line is echoed this far. Any send buffer has room for it, so no send falls short. */
const LINE_BYTES_MAX = 1024;
/** Who sends no newline, and then nothing for so long, waits for the answer. */
const SILENCE_MS = 1000;

// What fails ends the program with a sentence, such as that the port is taken.
process.on('uncaughtException', (error) => {
  console.error(error instanceof SysError ? error.message : error);
  process.exitCode = 1;
});

using listener = createServer({ host: '127.0.0.1', port: Number(process.argv[2] ?? '7007') });
listener.setBlocking(false);
console.log(`listening on ${formatAddress(listener.getSockName())}`);
const poller = createPoller('select');
/** By descriptor, which is also the token: what each client has sent of its line. */
const clients = new Map<number, { socket: Socket; line: Uint8Array; length: number }>();
/** By descriptor: when a client was heard last that has not sent the end of its line. */
const halfLines = new Map<number, number>();
let requests = 0;
let typed = '';
let running = true;

function accept(): void {
  const [socket] = listener.accept();
  const fd = socket.fileno();
  requests += 1;
  if (fd >= poller.fdLimit) {
    socket.close();
    return;
  }
  socket.setBlocking(false);
  clients.set(fd, { socket, line: new Uint8Array(LINE_BYTES_MAX), length: 0 });
  poller.register(fd, Interest.read, fd);
}

function serve(fd: number): void {
  const client = clients.get(fd);
  if (client === undefined) return;
  const { socket, line } = client;
  const received = socket.recv(line, client.length);
  client.length += received;
  const hasNewline = line.subarray(0, client.length).includes(0x0a);
  if (received === 0 || hasNewline || client.length === LINE_BYTES_MAX) answer(fd);
  // Half a line: the rest will make the client ready again, or else it is silent.
  else halfLines.set(fd, performance.now());
}

function answer(fd: number): void {
  const client = clients.get(fd);
  if (client === undefined) return;
  const { socket, line, length } = client;
  const newline = line.subarray(0, length).indexOf(0x0a);
  socket.sendAll(line.subarray(0, newline < 0 ? length : newline + 1));
  hangUp(fd);
}

/** Answers who has been silent for long enough. Returns how long to wait for the next one. */
function answerSilent(): number | null {
  let waitMs: number | null = null;
  for (const [fd, heardMs] of halfLines) {
    const leftMs = Math.ceil(heardMs + SILENCE_MS - performance.now());
    if (leftMs > 0) waitMs = Math.min(waitMs ?? leftMs, leftMs);
    else attempt(fd, answer);
  }
  return waitMs;
}

function hangUp(fd: number): void {
  poller.deregister(fd);
  clients.get(fd)?.socket.close();
  clients.delete(fd);
  halfLines.delete(fd);
  // Now there is a descriptor for the next one.
  poller.modify(listener.fileno(), Interest.read, listener.fileno());
}

function readKeyboard(): void {
  const bytes = new Uint8Array(256);
  const length = readSync(KEYBOARD, bytes);
  // The end of the input would be reported for ever.
  if (length === 0) poller.deregister(KEYBOARD);
  const lines = (typed + new TextDecoder().decode(bytes.subarray(0, length))).split('\n');
  typed = lines.pop() ?? '';
  for (const line of lines) if (running) obey(line.trim());
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

/** Does `step` for a descriptor. What goes wrong with a client ends it and nobody else. */
function attempt(token: number, step: (fd: number) => void): void {
  try {
    step(token);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    // Not ready after all: a poller may err on that side, so no call here may block.
    if (error.code === 'EAGAIN') return;
    // Out of descriptors: the listener stays ready, and would be reported for ever.
    if (error.code === 'EMFILE') poller.modify(token, Interest.none, token);
    else if (clients.has(token)) hangUp(token);
  }
}

poller.register(listener.fileno(), Interest.read, listener.fileno());
process.stdout.write('server> ');
poller.register(KEYBOARD, Interest.read, KEYBOARD);
while (running) poller.wait(answerSilent(), { ready });
for (const { socket } of clients.values()) socket.close();
poller.close();
