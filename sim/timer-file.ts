import { OpenFile, Ready } from './open-file.ts';

/** A timer to wait for: timerfd_create(2). */
export class TimerFile extends OpenFile {
  readonly kind = 'timerfd';
  /** The moment of the first expiration that was not read; Infinity for none. */
  #expiredNs = Number.POSITIVE_INFINITY;
  #periodNs = 0;
  /** The number of the current setting: what was scheduled by an earlier one is void. */
  #setting = 0;

  /** timerfd_settime(2) of relative times; a first one of 0 stops it. */
  set(firstNs: number, periodNs: number): void {
    this.#expiredNs = Number.POSITIVE_INFINITY;
    this.#periodNs = periodNs;
    this.#setting += 1;
    if (firstNs > 0) this.#arm(this.kernel.clock.nowNs + firstNs);
  }

  /** Once: Linux goes on only when the expiration is read. */
  #arm(atNs: number): void {
    const setting = this.#setting;
    this.kernel.clock.at(atNs, () => {
      if (this.released || this.#setting !== setting) return;
      this.#expiredNs = atNs;
      this.touchRead();
    });
  }

  poll(): number {
    return this.#expiredNs === Number.POSITIVE_INFINITY ? 0 : Ready.in;
  }

  override get spuriousBits(): number {
    return Ready.in;
  }

  override read(into: Uint8Array, offset: number, length: number): number {
    const { EINVAL, EAGAIN } = this.kernel.errno;
    if (length < 8) return -EINVAL;
    if (this.poll() === 0) return -EAGAIN;
    const period = this.#periodNs;
    const missed = Math.floor((this.kernel.clock.nowNs - this.#expiredNs) / period);
    const count = period > 0 ? 1 + missed : 1;
    new DataView(into.buffer, into.byteOffset).setBigUint64(offset, BigInt(count), true);
    const nextNs = this.#expiredNs + count * period;
    this.#expiredNs = Number.POSITIVE_INFINITY;
    if (period > 0) this.#arm(nextNs);
    return 8;
  }

  close(): void {
    this.#setting += 1;
  }
}
