import { read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { nativeSys } from 'sockloop/sys';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { waitFor } from '#src/socket/wait.js';

/** One read(2): what a pipe holds on Linux. */
const READ_BYTES = 65536;

const readAsync = promisify(read);

/**
 * Standard input as bytes, without blocking Node's loop.
 *
 * Nothing is read ahead: a pending read(2) would keep a program that has failed from exiting.
 * process.stdin reads ahead, and leaves a shared terminal non-blocking for its next reader.
 */
export async function* standardInput(): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = new Uint8Array(READ_BYTES);
    const length = await readInputAsync(chunk);
    if (length === 0) return;
    yield chunk.subarray(0, length);
  }
}

async function readInputAsync(into: Uint8Array): Promise<number> {
  for (;;) {
    try {
      return (await readAsync(0, into, 0, into.length, null)).bytesRead;
    } catch (error) {
      waitUnlessBroken(error);
    }
  }
}

/**
 * The lines of `input`, newline included, each as soon as it is whole; the last may lack its
 * newline. Throws an Error for a line of more than `lineBytesMax` bytes.
 */
export async function* linesOf(
  input: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<Uint8Array> {
  const buffer = new LineBuffer(lineBytesMax);
  for await (const chunk of input) {
    buffer.reserve(chunk.length);
    buffer.bytes.set(chunk, buffer.end);
    buffer.commit(chunk.length);
    for (let line = buffer.takeLine(); line !== null; line = buffer.takeLine()) yield line;
    if (buffer.overlong) throw new Error(`a line is longer than ${lineBytesMax} bytes`);
  }
  const rest = buffer.takeRest();
  if (rest.length > 0) yield rest;
}

/** Blocking read(2) of standard input: the number of bytes read, 0 at its end. */
export function readInput(into: Uint8Array, offset: number, length: number): number {
  for (;;) {
    try {
      return readSync(0, into, offset, length, null);
    } catch (error) {
      waitUnlessBroken(error);
    }
  }
}

/** Waits for input if another process has made the shared pipe or terminal non-blocking. */
function waitUnlessBroken(error: unknown): void {
  const empty = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
  if (!empty) throw error;
  const sys = nativeSys();
  waitFor(sys, 0, sys.abi.constants.POLLIN, null);
}
