import type { MessageVector } from '../../sys/message-vector.ts';
import type { MessageHeader, Sys } from '../../sys/sys.ts';

/** sendmmsg(2) and recvmmsg(2), or the same slot by slot where there is neither: macOS. */
export class MessageCalls {
  readonly #sys: Sys;
  readonly #slotBySlot: boolean;
  readonly #dontWait: number;

  constructor(sys: Sys) {
    this.#sys = sys;
    this.#dontWait = sys.abi.constants.MSG_DONTWAIT;
    this.#slotBySlot = sys.abi.structs.mmsghdr === undefined;
  }

  /** As `Sys.sendmmsg`. */
  send(fd: number, messages: MessageVector, first: number, count: number, flags: number): number {
    if (this.#slotBySlot) return this.#sendEach(fd, messages, first, count, flags);
    return this.#sys.sendmmsg(fd, messages, first, count, flags);
  }

  /** As `Sys.recvmmsg`, without waiting. */
  receive(fd: number, messages: MessageVector, count: number): number {
    if (this.#slotBySlot) return this.#receiveEach(fd, messages, count, this.#dontWait);
    return this.#sys.recvmmsg(fd, messages, count, this.#dontWait);
  }

  #sendEach(
    fd: number,
    messages: MessageVector,
    first: number,
    count: number,
    flags: number,
  ): number {
    for (let sent = 0; sent < count; sent++) {
      const result = this.#sys.sendmsg(fd, new SlotMessage(messages, first + sent), flags);
      if (result < 0) return sent > 0 ? sent : result;
    }
    return count;
  }

  #receiveEach(fd: number, messages: MessageVector, count: number, flags: number): number {
    for (let slot = 0; slot < count; slot++) {
      const message = new SlotMessage(messages, slot);
      const result = this.#sys.recvmsg(fd, message, flags);
      if (result < 0) return slot > 0 ? slot : result;
      messages.setReceived(slot, result, message.flags);
      messages.setLengths(slot, message.nameLength, message.controlLength);
    }
    return count;
  }
}

/** A slot of a vector as a message of its own. */
class SlotMessage implements MessageHeader {
  readonly name: Uint8Array | null;
  nameLength: number;
  readonly buffer: Uint8Array;
  readonly offset: number;
  readonly length: number;
  readonly control: Uint8Array | null;
  controlLength: number;
  flags = 0;

  constructor(messages: MessageVector, slot: number) {
    this.nameLength = messages.nameLength(slot);
    this.controlLength = messages.controlLength(slot);
    this.buffer = messages.bytes;
    this.offset = messages.bufferOffset(slot);
    this.length = messages.bufferLength(slot);
    this.name = partOf(messages, messages.nameAt(slot), this.nameLength);
    this.control = partOf(messages, messages.controlAt(slot), this.controlLength);
  }
}

function partOf(messages: MessageVector, at: number, length: number): Uint8Array | null {
  return length === 0 ? null : messages.bytes.subarray(at, at + length);
}
