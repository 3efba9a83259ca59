// What the loops of this thread hold, told to whoever has to let go of it if the thread is
// terminated: `worker.terminate()` leaves it no time to do so itself.

/** Hears of what the loops of the thread hold. */
export interface ThreadLedger {
  opened(fd: number): void;
  /** Before close(2): the number may be another file's right after. */
  closing(fd: number): void;
  mapped(address: number, length: number): void;
  unmapping(address: number): void;
}

// Each thread has its own copy of this module.
let ledger: ThreadLedger | null = null;

/** Has `kept` hear of what this thread holds from now on. */
export function keepLedger(kept: ThreadLedger): void {
  ledger = kept;
}

/** A loop owns `fd` now. */
export function noteOpened(fd: number): void {
  ledger?.opened(fd);
}

/** A loop is about to close `fd`, or to give it away. */
export function noteClosing(fd: number): void {
  ledger?.closing(fd);
}

/** Memory of a ring, or a page of machine code: it would outlive the thread. */
export function noteMapped(address: number, length: number): void {
  ledger?.mapped(address, length);
}

/** Such a mapping is about to be unmapped. */
export function noteUnmapping(address: number): void {
  ledger?.unmapping(address);
}
