import { receiveMemory } from '../../base/borrowed.ts';
import { MessageVector } from '../../sys/message-vector.ts';
import { SOCKADDR_BYTES_MAX } from '../../sys/sockaddr.ts';
import type { Sys } from '../../sys/sys.ts';
import { DATAGRAM_CONTROL_BYTES, DATAGRAM_MEMORY_BYTES, DATAGRAMS_PER_CALL } from '../limits.ts';
import type { MessageCalls } from './message-calls.ts';
import { ReceivedDatagrams } from './received.ts';

/** The memory that the datagrams of a loop are received into, and the call that does it. */
export class ReceiveSlots {
  readonly received: ReceivedDatagrams;
  readonly #calls: MessageCalls;
  readonly #messages: MessageVector;
  /** The room that the buffer of each slot has for a datagram now. */
  #roomBytes: number;

  readonly memory: Uint8Array;

  /** Each slot holds `bufferBytes`. `spare` is the memory of slots that are not used any more. */
  constructor(sys: Sys, calls: MessageCalls, bufferBytes: number, spare: Uint8Array | null = null) {
    const fitting = Math.floor(DATAGRAM_MEMORY_BYTES / bufferBytes);
    const count = Math.max(1, Math.min(DATAGRAMS_PER_CALL, fitting));
    const sizes = {
      count,
      nameBytes: SOCKADDR_BYTES_MAX,
      controlBytes: DATAGRAM_CONTROL_BYTES,
      bufferBytes,
    };
    const memory = spare ?? receiveMemory(MessageVector.memoryBytes(sys.abi, sizes));
    this.memory = memory;
    this.#calls = calls;
    this.#messages = new MessageVector(sys, sizes, memory);
    this.#roomBytes = bufferBytes;
    this.received = new ReceivedDatagrams(memory, count);
    for (let slot = 0; slot < count; slot++) {
      this.received.bytesAt[slot] = this.#messages.bufferAt(slot);
      this.received.namesAt[slot] = this.#messages.nameAt(slot);
      this.received.controlsAt[slot] = this.#messages.controlAt(slot);
    }
  }

  /** The most datagrams of one call. */
  get count(): number {
    return this.#messages.count;
  }

  /**
   * Receives at most `count` datagrams with room for `bytesMax` each, into {@link received}.
   * Returns how many, or `-errno`.
   */
  receive(fd: number, bytesMax: number, count: number): number {
    const messages = this.#messages;
    if (bytesMax !== this.#roomBytes) this.#setRoom(bytesMax);
    const result = this.#calls.receive(fd, messages, count);
    const { received } = this;
    received.length = Math.max(result, 0);
    messages.collect(received.length, received);
    return result;
  }

  #setRoom(bytes: number): void {
    for (let slot = 0; slot < this.#messages.count; slot++) {
      this.#messages.setBuffer(slot, this.#messages.bufferAt(slot), bytes);
    }
    this.#roomBytes = bytes;
  }
}
