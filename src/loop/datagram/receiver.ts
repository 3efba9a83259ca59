import type { Abi } from '../../sys/abi/abi.ts';
import type { DatagramCounters, DatagramSettings } from './contract.ts';
import { closePassed } from './passed-descriptors.ts';
import type { ReceiveSlots } from './receive-slots.ts';
import type { ReceivedDatagrams } from './received.ts';
import type { SharedDatagrams } from './shared.ts';

/** Datagrams asked for in the first receive. */
const ASKED_AT_FIRST = 4;

/** Receives the datagrams of one socket, and counts them. */
export class DatagramReceiver {
  readonly #shared: SharedDatagrams;
  readonly #abi: Abi;
  readonly #settings: DatagramSettings;
  readonly #counters: DatagramCounters;
  #slots: ReceiveSlots | null = null;
  /** Datagrams to ask for in the next receive. */
  #asked = ASKED_AT_FIRST;
  /** Whether the last receive brought all that it asked for. */
  mayHaveMore = false;
  /** Whether the end of a connection came behind what was received. */
  ends = false;

  constructor(shared: SharedDatagrams, settings: DatagramSettings, counters: DatagramCounters) {
    this.#shared = shared;
    this.#abi = shared.abi;
    this.#settings = settings;
    this.#counters = counters;
  }

  /** Where {@link receive} puts the datagrams. */
  get received(): ReceivedDatagrams {
    return this.#memory.received;
  }

  get #memory(): ReceiveSlots {
    this.#slots ??= this.#shared.slotsFor(this.#settings.bytesMax);
    return this.#slots;
  }

  /** Receives what has come, up to a limit. Returns how many datagrams, or `-errno`. */
  receive(fd: number): number {
    const slots = this.#memory;
    const asked = Math.min(this.#asked, slots.count);
    const result = slots.receive(fd, this.#settings.bytesMax, asked);
    this.mayHaveMore = result === asked;
    if (result <= 0) return result;
    this.#adapt(result, asked, slots.count);
    this.counted(slots.received);
    return result;
  }

  /** Takes note of datagrams that came. */
  counted(received: ReceivedDatagrams): void {
    if (this.#settings.unix) this.#closePassed(received);
    this.ends = this.#settings.sequenced && cutAtEnd(received);
    this.#count(received);
  }

  #closePassed({ length, memory, controlsAt, controlLengths }: ReceivedDatagrams): void {
    for (let index = 0; index < length; index++) {
      const control = controlLengths[index] ?? 0;
      if (control === 0) continue;
      const closed = closePassed(this.#shared.sys, memory, controlsAt[index] ?? 0, control);
      this.#counters.descriptorsClosed += closed;
    }
  }

  #adapt(got: number, asked: number, most: number): void {
    if (got === asked) this.#asked = Math.min(4 * asked, most);
    else if (4 * got < asked) this.#asked = Math.max(ASKED_AT_FIRST, asked >> 1);
  }

  #count(received: ReceivedDatagrams): void {
    const counters = this.#counters;
    const { MSG_TRUNC, MSG_CTRUNC } = this.#abi.constants;
    const { gro } = this.#settings;
    for (let index = 0; index < received.length; index++) {
      const bytes = received.byteLengths[index] ?? 0;
      const flags = received.flags[index] ?? 0;
      const segment = gro ? this.#segmentOf(received, index) : 0;
      received.segmentBytes[index] = segment;
      counters.received += segment > 0 ? Math.ceil(bytes / segment) : 1;
      counters.receivedBytes += bytes;
      if (flags === 0) continue;
      if ((flags & MSG_TRUNC) !== 0) counters.truncated += 1;
      if ((flags & MSG_CTRUNC) !== 0) counters.controlTruncated += 1;
    }
    this.#countDropped(received, received.length - 1);
  }

  /** UDP_GRO. */
  #segmentOf(received: ReceivedDatagrams, index: number): number {
    const { IPPROTO_UDP, UDP_GRO } = this.#abi.constants;
    if (UDP_GRO === undefined) return 0;
    return this.#controlWord(received, index, IPPROTO_UDP, UDP_GRO);
  }

  /** SO_RXQ_OVFL comes with datagrams once some were dropped, and counts all: law D3. */
  #countDropped(received: ReceivedDatagrams, last: number): void {
    if ((received.controlLengths[last] ?? 0) === 0) return;
    const { SOL_SOCKET, SO_RXQ_OVFL } = this.#abi.constants;
    if (SO_RXQ_OVFL === undefined) return;
    const dropped = this.#controlWord(received, last, SOL_SOCKET, SO_RXQ_OVFL) >>> 0;
    if (dropped > this.#counters.droppedByKernel) this.#counters.droppedByKernel = dropped;
  }

  /** The 32 bits of a control message, 0 without it. */
  #controlWord(received: ReceivedDatagrams, index: number, level: number, type: number): number {
    const length = received.controlLengths[index] ?? 0;
    if (length === 0) return 0;
    const { words } = received;
    const at = received.controlsAt[index] ?? 0;
    const data = this.#shared.control.find(words, at, length, level, type, 4);
    return data < 0 ? 0 : (words[data >> 2] ?? 0);
  }
}

/** An empty record ends a connection of SOCK_SEQPACKET: cuts there, and returns whether it came. */
function cutAtEnd(received: ReceivedDatagrams): boolean {
  for (let index = 0; index < received.length; index++) {
    if (received.byteLengths[index] !== 0) continue;
    received.length = index;
    return true;
  }
  return false;
}
