import { closeSync, writeSync } from 'node:fs';
import { READY_FD, wholeNumber } from './environment.ts';

// The side of the successor: what it tells the process that has started it.

/** What a successor writes once it serves, with the number of sockets that it has taken. */
const READY = 'READY';

let taken = 0;

/** This process has taken so many sockets. */
export function noteTaken(count: number): void {
  taken = count;
}

/** Tells the predecessor that this process serves; does nothing where there is none. */
export function tellPredecessor(): void {
  const fd = wholeNumber(process.env[READY_FD]);
  delete process.env[READY_FD];
  if (fd === null) return;
  try {
    writeSync(fd, `${READY}=${taken}\n`);
  } catch {
    // It has gone, and nobody waits for this process to be ready.
  }
  closeSync(fd);
}

/** How many sockets a successor has taken that has written `text`; null if it has not yet. */
export function takenSockets(text: string): number | null {
  const match = /^READY=(\d+)\n/.exec(text);
  return match === null ? null : Number(match[1]);
}
