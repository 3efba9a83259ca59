import { CHECKED_MAX, checking, invariant } from '../../base/invariants.ts';
import { MessageVector } from '../../sys/message-vector.ts';
import { SOCKADDR_BYTES_MAX } from '../../sys/sockaddr.ts';
import type { Sys } from '../../sys/sys.ts';
import {
  DATAGRAM_QUEUE_BYTES,
  DATAGRAM_QUEUE_MAX,
  DATAGRAMS_GATHERED_MAX,
  SEGMENTED_BYTES_MAX,
  SEGMENTS_MAX,
} from '../limits.ts';
import type { EncodedAddress, SendControl } from './contract.ts';
import { SegmentControl } from './segment-control.ts';

/** The most datagrams of `segmentBytes` that are sent at a time: more messages are never queued. */
export function segmentsMax(segmentBytes: number): number {
  return (DATAGRAM_QUEUE_MAX * messageBytes(segmentBytes)) / segmentBytes;
}

/** The bytes of a message that the kernel cuts into datagrams of `segmentBytes`. */
function messageBytes(segmentBytes: number): number {
  const datagrams = Math.min(SEGMENTS_MAX, Math.floor(SEGMENTED_BYTES_MAX / segmentBytes));
  return Math.max(datagrams, 1) * segmentBytes;
}

/** Room of a message for control messages: `from`, `ecn` and the segment size. */
const CONTROL_BYTES = 128;

/**
 * Datagrams that wait to be sent, as messages of sendmmsg(2) with copies of their bytes: a ring of
 * slots over a ring of bytes. With `segmenting`, consecutive datagrams of one size to one
 * destination become one message, which the kernel cuts (UDP_SEGMENT); the last may be shorter.
 */
export class SendQueue {
  readonly #sys: Sys;
  readonly #segments: SegmentControl;
  readonly #bytesMax: number;
  /** Whether datagrams are joined. */
  segmenting: boolean;
  messages: MessageVector;
  /** The slot of the first message, and the number of messages. */
  first = 0;
  count = 0;
  /** All bytes and datagrams in the queue. */
  bytes = 0;
  datagrams = 0;
  /** How many messages are to be cut. */
  runs = 0;
  /** The end of the bytes of the last message. */
  #end: number;
  /** Whether the queue has all of its memory. */
  #isGrown = false;
  // By slot: the length of each datagram of a run, 0 for one datagram; and whether it takes more.
  #segmentBytes: Int32Array;
  #isOpen: Uint8Array;
  #datagrams: Int32Array;
  #names: (EncodedAddress | null | undefined)[] = [];
  #controls: (SendControl | null | undefined)[] = [];

  /** At most `bytesMax` wait. */
  constructor(sys: Sys, bytesMax: number, segmenting: boolean) {
    this.#sys = sys;
    this.#bytesMax = bytesMax;
    this.#segments = new SegmentControl(sys.abi);
    this.segmenting = segmenting && SegmentControl.exists(sys.abi);
    const count = DATAGRAMS_GATHERED_MAX;
    this.messages = vectorOf(sys, count, DATAGRAM_QUEUE_BYTES);
    this.#end = this.messages.bufferAt(0);
    this.#segmentBytes = new Int32Array(count);
    this.#isOpen = new Uint8Array(count);
    this.#datagrams = new Int32Array(count);
  }

