import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { BasePoller } from './base-poller.ts';
import { Interest, type ReadySink, type WakeHandle } from './poller.ts';
import { ReadyList } from './ready-list.ts';
import { startOf, TimeStruct, timeLeftMs } from './timeouts.ts';
import { type DescriptorWaker, openWaker, type WakerKind } from './wakers.ts';

const MICROSECONDS = 1_000_000;

/**
 * select(2): two sets with a bit for each descriptor, which the kernel overwrites with the result.
 * It checks all numbers below the highest one.
 *
 * A set has room for FD_SETSIZE descriptors. In C, FD_SET of a higher one writes past its end; here
 * it is refused. Descriptor n is bit n % 8 of byte n / 8, on every platform of the tables: FreeBSD
 * has words of 64 bits, macOS of 32, and all are little-endian.
 */
export class SelectPoller extends BasePoller {
  readonly name = 'select';
  override readonly fdLimit: number;
  readonly wakeHandle: WakeHandle;
  protected readonly installCall = 'select';
  protected override readonly kernelChecks = false;
  readonly #waker: DescriptorWaker;
  readonly #ready = new ReadyList();
  readonly #timeval: TimeStruct;
  /** One more than the highest descriptor in the sets. */
  #fdEnd = 0;
  // The interests, and the copies that the kernel overwrites.
  readonly #wantedRead: Uint8Array;
  readonly #wantedWrite: Uint8Array;
  readonly #read: Uint8Array;
  readonly #write: Uint8Array;

  constructor(sys: Sys, waker?: WakerKind) {
    super(sys);
    const { size, fields } = sys.abi.structs.timeval;
    this.#timeval = new TimeStruct(size, fields.tv_sec, fields.tv_usec, MICROSECONDS);
    this.fdLimit = sys.abi.constants.FD_SETSIZE;
    const bytes = this.fdLimit / 8;
    this.#wantedRead = new Uint8Array(bytes);
    this.#wantedWrite = new Uint8Array(bytes);
    this.#read = new Uint8Array(bytes);
    this.#write = new Uint8Array(bytes);
    this.#waker = openWaker(sys, waker);
    this.wakeHandle = this.#waker.handle;
    if (this.#waker.fd >= this.fdLimit) {
      this.#waker.close();
      throw this.holdsNot(this.#waker.fd);
    }
    this.install(this.#waker.fd, Interest.none, Interest.read);
  }

  get fds(): readonly number[] {
    return this.#waker.fds;
  }

  wait(timeoutMs: number | null, sink: ReadySink): number {
    this.requireOpen();
    const startMs = startOf(this.sys, timeoutMs);
    let blamedNone = false;
    for (let leftMs = timeoutMs; ; leftMs = timeLeftMs(this.sys, timeoutMs, startMs)) {
      this.#read.set(this.#wantedRead);
      this.#write.set(this.#wantedWrite);
      const timeval = this.#timeval.of(leftMs);
      const found = this.waits.select(this.#fdEnd, this.#read, this.#write, timeval);
      if (found < 0 && found === -this.sys.abi.errno.EBADF) {
        // EBADF names no descriptor, and nothing is reported, not even what is ready. One that was
        // closed and opened again in the meantime is in order.
        const dropped = this.#dropClosed();
        if (dropped > 0 || !blamedNone) {
          blamedNone = dropped === 0;
          continue;
        }
      }
      this.waited(found, 'select');
      if (found <= 0) return 0;
      this.#collect();
      return this.#ready.deliver(this.registry, sink);
    }
  }

  protected install(fd: number, _installed: Interest, wanted: Interest): number {
    const byte = fd >> 3;
    const bit = 1 << (fd & 7);
    setBit(this.#wantedRead, byte, bit, (wanted & Interest.read) !== 0);
    setBit(this.#wantedWrite, byte, bit, (wanted & Interest.write) !== 0);
    if (wanted !== Interest.none) this.#fdEnd = Math.max(this.#fdEnd, fd + 1);
    while (this.#fdEnd > 0 && this.#wantedAt(this.#fdEnd - 1) === Interest.none) this.#fdEnd -= 1;
    return 0;
  }

  protected release(): void {
    this.#waker.close();
  }

  #wantedAt(fd: number): number {
    const byte = fd >> 3;
    const read = ((this.#wantedRead[byte] ?? 0) >> (fd & 7)) & 1;
    const write = ((this.#wantedWrite[byte] ?? 0) >> (fd & 7)) & 1;
    return read * Interest.read + write * Interest.write;
  }

  #collect(): void {
    this.#ready.clear();
    for (let byte = 0; byte << 3 < this.#fdEnd; byte += 1) {
      const read = this.#read[byte] ?? 0;
      const write = this.#write[byte] ?? 0;
      for (let bits = read | write; bits !== 0; bits &= bits - 1) {
        const bit = 31 - Math.clz32(bits & -bits);
        const fd = (byte << 3) + bit;
        if (fd === this.#waker.fd) {
          this.#waker.drain();
          continue;
        }
        const found = ((read >> bit) & 1) * Interest.read + ((write >> bit) & 1) * Interest.write;
        this.#ready.add(fd, this.registry.generationOf(fd), found, 0);
      }
    }
  }

  /** Removes closed descriptors from the sets; their registrations stay. Returns how many. */
  #dropClosed(): number {
    const { F_GETFD } = this.sys.abi.constants;
    let dropped = 0;
    for (let fd = this.#fdEnd - 1; fd >= 0; fd -= 1) {
      const wanted = this.#wantedAt(fd);
      if (wanted === Interest.none) continue;
      const result = this.sys.fcntl(fd, F_GETFD, 0);
      if (result >= 0) continue;
      if (fd === this.#waker.fd) throw sysError(this.sys, result, 'select', 'wait with select');
      this.install(fd, Interest.none, Interest.none);
      dropped += 1;
    }
    return dropped;
  }
}

function setBit(set: Uint8Array, byte: number, bit: number, isMember: boolean): void {
  const bits = set[byte] ?? 0;
  set[byte] = isMember ? bits | bit : bits & ~bit;
}
