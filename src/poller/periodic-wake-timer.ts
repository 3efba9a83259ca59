import { writeInteger } from '../sys/struct.ts';
import type { Sys } from '../sys/sys.ts';

/**
 * A timer that fires again and again by itself: timerfd_create(2), Linux alone.
 *
 * A wait that it ends in time needs no timeout of its own, which the kernel would set up and take
 * down each time: 0.3 us, 4 % of a message on a single connection.
 */
export class PeriodicWakeTimer {
  readonly #sys: Sys;
  readonly fd: number;

  /** Starts a timer of `periodMs`. Null where the platform has none. */
  static open(sys: Sys, periodMs: number): PeriodicWakeTimer | null {
    const { CLOCK_MONOTONIC, TFD_CLOEXEC, TFD_NONBLOCK } = sys.abi.constants;
    if (CLOCK_MONOTONIC === undefined || TFD_CLOEXEC === undefined) return null;
    const fd = sys.timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | (TFD_NONBLOCK ?? 0));
    // Without a descriptor for it every wait has a timeout of its own, which is as right.
    if (fd < 0) return null;
    const timer = new PeriodicWakeTimer(sys, fd);
    if (sys.timerfd_settime(fd, 0, periodOf(sys, periodMs)) >= 0) return timer;
    timer.close();
    return null;
  }

  private constructor(sys: Sys, fd: number) {
    this.#sys = sys;
    this.fd = fd;
  }

  /** It has expired: Linux rearms the timer only after a read. */
  expired(): void {
    this.#sys.read(this.fd, expirations, 0, expirations.length);
  }

  close(): void {
    this.#sys.close(this.fd);
  }
}

/** The number of expirations since the last read, which is not used. */
const expirations = new Uint8Array(8);

/** An itimerspec: the period, and the same as the first time. */
function periodOf(sys: Sys, periodMs: number): Uint8Array {
  const { size, fields } = sys.abi.structs.timespec;
  const value = new Uint8Array(2 * size);
  const view = new DataView(value.buffer);
  for (const base of [0, size]) {
    writeInteger(view, base, fields.tv_sec, Math.floor(periodMs / 1000));
    writeInteger(view, base, fields.tv_nsec, (periodMs % 1000) * 1e6);
  }
  return value;
}
