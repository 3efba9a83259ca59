import { SimSys } from '#sim/sim-sys.js';
import type { MessageVector } from '#src/sys/message-vector.js';
import type { MessageHeader } from '#src/sys/sys.js';
import type { DatagramBug } from './datagram-game.ts';

/** A bug shows in one receive of so many. */
const BUG_EVERY = 10;

/** A simulated kernel that writes down the numbers of the datagrams that it gives. */
export class RecordingSys extends SimSys {
  bug: DatagramBug | null = null;
  readonly #given = new Map<number, string[]>();
  #receives = 0;

  /** The numbers of what a descriptor was given, in order. */
  given(fd: number): readonly string[] {
    return this.#given.get(fd) ?? [];
  }

  #note(fd: number, bytes: Uint8Array, at: number): void {
    const list = this.#given.get(fd) ?? [];
    list.push(`${new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true)}`);
    this.#given.set(fd, list);
  }

  #isBugged(bug: DatagramBug): boolean {
    if (this.bug !== bug) return false;
    this.#receives += 1;
    return this.#receives % BUG_EVERY === 0;
  }

  override recvmsg(fd: number, message: MessageHeader, flags: number): number {
    const result = super.recvmsg(fd, message, flags);
    if (result <= 0 || (flags & (this.abi.constants.MSG_ERRQUEUE ?? 0)) !== 0) return result;
    this.#note(fd, message.buffer, message.offset);
    if (this.#isBugged('gives one twice')) this.#note(fd, message.buffer, message.offset);
    if (this.#isBugged('loses one')) return -this.abi.errno.EAGAIN;
    return this.#isBugged('cuts one') ? result - 1 : result;
  }

  override recvmmsg(fd: number, messages: MessageVector, count: number, flags: number): number {
    const result = super.recvmmsg(fd, messages, count, flags);
    for (let slot = 0; slot < result; slot += 1) {
      this.#note(fd, messages.bytes, messages.bufferOffset(slot));
    }
    if (result <= 0) return result;
    if (this.#isBugged('gives one twice')) this.#note(fd, messages.bytes, messages.bufferOffset(0));
    if (this.#isBugged('cuts one')) {
      messages.setReceived(0, messages.length(0) - 1, messages.flags(0));
    }
    if (!this.#isBugged('loses one')) return result;
    return result === 1 ? -this.abi.errno.EAGAIN : result - 1;
  }
}
