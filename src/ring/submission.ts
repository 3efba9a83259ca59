import type { IoUringAbi } from '../sys/abi/abi.ts';
import type { Sys } from '../sys/sys.ts';
import { ADDRESSES_MAX, MULTISHOT_TOTAL_BYTES } from './limits.ts';
import type { RingMemory } from './memory.ts';
import { ADDRESS_BYTES, REGION } from './region.ts';
import type { Ring } from './ring.ts';

/**
 * Submits operations, one method each. An operation carries (`token`, `kind`) until it completes.
 * Every method returns false, without effect, if the queue is full and the kernel takes nothing.
 */
export class Submission {
  /** Whether a multishot receive ends after {@link MULTISHOT_TOTAL_BYTES}: from Linux 6.17 on. */
  limitsReceives = false;
  readonly #ring: Ring;
  readonly #memory: RingMemory;
  readonly #codes: Codes;
  readonly #addressLow: number;
  readonly #addressHigh: number;
  /** The next slot for a socket address. */
  #addressSlot = 0;

  constructor(ring: Ring, memory: RingMemory) {
    this.#ring = ring;
    this.#memory = memory;
    this.#codes = codesOf(ring.sys, ring.abi);
    this.#addressLow = ring.region.address % 2 ** 32;
    this.#addressHigh = Math.floor(ring.region.address / 2 ** 32);
  }

