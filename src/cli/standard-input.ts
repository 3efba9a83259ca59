import { createReadStream, readSync } from 'node:fs';
import { waitFor } from '../socket/wait.ts';
import { nativeSys } from '../sys/native.ts';
import { LineBuffer } from '../tcp/framing/line-buffer.ts';

/** Standard input as bytes. Node's own loop turns while it waits. */
export function standardInput(): AsyncIterable<Uint8Array> {
  // process.stdin would make a shared terminal non-blocking for whoever reads from it next.
  return createReadStream('', { fd: 0, autoClose: false });
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

/** read(2) of standard input, blocking: how many bytes came, 0 at its end. */
export function readInput(into: Uint8Array, offset: number, length: number): number {
  for (;;) {
    try {
      return readSync(0, into, offset, length, null);
    } catch (error) {
      const empty = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      if (!empty) throw error;
      // Another process has made the shared pipe or terminal non-blocking.
      const sys = nativeSys();
      waitFor(sys, 0, sys.abi.constants.POLLIN, null);
    }
  }
}
