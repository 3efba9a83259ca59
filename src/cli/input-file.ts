import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/**
 * The bytes of a regular file of at most `bytesMax` bytes. Throws an Error that begins with
 * `cannot` and `attempt`, such as "read a.json", and says why.
 */
export function readInputFile(path: string, bytesMax: number, attempt: string): Buffer {
  let fd: number;
  try {
    // Without O_NONBLOCK a pipe that nobody writes to would hold the call up.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fileError(attempt, error);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error(`cannot ${attempt}: it is not a regular file`);
    if (stat.size > bytesMax) {
      throw new Error(`cannot ${attempt}: it has ${stat.size} bytes, of at most ${bytesMax}`);
    }
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What Node said of a file, in the form of this program: `cannot read a: ENOENT (no such file)` */
export function fileError(attempt: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  const [, code, reason] = /^(E[A-Z0-9]+): (.+?), \w+/.exec(message) ?? [];
  return new Error(`cannot ${attempt}: ${code === undefined ? message : `${code} (${reason})`}`);
}