  /**
   * Queues a copy of `length` bytes of `bytes` from `offset` on: one datagram, or if `segmentBytes`
   * is not 0 datagrams of that length. False if there is no room: nothing is queued then.
   */
  push(
    bytes: Uint8Array,
    offset: number,
    length: number,
    to: EncodedAddress | null,
    control: SendControl | null,
    segmentBytes: number,
  ): boolean {
    if (checking) this.#check();
    if (this.bytes + length > this.#bytesMax) return false;
    if (segmentBytes > 0 && length > segmentBytes) {
      return this.#pushCut(bytes, offset, length, to, control, segmentBytes);
    }
    if (this.segmenting && this.count > 0 && this.#extend(bytes, offset, length, to, control)) {
      return true;
    }
    if (this.count === this.messages.count) return false;
    const at = this.#allocate(length);
    if (at < 0) return false;
    this.#copy(bytes, offset, length, at);
    this.#open(at, length, to, control);
    return true;
  }

  /** As {@link push}, with all the memory that the queue may have if it takes that. */
  pushGrown(
    bytes: Uint8Array,
    offset: number,
    length: number,
    to: EncodedAddress | null,
    control: SendControl | null,
    segmentBytes: number,
  ): boolean {
    if (this.push(bytes, offset, length, to, control, segmentBytes)) return true;
    return this.#grow() && this.push(bytes, offset, length, to, control, segmentBytes);
  }

  #copy(bytes: Uint8Array, offset: number, length: number, at: number): void {
    const isWhole = offset === 0 && length === bytes.length;
    this.messages.bytes.set(isWhole ? bytes : bytes.subarray(offset, offset + length), at);
    this.#end = at + length;
    this.bytes += length;
  }

