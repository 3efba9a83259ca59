import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

const READ_BYTES = 65536;

/** A pipe that nobody has open for writing is looked at so often, 5 s in all, and then given up. */
const LOOKS_MAX = 500;
const LOOK_MS = 10;

const STANDARD_INPUT = 0;

/**
 * All that a file holds, at most `bytesMax` bytes: a regular file, a pipe or another stream, which
 * is read to its end. Throws an Error that begins with `cannot` and `attempt`, such as
 * "read a.json", and says why.
 */
export function readInputFile(path: string, bytesMax: number, attempt: string): Buffer {
  // It may be a socket, which cannot be opened once more.
  if (path === '/dev/stdin') return readToEnd(STANDARD_INPUT, bytesMax, attempt);
  let fd: number;
  try {
    // Without O_NONBLOCK a pipe that nobody writes to would hold the call up.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fileError(attempt, error);
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new Error(`cannot ${attempt}: it is a directory`);
    if (stat.isFile() && stat.size > bytesMax) {
      throw new Error(`cannot ${attempt}: it has ${stat.size} bytes, of at most ${bytesMax}`);
    }
    return readToEnd(fd, bytesMax, attempt);
  } finally {
    closeSync(fd);
  }
}

/** A stream tells how long it is when it ends. */
function readToEnd(fd: number, bytesMax: number, attempt: string): Buffer {
  const isPipe = fstatSync(fd).isFIFO();
  let looks = 0;
  const chunks: Buffer[] = [];
  let length = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    const bytes = readSome(fd, chunk, attempt);
    if (bytes === 0 && !(isPipe && length === 0)) return Buffer.concat(chunks, length);
    if (bytes === 0 && looks++ === LOOKS_MAX) {
      throw new Error(`cannot ${attempt}: nobody has written to that pipe`);
    }
    if (bytes === null || bytes === 0) {
      pause();
      continue;
    }
    chunks.push(chunk.subarray(0, bytes));
    length += bytes;
    if (length > bytesMax) {
      throw new Error(`cannot ${attempt}: it has more than ${bytesMax} bytes`);
    }
  }
}

/** How many bytes were read, 0 at the end or without a writer; null where they are to come. */
function readSome(fd: number, into: Buffer, attempt: string): number | null {
  try {
    return readSync(fd, into);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return null;
    throw fileError(attempt, error);
  }
}

/** Signals have not been taken over yet: they end the program here as anywhere. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
}

/** What Node said of a file, in the form of this program: `cannot read a: ENOENT (no such file)` */
export function fileError(attempt: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  const [, code, reason] = /^(E[A-Z0-9]+): (.+?), \w+/.exec(message) ?? [];
  return new Error(`cannot ${attempt}: ${code === undefined ? message : `${code} (${reason})`}`);
}