  /** Whether there is room, if necessary after a call that makes it. */
  #room(): boolean {
    return this.#memory.hasRoom || (this.#ring.submit() && this.#memory.hasRoom);
  }

  /**
   * accept(2) of non-blocking descriptors, once, or with `multishot` until it is cancelled or
   * fails.
   */
  accept(fd: number, token: number, kind: number, multishot: boolean): boolean {
    if (!this.#room()) return false;
    const { accept, acceptMultishot, acceptFlags } = this.#codes;
    this.#memory.push(
      multishot ? acceptMultishot : accept,
      fd,
      0,
      0,
      0,
      0,
      acceptFlags,
      token,
      kind,
    );
    return true;
  }

  /** recv(2) into the ring of buffers, once, or with `multishot` until cancelled or failed. */
  receive(fd: number, token: number, kind: number, multishot: boolean): boolean {
    if (!this.#room()) return false;
    const { receive, receiveMultishot } = this.#codes;
    this.#memory.push(multishot ? receiveMultishot : receive, fd, 0, 0, 0, 0, 0, token, kind);
    if (multishot && this.limitsReceives) this.#memory.limitLast(MULTISHOT_TOTAL_BYTES);
    return true;
  }

  /**
   * send(2) of `length` bytes at `offset` of the region, without waiting. No completion is posted
   * if the kernel takes all of them, which is the rule; else one tells how many it took, or the
   * errno.
   */
  sendNow(fd: number, offset: number, length: number, token: number, kind: number): boolean {
    if (!this.#room()) return false;
    const { send, nowFlags } = this.#codes;
    const low = this.#addressLow + offset;
    const high = low < 2 ** 32 ? this.#addressHigh : this.#addressHigh + 1;
    this.#memory.push(send, fd, 0, low, high, length, nowFlags, token, kind);
    return true;
  }

  /** Lengthens the last send by `bytes`. False if the last entry is another, or submitted. */
  lengthenSend(token: number, kind: number, bytes: number): boolean {
    return this.#memory.lengthenLast(token, kind, bytes);
  }

  /** send(2) of `length` bytes at `address`, which waits until the socket has room. */
  send(fd: number, address: number, length: number, token: number, kind: number): boolean {
    if (!this.#room()) return false;
    const { sendWaiting, sendFlags } = this.#codes;
    const [low, high] = [address % 2 ** 32, address / 2 ** 32];
    this.#memory.push(sendWaiting, fd, 0, low, high, length, sendFlags, token, kind);
    return true;
  }

  /** connect(2) to a sockaddr, which is copied. */
  connect(fd: number, address: Uint8Array, token: number, kind: number): boolean {
    if (!this.#room()) return false;
    // The kernel has copied the addresses of submitted connects.
    if (this.#addressSlot === ADDRESSES_MAX) {
      if (!this.#ring.submit()) return false;
      this.#addressSlot = 0;
    }
    const at = REGION.addresses + this.#addressSlot * ADDRESS_BYTES;
    this.#addressSlot += 1;
    this.#ring.region.bytes.set(address, at);
    const low = this.#addressLow + at;
    const high = low < 2 ** 32 ? this.#addressHigh : this.#addressHigh + 1;
    this.#memory.push(this.#codes.connect, fd, address.length, low, high, 0, 0, token, kind);
    return true;
  }

  /**
   * poll(2) of one descriptor for `events` (POLLIN, POLLOUT), once, or with `multishot` at each
   * change until it is cancelled. The end of the peer's side, POLLRDHUP, is told in any case.
   */
  poll(fd: number, events: number, token: number, kind: number, multishot = false): boolean {
    if (!this.#room()) return false;
    const { poll, pollMultishot } = this.#codes;
    const flags = multishot ? pollMultishot : 0;
    this.#memory.push(poll, fd, 0, 0, 0, flags, events, token, kind);
    return true;
  }

  /** A completion every `periodMs` until cancelled. Fails with EINVAL before Linux 6.4. */
  periodicTimeout(periodMs: number, kind: number): boolean {
    if (!this.#room()) return false;
    const at = this.#ring.periodAt(periodMs);
    const low = this.#addressLow + at;
    const high = low < 2 ** 32 ? this.#addressHigh : this.#addressHigh + 1;
    const { timeout, timeoutFlags } = this.#codes;
    this.#memory.push(timeout, -1, 0, low, high, 1, timeoutFlags, 0, kind);
    return true;
  }

  /** Cancels the operation that carries (`token`, `kind`). Success posts no completion. */
  cancel(token: number, kind: number, carries: number): boolean {
    if (!this.#room()) return false;
    this.#memory.push(this.#codes.cancel, -1, 0, token, kind, 0, 0, 0, carries);
    return true;
  }

  /** Cancels every operation of the ring. The completion tells how many. */
  cancelAll(carries: number): boolean {
    if (!this.#room()) return false;
    const { cancelAll, cancelAllFlags } = this.#codes;
    this.#memory.push(cancelAll, -1, 0, 0, 0, 0, cancelAllFlags, 0, carries);
    return true;
  }
}

type Codes = ReturnType<typeof codesOf>;

/** The first word of each entry, and the flags of each operation. */
function codesOf(sys: Sys, abi: IoUringAbi) {
  const op = abi.constants;
  const { MSG_DONTWAIT, MSG_WAITALL, MSG_NOSIGNAL = 0 } = sys.abi.constants;
  const { SOCK_NONBLOCK = 0, SOCK_CLOEXEC = 0 } = sys.abi.constants;
  const silent = op.IOSQE_CQE_SKIP_SUCCESS << 8;
  return {
    accept: op.IORING_OP_ACCEPT,
    acceptMultishot: op.IORING_OP_ACCEPT | (op.IORING_ACCEPT_MULTISHOT << 16),
    acceptFlags: SOCK_NONBLOCK | SOCK_CLOEXEC,
    receive: op.IORING_OP_RECV | (op.IOSQE_BUFFER_SELECT << 8),
    receiveMultishot:
      op.IORING_OP_RECV | (op.IOSQE_BUFFER_SELECT << 8) | (op.IORING_RECV_MULTISHOT << 16),
    send: op.IORING_OP_SEND | silent,
    nowFlags: MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL,
    sendWaiting: op.IORING_OP_SEND,
    sendFlags: MSG_NOSIGNAL,
    connect: op.IORING_OP_CONNECT,
    poll: op.IORING_OP_POLL_ADD,
    pollMultishot: op.IORING_POLL_ADD_MULTI,
    timeout: op.IORING_OP_TIMEOUT,
    timeoutFlags: op.IORING_TIMEOUT_MULTISHOT,
    cancel: op.IORING_OP_ASYNC_CANCEL | silent,
    cancelAll: op.IORING_OP_ASYNC_CANCEL,
    cancelAllFlags: op.IORING_ASYNC_CANCEL_ALL | op.IORING_ASYNC_CANCEL_ANY,
  } as const;
}
