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
  readonly #settings: DatagramSettings;
  readonly #counters: DatagramCounters;
  // Read here once: the table of a platform has more names than V8 finds quickly.
  readonly #truncatedFlag: number;
  readonly #controlTruncatedFlag: number;
  readonly #udpLevel: number;
  readonly #groType: number | undefined;
  readonly #socketLevel: number;
  readonly #overflowType: number | undefined;
  #slots: ReceiveSlots | null = null;
  /** Datagrams to ask for in the next receive. */
  #asked = ASKED_AT_FIRST;
  /** Whether the last receive brought all that it asked for. */
  mayHaveMore = false;
  /** Whether the end of a connection came behind what was received. */
  ends = false;

  constructor(shared: SharedDatagrams, settings: DatagramSettings, counters: DatagramCounters) {
    this.#shared = shared;
    const { constants } = shared.abi;
    this.#truncatedFlag = constants.MSG_TRUNC;
    this.#controlTruncatedFlag = constants.MSG_CTRUNC;
    this.#udpLevel = constants.IPPROTO_UDP;
    this.#groType = constants.UDP_GRO;
    this.#socketLevel = constants.SOL_SOCKET;
    this.#overflowType = constants.SO_RXQ_OVFL;
    this.#settings = settings;
    this.#counters = counters;
  }

  /** Where {@link receive} puts the datagrams. */
  get received(): ReceivedDatagrams {
    return this.#memory().received;
  }

  /** No accessor: V8 calls a private one by way of its runtime, five times as slowly (Node 20). */
  #memory(): ReceiveSlots {
    this.#slots ??= this.#shared.slotsFor(this.#settings.bytesMax);
    return this.#slots;
  }

  /** Receives what has come, up to a limit. Returns how many datagrams, or `-errno`. */
  receive(fd: number): number {
    const slots = this.#memory();
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
    const { byteLengths, flags, length } = received;
    let bytes = 0;
    let flagsOfAny = 0;
    for (let index = 0; index < length; index++) {
      bytes += byteLengths[index] ?? 0;
      flagsOfAny |= flags[index] ?? 0;
    }
    counters.receivedBytes += bytes;
    counters.received += length;
    if (flagsOfAny !== 0) this.#countFlags(received);
    if (received.hasSegments) {
      // Of another socket, or of the last receive.
      received.segmentBytes.fill(0);
      received.hasSegments = false;
    }
    if (this.#settings.gro) this.#countSegments(received);
    this.#countDropped(received, length - 1);
  }

  #countFlags(received: ReceivedDatagrams): void {
    const counters = this.#counters;
    for (let index = 0; index < received.length; index++) {
      const flags = received.flags[index] ?? 0;
      if ((flags & this.#truncatedFlag) !== 0) counters.truncated += 1;
      if ((flags & this.#controlTruncatedFlag) !== 0) counters.controlTruncated += 1;
    }
  }

  /** UDP_GRO: counts the datagrams of a message beyond the first. */
  #countSegments(received: ReceivedDatagrams): void {
    const type = this.#groType;
    if (type === undefined) return;
    for (let index = 0; index < received.length; index++) {
      const segment = this.#controlWord(received, index, this.#udpLevel, type);
      if (segment === 0) continue;
      received.segmentBytes[index] = segment;
      received.hasSegments = true;
      const datagrams = Math.ceil((received.byteLengths[index] ?? 0) / segment);
      this.#counters.received += datagrams - 1;
    }
  }

  /** SO_RXQ_OVFL comes with datagrams once some were dropped, and counts all: law D3. */
  #countDropped(received: ReceivedDatagrams, last: number): void {
    if ((received.controlLengths[last] ?? 0) === 0) return;
    const type = this.#overflowType;
    if (type === undefined) return;
    const dropped = this.#controlWord(received, last, this.#socketLevel, type) >>> 0;
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
