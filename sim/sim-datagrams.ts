import { deliverParts } from '#src/base/borrowed.js';
import type {
  DatagramCounters,
  DatagramHandle,
  DatagramSettings,
  DatagramSink,
  EncodedAddress,
  SendControl,
} from '#src/loop/datagram/contract.js';
import { ReceivedDatagrams } from '#src/loop/datagram/received.js';
import { decodeControl, encodeControl } from '#src/sys/control-messages.js';
import { errnoName } from '#src/sys/errno.js';
import { SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import type { MessageHeader } from '#src/sys/sys.js';
import { closePassed } from './datagram-control.ts';
import { type Completion, SimHandle, type SimHandleOwner } from './sim-handles.ts';

/** The most datagrams of one delivery, and of one round of sends. */
const AT_ONCE_MAX = 4;
/** The most datagrams that wait, however short they are. */
const QUEUED_MAX = 1024;
const CONTROL_BYTES = 256;
/** What the kernel cuts at once: UDP_SEGMENT. */
const SEGMENTS_MAX = 64;
const SEGMENTED_BYTES_MAX = 65_000;
const UNSEGMENTED = ['EINVAL', 'EIO', 'EMSGSIZE'];

/** A datagram that waits to be sent. */
interface Waiting {
  readonly bytes: Uint8Array;
  readonly to: EncodedAddress | null;
  readonly control: Uint8Array | null;
  /** How many datagrams the kernel makes of it, how long they are, and their own control. */
  readonly datagrams: number;
  readonly size: number;
  readonly own: Uint8Array | null;
}

/** A socket of datagrams on the simulated backend: its sends are made in any later round. */
export class SimDatagrams extends SimHandle implements DatagramHandle {
  readonly counters: DatagramCounters = {
    received: 0,
    receivedBytes: 0,
    truncated: 0,
    controlTruncated: 0,
    descriptorsClosed: 0,
    droppedByKernel: 0,
    sent: 0,
    sentBytes: 0,
    refused: 0,
    sendErrors: {},
    peerErrors: {},
  };
  queuedBytes = 0;
  queuedDatagrams = 0;
  readonly #sink: DatagramSink;
  readonly #settings: DatagramSettings;
  readonly #queue: Waiting[] = [];
  readonly #strideBytes: number;
  #arrived: ReceivedDatagrams | null = null;
  /** Datagrams that arrived while it was being paused. */
  #held: Completion | null = null;
  /** Whether the kernel cuts messages: not again once it has refused to. */
  #segmenting: boolean;
  #ended = false;
  #broken = false;
  #owesDrain = false;
  /** The error that the first of the queue has met: of an earlier one, unless it comes again. */
  #met = '';

  constructor(owner: SimHandleOwner, fd: number, sink: DatagramSink, settings: DatagramSettings) {
    super(owner, fd);
    this.#sink = sink;
    this.#settings = settings;
    this.#segmenting = settings.gso && owner.sys.abi.constants.UDP_SEGMENT !== undefined;
    this.#strideBytes = Math.ceil(settings.bytesMax / 8) * 8 + SOCKADDR_BYTES_MAX + CONTROL_BYTES;
  }

  send(
    bytes: Uint8Array,
    offset: number,
    length: number,
    to: EncodedAddress | null,
    control: SendControl | null,
    segmentBytes: number,
  ): boolean {
    if (this.gone || this.#broken) return false;
    const size = segmentBytes === 0 ? Math.max(1, length) : segmentBytes;
    const datagrams = Math.max(1, Math.ceil(length / size));
    if (!this.#hasRoomFor(length, datagrams)) this.#sendSome(QUEUED_MAX);
    if (this.#broken) return false;
    if (!this.#hasRoomFor(length, datagrams)) {
      this.counters.refused += 1;
      this.#owesDrain = true;
      return false;
    }
    const joined = this.#joinedOf(size);
    const step = joined * size;
    const own = control?.bytes ?? null;
    for (let at = 0; at === 0 || at < length; at += step) {
      const piece = bytes.slice(offset + at, offset + Math.min(at + step, length));
      const count = Math.max(1, Math.ceil(piece.length / size));
      const parts = count > 1 ? this.#segmented(own, size) : own;
      this.#queue.push({ bytes: piece, to, control: parts, datagrams: count, size, own });
    }
    this.queuedBytes += length;
    this.queuedDatagrams += datagrams;
    return true;
  }

  #hasRoomFor(length: number, datagrams: number): boolean {
    if (this.queuedDatagrams + datagrams > QUEUED_MAX) return false;
    return this.queuedBytes + length <= this.#settings.queuedBytesMax;
  }

  /** How many datagrams of `size` the kernel is given at once. */
  #joinedOf(size: number): number {
    if (!this.#segmenting) return 1;
    return Math.max(1, Math.min(SEGMENTS_MAX, Math.floor(SEGMENTED_BYTES_MAX / size)));
  }

  #segmented(control: Uint8Array | null, segmentSize: number): Uint8Array {
    const segment = encodeControl(this.owner.sys.abi, [{ kind: 'UDP_SEGMENT', segmentSize }]);
    return Buffer.concat([control ?? new Uint8Array(0), segment]);
  }

  /** Sends the datagrams of a message one by one: the kernel does not cut it. */
  #takeApart({ bytes, to, size, own }: Waiting): void {
    const pieces: Waiting[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size);
      pieces.push({ bytes: piece, to, control: own, datagrams: 1, size, own });
    }
    this.#queue.splice(0, 1, ...pieces);
    this.#segmenting = false;
  }

  retry(): void {
    // A later round sends what waits.
  }

  flush(): void {
    if (this.gone || this.#broken || this.inFlight.has('send')) return;
    this.#sendSome(QUEUED_MAX);
  }

  operate(): void {
    if (this.#broken) return;
    if (!this.inFlight.has('send')) this.#sendSome(1 + this.owner.random.below(AT_ONCE_MAX));
    if (!this.inFlight.has('receive')) this.#receive();
    if (this.#settings.errorQueue && !this.inFlight.has('watch')) this.#lookAtErrors();
  }

  #sendSome(most: number): void {
    for (let sent = 0; sent < most && this.#queue.length > 0; sent += 1) {
      if (!this.#sendFirst()) return;
    }
    if (this.inFlight.has('send')) return;
    if (this.#queue.length === 0 && this.#owesDrain) this.over('send', 0);
  }

  /** Returns whether to go on. */
  #sendFirst(): boolean {
    const [first] = this.#queue;
    if (first === undefined) return false;
    const { sys } = this.owner;
    const { bytes, to, control } = first;
    const result = sys.sendmsg(
      this.fd,
      {
        name: to?.sockaddr ?? null,
        nameLength: to?.sockaddr.length ?? 0,
        buffer: bytes,
        offset: 0,
        length: bytes.length,
        control,
        controlLength: control?.length ?? 0,
        flags: 0,
      },
      sys.abi.constants.MSG_NOSIGNAL ?? 0,
    );
    if (result < 0) return this.#sendFailed(-result);
    this.counters.sent += first.datagrams;
    this.counters.sentBytes += bytes.length;
    this.#shift(first);
    return true;
  }

  /** The first is sent, or dropped because of the error `name`. */
  #shift({ bytes, datagrams }: Waiting, name = ''): void {
    const met = this.#met;
    this.#met = '';
    if (met !== name && met !== '' && !this.#settings.errorQueue) {
      count(this.counters.peerErrors, met);
    }
    this.#queue.shift();
    this.queuedBytes -= bytes.length;
    this.queuedDatagrams -= datagrams;
  }

  #sendFailed(errno: number): boolean {
    const name = errnoName(this.owner.sys.abi, errno);
    if (['EAGAIN', 'EINTR', 'ENOBUFS', 'ENOMEM'].includes(name)) return false;
    if (this.#isFinal(name)) {
      this.#fail(errno);
      return false;
    }
    if (this.#met === '' && ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'].includes(name)) {
      this.#met = name;
      return true;
    }
    const [first] = this.#queue;
    if (first !== undefined && first.datagrams > 1 && UNSEGMENTED.includes(name)) {
      this.#takeApart(first);
      return true;
    }
    count(this.counters.sendErrors, name, first?.datagrams);
    if (first !== undefined) this.#shift(first, name);
    return true;
  }

  #fail(errno: number): void {
    if (!this.#broken) this.over('send', -errno);
    this.#broken = true;
  }

  #isFinal(name: string): boolean {
    if (name === 'EBADF' || name === 'ENOTSOCK') return true;
    return this.#settings.sequenced && ['EPIPE', 'ECONNRESET', 'ENOTCONN'].includes(name);
  }

  #receive(): void {
    if (this.paused || this.#ended) return;
    const held = this.#held;
    if (held !== null) {
      this.#held = null;
      this.complete(held);
      return;
    }
    this.#arrived ??= this.#room();
    const arrived = this.#arrived;
    const most = 1 + this.owner.random.below(AT_ONCE_MAX);
    arrived.length = 0;
    let result = 0;
    while (arrived.length < most && result >= 0) result = this.#receiveInto(arrived);
    if (arrived.length > 0) this.over('receive', arrived.length);
    else this.#receivedNothing(-result);
  }

  #room(): ReceivedDatagrams {
    const memory = new Uint8Array(AT_ONCE_MAX * this.#strideBytes);
    const room = new ReceivedDatagrams(memory, AT_ONCE_MAX);
    for (let index = 0; index < AT_ONCE_MAX; index += 1) {
      room.namesAt[index] = index * this.#strideBytes;
      room.controlsAt[index] = index * this.#strideBytes + SOCKADDR_BYTES_MAX;
      room.bytesAt[index] = index * this.#strideBytes + SOCKADDR_BYTES_MAX + CONTROL_BYTES;
    }
    return room;
  }

  #receiveInto(arrived: ReceivedDatagrams): number {
    const { length: index, memory } = arrived;
    const { sys } = this.owner;
    const nameAt = arrived.namesAt[index] ?? 0;
    const controlAt = arrived.controlsAt[index] ?? 0;
    const message: MessageHeader = {
      name: memory.subarray(nameAt, nameAt + SOCKADDR_BYTES_MAX),
      nameLength: SOCKADDR_BYTES_MAX,
      buffer: memory,
      offset: arrived.bytesAt[index] ?? 0,
      length: this.#settings.bytesMax,
      control: memory.subarray(controlAt, controlAt + CONTROL_BYTES),
      controlLength: CONTROL_BYTES,
      flags: 0,
    };
    const result = sys.recvmsg(this.fd, message, sys.abi.constants.MSG_DONTWAIT);
    if (result < 0) return result;
    arrived.byteLengths[index] = result;
    arrived.nameLengths[index] = Math.min(message.nameLength, SOCKADDR_BYTES_MAX);
    arrived.controlLengths[index] = message.controlLength;
    arrived.flags[index] = message.flags;
    const { controlLength } = message;
    this.counters.descriptorsClosed += closePassed(sys, memory, controlAt, controlLength);
    arrived.length += 1;
    // An empty record ends a connection: what is behind it comes again and again.
    return this.#settings.sequenced && result === 0 ? -sys.abi.errno.EAGAIN : result;
  }

  #receivedNothing(errno: number): void {
    const name = errnoName(this.owner.sys.abi, errno);
    if (name === 'EAGAIN' || name === 'EINTR') return;
    if (this.#isFinal(name)) {
      this.#fail(errno);
    } else if (!this.#settings.errorQueue) {
      count(this.counters.peerErrors, name);
    }
  }

  #lookAtErrors(): void {
    const { sys } = this.owner;
    const { POLLERR } = sys.abi.constants;
    const pollfd = new Uint8Array(sys.abi.structs.pollfd.size);
    const view = new DataView(pollfd.buffer);
    view.setInt32(sys.abi.structs.pollfd.fields.fd.offset, this.fd, true);
    if (sys.poll(pollfd, 1, 0) <= 0) return;
    const found = view.getInt16(sys.abi.structs.pollfd.fields.revents.offset, true);
    if ((found & POLLERR) !== 0) this.over('watch', found);
  }

  completed(completion: Completion): void {
    const { operation, result } = completion;
    if (operation === 'watch') {
      this.#reportError();
    } else if (operation === 'send') {
      this.#sendOver(result);
    } else if (this.paused) {
      this.#held = completion;
    } else if (this.#arrived !== null) {
      this.#deliver(this.#arrived);
    }
  }

  #sendOver(result: number): void {
    if (result < 0) {
      this.owner.remove(this);
      this.#sink.failed(-result);
    } else if (this.#owesDrain && this.#queue.length === 0) {
      this.#owesDrain = false;
      this.#sink.drained();
    }
  }

  #deliver(arrived: ReceivedDatagrams): void {
    const ends = this.#settings.sequenced && arrived.byteLengths[arrived.length - 1] === 0;
    if (ends) arrived.length -= 1;
    for (let index = 0; index < arrived.length; index += 1) this.#count(arrived, index);
    if (arrived.length > 0) deliverParts(this.#sink, arrived, arrived.memory);
    arrived.length = 0;
    if (!ends || this.gone) return;
    this.#ended = true;
    this.#sink.ended();
  }

  #count(arrived: ReceivedDatagrams, index: number): void {
    const { abi } = this.owner.sys;
    const { counters } = this;
    const { MSG_TRUNC, MSG_CTRUNC } = abi.constants;
    const bytes = arrived.byteLengths[index] ?? 0;
    const flags = arrived.flags[index] ?? 0;
    const at = arrived.controlsAt[index] ?? 0;
    const control = arrived.memory.subarray(at, at + CONTROL_BYTES);
    let segment = 0;
    for (const one of decodeControl(abi, control, arrived.controlLengths[index] ?? 0)) {
      if (one.kind === 'UDP_GRO') segment = one.segmentSize;
      if (one.kind === 'SO_RXQ_OVFL') counters.droppedByKernel = one.dropped;
    }
    arrived.segmentBytes[index] = segment;
    counters.received += segment > 0 ? Math.ceil(bytes / segment) : 1;
    counters.receivedBytes += bytes;
    if ((flags & MSG_TRUNC) !== 0) counters.truncated += 1;
    if ((flags & MSG_CTRUNC) !== 0) counters.controlTruncated += 1;
  }

  #reportError(): void {
    const { sys } = this.owner;
    const { MSG_ERRQUEUE = 0, MSG_DONTWAIT } = sys.abi.constants;
    const message: MessageHeader = {
      name: new Uint8Array(SOCKADDR_BYTES_MAX),
      nameLength: SOCKADDR_BYTES_MAX,
      buffer: new Uint8Array(1),
      offset: 0,
      length: 1,
      control: new Uint8Array(CONTROL_BYTES),
      controlLength: CONTROL_BYTES,
      flags: 0,
    };
    const result = sys.recvmsg(this.fd, message, MSG_ERRQUEUE | MSG_DONTWAIT);
    const { name, control } = message;
    if (result < 0 || name === null || control === null) return;
    for (const error of decodeControl(sys.abi, control, message.controlLength)) {
      if (error.kind !== 'IP_RECVERR' && error.kind !== 'IPV6_RECVERR') continue;
      count(this.counters.peerErrors, errnoName(sys.abi, error.errno));
      this.#sink.unreachable({ to: name.slice(0, message.nameLength), error });
    }
  }

  /** What was sent goes out as far as the kernel takes it. */
  override close(): void {
    if (!this.gone && !this.#broken) this.#sendSome(QUEUED_MAX);
    super.close();
  }

  closed(): void {
    this.#sink.closed();
  }
}

function count(counts: Record<string, number>, code: string, datagrams = 1): void {
  counts[code] = (counts[code] ?? 0) + datagrams;
}
