import type { Field } from '../sys/abi/abi.ts';
import { writeInteger } from '../sys/struct.ts';
import type { Sys } from '../sys/sys.ts';

/** The longest wait of poll(2), an int of milliseconds. macOS refuses longer ones of select(2). */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** What poll(2) and epoll_wait(2) take: whole milliseconds, -1 for ever. */
export function wholeMs(timeoutMs: number | null): number {
  if (timeoutMs === null) return -1;
  // Rounded down, a wait would end early, and one of less than a millisecond would not wait.
  return timeoutMs > 0 ? Math.min(Math.ceil(timeoutMs), TIMEOUT_MS_MAX) : 0;
}

/**
 * A timeval or timespec: seconds, and the rest in units of which a second has `unitsPerSecond`.
 * Null, which waits for ever, stays null.
 */
export class TimeStruct {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #seconds: Field;
  readonly #rest: Field;
  readonly #unitsPerSecond: number;

  constructor(size: number, seconds: Field, rest: Field, unitsPerSecond: number) {
    this.#view = new DataView(new ArrayBuffer(size));
    this.#bytes = new Uint8Array(this.#view.buffer);
    this.#seconds = seconds;
    this.#rest = rest;
    this.#unitsPerSecond = unitsPerSecond;
  }

  /** `timeoutMs` as the kernel takes it, rounded up; valid until the next call. */
  of(timeoutMs: number | null): Uint8Array | null {
    if (timeoutMs === null) return null;
    const boundedMs = timeoutMs > 0 ? Math.min(timeoutMs, TIMEOUT_MS_MAX) : 0;
    // Up to 2^31 ms in nanoseconds is below 2^53 and so exact.
    const units = Math.ceil((boundedMs * this.#unitsPerSecond) / 1000);
    writeInteger(this.#view, 0, this.#seconds, Math.floor(units / this.#unitsPerSecond));
    writeInteger(this.#view, 0, this.#rest, units % this.#unitsPerSecond);
    return this.#bytes;
  }
}

/** The time now, for {@link timeLeftMs}. The clock is not read where no time can be left over. */
export function startOf(sys: Sys, timeoutMs: number | null): number {
  return timeoutMs !== null && timeoutMs > 0 ? sys.monotonicMs() : 0;
}

/** What is left of a timeout that began at `startMs` of the clock. */
export function timeLeftMs(sys: Sys, timeoutMs: number | null, startMs: number): number | null {
  if (timeoutMs === null || timeoutMs <= 0) return timeoutMs;
  return Math.max(0, timeoutMs - (sys.monotonicMs() - startMs));
}