  /** A message of one datagram, whose bytes are in place. */
  #open(at: number, length: number, to: EncodedAddress | null, control: SendControl | null): void {
    const { messages } = this;
    const slot = this.#slot(this.count);
    messages.setBuffer(slot, at, length);
    if (this.#names[slot] !== to) {
      this.#names[slot] = to;
      if (to !== null) messages.bytes.set(to.sockaddr, messages.nameAt(slot));
      messages.setNameLength(slot, to === null ? 0 : to.sockaddr.length);
    }
    // Behind those of a message that was cut is the segment size.
    if (this.#controls[slot] !== control || this.#segmentBytes[slot] !== 0) {
      this.#controls[slot] = control;
      if (control !== null) messages.bytes.set(control.bytes, messages.controlAt(slot));
      messages.setControlLength(slot, control === null ? 0 : control.bytes.length);
    }
    this.#segmentBytes[slot] = 0;
    this.#isOpen[slot] = length > 0 ? 1 : 0;
    this.#datagrams[slot] = 1;
    this.count += 1;
    this.datagrams += 1;
  }

  #slot(index: number): number {
    const slot = this.first + index;
    return slot < this.messages.count ? slot : slot - this.messages.count;
  }

  /** Joins a datagram to the last message, if it fits. */
  #extend(
    bytes: Uint8Array,
    offset: number,
    length: number,
    to: EncodedAddress | null,
    control: SendControl | null,
  ): boolean {
    const slot = this.#slot(this.count - 1);
    if (this.#isOpen[slot] === 0 || this.#names[slot] !== to) return false;
    if (this.#controls[slot] !== control || length === 0) return false;
    const { messages } = this;
    const before = messages.bufferLength(slot);
    const datagrams = this.#datagrams[slot] ?? 0;
    const segment = datagrams === 1 ? before : (this.#segmentBytes[slot] ?? 0);
    if (length > segment || datagrams === SEGMENTS_MAX) return false;
    if (before + length > SEGMENTED_BYTES_MAX || this.#roomBehind() < length) return false;
    this.#copy(bytes, offset, length, this.#end);
    messages.setBuffer(slot, messages.bufferOffset(slot), before + length);
    if (datagrams === 1) this.#cut(slot, segment);
    this.#datagrams[slot] = datagrams + 1;
    if (length < segment) this.#isOpen[slot] = 0;
    this.datagrams += 1;
    return true;
  }

  /** Makes the message of a slot one that is cut into datagrams of `segmentBytes`. */
  #cut(slot: number, segmentBytes: number): void {
    const { messages } = this;
    const own = this.#controls[slot]?.bytes.length ?? 0;
    this.#segments.write(messages, slot, own, segmentBytes);
    this.#segmentBytes[slot] = segmentBytes;
    this.runs += 1;
  }

  /** Queues messages that are cut, as many as it takes. */
  #pushCut(
    bytes: Uint8Array,
    offset: number,
    length: number,
    to: EncodedAddress | null,
    control: SendControl | null,
    segmentBytes: number,
  ): boolean {
    const most = messageBytes(segmentBytes);
    if (this.messages.count - this.count < Math.ceil(length / most)) return false;
    const at = this.#allocate(length);
    if (at < 0) return false;
    this.#copy(bytes, offset, length, at);
    for (let from = 0; from < length; from += most) {
      const part = Math.min(most, length - from);
      this.#open(at + from, part, to, control);
      const slot = this.#slot(this.count - 1);
      this.#isOpen[slot] = 0;
      const datagrams = Math.ceil(part / segmentBytes);
      if (datagrams === 1) continue;
      this.#cut(slot, segmentBytes);
      this.#datagrams[slot] = datagrams;
      this.datagrams += datagrams - 1;
    }
    return true;
  }

  // The ring of bytes.

  // V8 calls private accessors by way of its runtime: these are methods.

  #begin(): number {
    return this.messages.bufferAt(0);
  }

  /** The first byte in use. */
  #start(): number {
    return this.messages.bufferOffset(this.first);
  }

  /** The room right behind the last message. */
  #roomBehind(): number {
    const end = this.#end;
    const wraps = this.count > 0 && end < this.#start();
    return wraps ? this.#start() - end - 1 : this.messages.bytes.length - end;
  }

  /** The offset of `length` free bytes, -1 if there are none. */
  #allocate(length: number): number {
    const begin = this.#begin();
    if (this.count === 0) {
      this.first = 0;
      this.#end = begin;
    }
    if (this.#roomBehind() >= length) return this.#end;
    const start = this.#start();
    return this.#end >= start && start - begin > length ? begin : -1;
  }

  /** Takes all the memory that the queue may have. False if it has it. */
  #grow(): boolean {
    if (this.#isGrown) return false;
    this.#isGrown = true;
    const old = this.messages;
    const messages = vectorOf(this.#sys, DATAGRAM_QUEUE_MAX, this.#bytesMax + RING_SLACK_BYTES);
    const [segmentBytes, isOpen, datagrams] = [this.#segmentBytes, this.#isOpen, this.#datagrams];
    this.messages = messages;
    this.#segmentBytes = new Int32Array(messages.count);
    this.#isOpen = new Uint8Array(messages.count);
    this.#datagrams = new Int32Array(messages.count);
    const names = this.#names;
    this.#names = [];
    this.#controls = [];
    let end = messages.bufferAt(0);
    for (let index = 0; index < this.count; index++) {
      const slot = (this.first + index) % old.count;
      copyMessage(old, slot, messages, index, end);
      end += old.bufferLength(slot);
      this.#names[index] = names[slot];
      this.#segmentBytes[index] = segmentBytes[slot] ?? 0;
      this.#datagrams[index] = datagrams[slot] ?? 0;
      isOpen[slot] = 0;
    }
    this.first = 0;
    this.#end = end;
    return true;
  }

  // The front.

  /** How many messages from the first on lie side by side, and can be sent in one call. */
  get sideBySide(): number {
    return Math.min(this.count, this.messages.count - this.first);
  }

  /** Whether the first message is to be cut. */
  get cutsFirst(): boolean {
    return (this.#segmentBytes[this.first] ?? 0) > 0;
  }

  /** The number of datagrams in the first message. */
  get firstDatagrams(): number {
    return this.#datagrams[this.first] ?? 0;
  }

  /** Removes the first message. */
  shift(): void {
    const slot = this.first;
    this.bytes -= this.messages.bufferLength(slot);
    this.datagrams -= this.#datagrams[slot] ?? 0;
    if ((this.#segmentBytes[slot] ?? 0) > 0) this.runs -= 1;
    this.count -= 1;
    this.first = slot + 1 < this.messages.count ? slot + 1 : 0;
    if (checking) this.#check();
  }

  /** Between calls: the sums are those of the messages, and within the limits. */
  #check(): void {
    if (this.count >= CHECKED_MAX) return;
    const { messages } = this;
    const sums = { bytes: 0, datagrams: 0, runs: 0 };
    for (let index = 0; index < this.count; index++) {
      const slot = this.#slot(index);
      sums.bytes += messages.bufferLength(slot);
      sums.datagrams += this.#datagrams[slot] ?? 0;
      if ((this.#segmentBytes[slot] ?? 0) > 0) sums.runs += 1;
    }
    invariant(sums.bytes === this.bytes, 'a queue of datagrams lost count of its bytes');
    invariant(sums.datagrams === this.datagrams, 'a queue lost count of its datagrams');
    invariant(sums.runs === this.runs, 'a queue lost count of what is to be cut');
    const isBounded = this.count <= messages.count && this.bytes <= this.#bytesMax;
    invariant(isBounded, 'a queue of datagrams is longer than its limit');
  }

  /** Removes all messages. */
  clear(): void {
    this.first = 0;
    this.count = 0;
    this.bytes = 0;
    this.datagrams = 0;
    this.runs = 0;
  }

  /**
   * Makes the first datagram of the first message, which was to be cut, a message of its own: the
   * kernel does not cut. Nothing is copied; {@link uncut} gives the rest.
   */
  cutOff(): void {
    const { messages, first } = this;
    const segment = this.#segmentBytes[first] ?? 0;
    messages.setControlLength(first, messages.controlLength(first) - this.#segments.spaceBytes);
    this.#rest = messages.bufferLength(first) - segment;
    messages.setBuffer(first, messages.bufferOffset(first), segment);
  }

  /** The bytes behind the datagram that was cut off. */
  #rest = 0;

  /** The datagram that was cut off is done: the first message is the rest of it, if any. */
  uncut(): void {
    const { messages, first } = this;
    const segment = this.#segmentBytes[first] ?? 0;
    const rest = this.#rest;
    if (rest <= 0) {
      this.shift();
      return;
    }
    messages.setBuffer(first, messages.bufferOffset(first) + segment, rest);
    this.bytes -= segment;
    this.datagrams -= 1;
    this.#datagrams[first] = (this.#datagrams[first] ?? 0) - 1;
    if (rest <= segment) {
      this.#segmentBytes[first] = 0;
      this.runs -= 1;
    } else {
      // As it was, for the next.
      messages.setControlLength(first, messages.controlLength(first) + this.#segments.spaceBytes);
    }
  }

  /** The datagram that was cut off could not be sent now: the message is whole again. */
  rejoin(): void {
    const { messages, first } = this;
    const segment = this.#segmentBytes[first] ?? 0;
    messages.setBuffer(first, messages.bufferOffset(first), segment + this.#rest);
    messages.setControlLength(first, messages.controlLength(first) + this.#segments.spaceBytes);
  }
}

/** A ring of bytes is never quite full, and a datagram is not split at its end. */
const RING_SLACK_BYTES = 65536;

function vectorOf(sys: Sys, count: number, bytes: number): MessageVector {
  return new MessageVector(sys, {
    count,
    nameBytes: SOCKADDR_BYTES_MAX,
    controlBytes: CONTROL_BYTES,
    bufferBytes: Math.ceil(bytes / count),
  });
}

/** Copies a message to a slot of another vector, its bytes to `at`. */
function copyMessage(
  from: MessageVector,
  slot: number,
  to: MessageVector,
  place: number,
  at: number,
): void {
  const parts = [
    [from.bufferOffset(slot), from.bufferLength(slot), at],
    [from.nameAt(slot), from.nameLength(slot), to.nameAt(place)],
    [from.controlAt(slot), from.controlLength(slot), to.controlAt(place)],
  ] as const;
  for (const [start, length, into] of parts) {
    to.bytes.set(from.bytes.subarray(start, start + length), into);
  }
  to.setBuffer(place, at, from.bufferLength(slot));
  to.setNameLength(place, from.nameLength(slot));
  to.setControlLength(place, from.controlLength(slot));
}
