import { writeSync } from 'node:fs';

/** A full pipe is tried this often, 1 ms apart, before its reader counts as stuck. */
const ATTEMPTS_MAX = 60_000;

export const STDOUT = 1;
export const STDERR = 2;

/**
 * Writes to a standard stream synchronously, from any thread: output precedes the next blocking
 * call.
 *
 * `process.stdout` would hold lines back while a call keeps Node's loop from turning, and that of
 * a worker sends them to the main thread first.
 */
export function writeAll(fd: number, bytes: Uint8Array): void {
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
