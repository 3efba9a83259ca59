#!/usr/bin/env node
import { CHUNK_BYTES, LINE_BYTES_MAX } from '../echo/limits.ts';
import { hostName } from '../socket/resolve.ts';
import { Socket } from '../socket/socket.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
import { LineBuffer } from '../tcp/framing/line-buffer.ts';
import { printOut } from './output.ts';
import { Failed, parseTextbookPort, step, textbook } from './textbook.ts';

// The textbook's TCP echo server: one client at a time, blocking calls, one line for each.

/** How many connections may wait while one is served: the textbook's own number. */
const BACKLOG = 5;

function main(words: readonly string[]): never {
  const port = parseTextbookPort(words.length === 1 ? words[0] : undefined, 0);
  using listener = step('ERROR opening socket', () => new Socket('IPv4'));
  // Without this the port stays taken for a minute after the server has ended: tcp(7), TIME_WAIT.
  step('ERROR on setsockopt', () => listener.setSockOpt('SO_REUSEADDR', true));
  step('ERROR on binding', () => listener.bind({ address: '0.0.0.0', port }));
  step('ERROR on listen', () => listener.listen(BACKLOG));
  const name = listener.getSockName();
  if (port === 0 && name.family !== 'UNIX') printOut(`server listening on port ${name.port}`);

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

textbook('tcpserver <port>', main);
