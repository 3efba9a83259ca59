#!/usr/bin/env node
import { EchoClient } from '../echo/client.ts';
import { CHUNK_BYTES, LINE_BYTES_MAX } from '../echo/limits.ts';
import { createConnection } from '../socket/create.ts';
import type { Socket } from '../socket/socket.ts';
import { ResolveError } from '../sys/sys-error.ts';
import { LineBuffer } from '../tcp/framing/line-buffer.ts';
import { printOut, prompt, writeOut } from './output.ts';
import { readInput } from './standard-input.ts';
import { Failed, parseTextbookPort, step, textbook, wrongUsage } from './textbook.ts';

// The textbook's TCP client: asks for a line, sends it, prints the echo.

const NEWLINE = 10;

function main(words: readonly string[]): void {
  const [host, portText] = words;
  if (host === undefined || words.length !== 2) wrongUsage();
  const port = parseTextbookPort(portText, 1);
  using socket = connect(host, port);

  if (process.stdin.isTTY) prompt('Please enter msg: ');
  const message = readLine();
  const unfinished = message.at(-1) !== NEWLINE;
  const client = new EchoClient(socket);
  const end = unfinished ? ({ closed: true } as const) : { lines: 1 };
  let last: number | undefined;
  const print = (piece: Uint8Array): void => {
    if (last === undefined) writeOut(Buffer.from('Echo from server: '));
    writeOut(piece);
    last = piece.at(-1);
  };
  try {
    step('ERROR talking to the server', () => client.exchange(message, end, print, unfinished));
    if (last === undefined) printOut('Echo from server: ');
  } finally {
    // Half a reply, too, ends its line before the error says what became of the rest.
    if (last !== undefined && last !== NEWLINE) printOut('');
  }
}

function connect(host: string, port: number): Socket {
  return step('ERROR connecting', () => {
    try {
      return createConnection({ host, port });
    } catch (error) {
      if (!(error instanceof ResolveError)) throw error;
      throw new Failed(`ERROR, no such host as ${host}: ${error.reason}`);
    }
  });
}

/** A line of standard input, or what there is before its end. */
function readLine(): Uint8Array {
  const buffer = new LineBuffer(LINE_BYTES_MAX);
  for (;;) {
    const line = buffer.takeLine();
    if (line !== null) return line;
    if (buffer.overlong) throw new Failed(`ERROR, a line of more than ${LINE_BYTES_MAX} bytes`);
    buffer.reserve(CHUNK_BYTES);
    const length = readInput(buffer.bytes, buffer.end, CHUNK_BYTES);
    if (length === 0) return buffer.takeRest();
    buffer.commit(length);
  }
}

textbook('tcpclient <hostname> <port>', main);
