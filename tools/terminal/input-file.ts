import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

const READ_BYTES = 65536;

/** A pipe without a writer is polled this often, 5 s in all. */
const LOOKS_MAX = 500;
const LOOK_MS = 10;

const STANDARD_INPUT = 0;

/**
 * The contents of a file, pipe or other stream, at most `bytesMax` bytes. Throws an Error
 * `cannot ATTEMPT: reason`, where `attempt` is such as "read a.json".
 */
export function readInputFile(path: string, bytesMax: number, attempt: string): Buffer {
  // A socket cannot be reopened.
  if (path === '/dev/stdin') return readToEnd(STANDARD_INPUT, bytesMax, attempt);
  let fd: number;
  try {
    // Without O_NONBLOCK open(2) blocks on a pipe without a writer.
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

/** The number of bytes read, 0 at the end or without a writer; null if none are there yet. */
function readSome(fd: number, into: Buffer, attempt: string): number | null {
  try {
    return readSync(fd, into);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return null;
    throw fileError(attempt, error);
  }
}

/** No signal handler is installed yet, so signals still end the program. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
}

/**
 * Node's error about a file in the form of this program: `cannot read a: ENOENT (no such file)`.
 */
export function fileError(attempt: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  const [, code, reason] = /^(E[A-Z0-9]+): (.+?), \w+/.exec(message) ?? [];
  return new Error(`cannot ${attempt}: ${code === undefined ? message : `${code} (${reason})`}`);
}
