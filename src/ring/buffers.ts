import { checking, invariant } from '../base/invariants.ts';
import { writeInteger } from '../sys/struct.ts';
import { sysError } from '../sys/sys-error.ts';
import { BufferViews } from './buffer-views.ts';
import { BUFFER_BYTES, BUFFERS_AT_FIRST, BUFFERS_MAX } from './limits.ts';
import { BUFFER_ENTRY_BYTES, REGION } from './region.ts';
import type { Ring } from './ring.ts';

/**
 * The receive buffers: a ring from which the kernel takes the next one when bytes arrive, so that
 * an idle connection has none.
 *
 * There are few at first, which stay in the cache. Each time they run out their number doubles, up
 * to {@link BUFFERS_MAX}.
 */
export class Buffers {
  /** The region shared with the kernel. A buffer starts at its {@link offset}. */
  readonly bytes: Uint8Array;
  readonly countMax = BUFFERS_MAX;
  readonly #ring: Ring;
  readonly #words: Uint32Array;
  readonly #halves: Uint16Array;
  readonly #views: BufferViews;
  #count = 0;
  #tail = 0;
  /** The buffers that the kernel has filled, and not got back: kept for {@link checking} only. */
  readonly #taken = new Set<number>();

  /** Registers the ring of buffers as group 0. Throws a SysError. */
  constructor(ring: Ring) {
    this.#ring = ring;
    const { bytes } = ring.region;
    this.bytes = bytes;
    this.#views = new BufferViews(bytes, REGION.buffers);
    const words = (BUFFERS_MAX * BUFFER_ENTRY_BYTES) / 4;
    this.#words = new Uint32Array(bytes.buffer, REGION.bufferRing, words).fill(0);
    this.#halves = new Uint16Array(bytes.buffer, REGION.bufferRing, words * 2);
    this.#register();
    this.#add(BUFFERS_AT_FIRST);
  }

  #register(): void {
    const { sys, fd, abi, region } = this.#ring;
    const { size, fields } = abi.structs.io_uring_buf_reg;
    // In the memory of the argument of a wait, which is not in use yet.
    const at = REGION.wait + SCRATCH_BYTES;
    const registration = new DataView(region.bytes.fill(0, at, at + size).buffer, at, size);
    writeInteger(registration, 0, fields.ring_addr, region.address + REGION.bufferRing);
    writeInteger(registration, 0, fields.ring_entries, BUFFERS_MAX);
    const { IORING_REGISTER_PBUF_RING } = abi.constants;
    const result = sys.io_uring_register(fd, IORING_REGISTER_PBUF_RING, region.address + at, 1);
    if (result >= 0) return;
    throw sysError(sys, result, 'io_uring_register', 'register buffers with an io_uring');
  }

  /** The number of buffers, borrowed or not. */
  get count(): number {
    return this.#count;
  }

  /** Returns the offset of the buffer `id` in {@link bytes}. */
  offset(id: number): number {
    return this.#views.offset(id);
  }

  /** Returns a view of the first `length` bytes of the buffer `id`. */
  chunk(id: number, length: number): Uint8Array {
    if (checking) {
      const isNew = !this.#taken.has(id) && id < this.#count;
      invariant(isNew && length <= BUFFER_BYTES, "a receive buffer came that is not the kernel's");
      this.#taken.add(id);
    }
    return this.#views.chunk(id, length);
  }

  /** Gives a buffer to the kernel, as of the next {@link publish}. */
  give(id: number): void {
    if (checking) {
      const isOwn = this.#taken.delete(id) || id === this.#count;
      invariant(isOwn, 'the kernel gets a receive buffer twice');
    }
    const place = this.#tail & (BUFFERS_MAX - 1);
    const { address } = this.#ring.region;
    const at = address + this.offset(id);
    this.#words[place * 4] = at; // The lower 32 bits; `%` of such numbers is a call.
    this.#words[place * 4 + 1] = at / 2 ** 32;
    this.#words[place * 4 + 2] = BUFFER_BYTES;
    this.#halves[place * 8 + 6] = id;
    this.#tail = (this.#tail + 1) & 0xffff;
  }

  /** Makes the given buffers visible to the kernel. */
  publish(): void {
    Atomics.store(this.#halves, TAIL, this.#tail);
  }

  /** Doubles the number of buffers. False if there are {@link BUFFERS_MAX}. */
  grow(): boolean {
    if (this.count === BUFFERS_MAX) return false;
    this.#add(this.count);
    return true;
  }

  #add(count: number): void {
    for (let i = 0; i < count; i++) {
      this.give(this.#count);
      this.#count += 1;
    }
    this.publish();
  }
}

/** The index of the tail in 16-bit words: the end of the first entry. */
const TAIL = 7;

/** Offset past the argument of a wait, its timeout and a registration update. */
const SCRATCH_BYTES = 128;
