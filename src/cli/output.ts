import { writeSync } from 'node:fs';

/** How often a write to a full pipe is tried before its reader counts as stuck, 1 ms apart. */
const ATTEMPTS_MAX = 60_000;

const STDOUT = 1;
const STDERR = 2;

/**
 * Writes to a standard stream at once: what is printed is out before the next blocking call.
 *
 * `process.stdout` would hold lines back while a call keeps Node's loop from turning.
 */
function writeAll(fd: number, bytes: Uint8Array): void {
  let attempts = 0;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
      attempts = 0;
    } catch (error) {
      const full = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      attempts += 1;
      if (!full || attempts > ATTEMPTS_MAX) throw error;
      // Another process has made the shared pipe or terminal non-blocking.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Bytes to standard output, as they are. */
export function writeOut(bytes: Uint8Array): void {
  writeAll(STDOUT, bytes);
}

/** A line to standard output. */
export function printOut(line: string): void {
  writeAll(STDOUT, Buffer.from(`${line}\n`));
}

/** A line to standard error. */
export function printError(line: string): void {
  writeAll(STDERR, Buffer.from(`${line}\n`));
}

/** Text to standard error without a newline: a prompt. */
export function prompt(text: string): void {
  writeAll(STDERR, Buffer.from(text));
}
