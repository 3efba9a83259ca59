import { deliverParts } from '../../base/borrowed.ts';
import { errnoName } from '../../sys/errno.ts';
import { BaseHandle, type HandleOwner } from '../base-handle.ts';
import {
  DATAGRAM_CALLS_PER_TURN,
  DATAGRAM_FRUITLESS_MAX,
  DATAGRAM_REST_MS,
  DATAGRAMS_GATHERED_MAX,
  ERROR_REPORTS_PER_TURN,
} from '../limits.ts';
import {
  type DatagramHandle,
  type DatagramSettings,
  type DatagramSink,
  type EncodedAddress,
  newDatagramCounters,
  type SendControl,
} from './contract.ts';
import { nextErrorReport } from './error-queue.ts';
import { countError, errorsOf, isAmong, isFinal } from './errors.ts';
import type { ReceivedDatagrams } from './received.ts';
import { DatagramReceiver } from './receiver.ts';
import { SendQueue } from './send-queue.ts';
import type { SharedDatagrams } from './shared.ts';

/** What a socket of datagrams asks of its backend. */
export interface DatagramOwner extends HandleOwner {
  /** The flags of every send. */
  readonly sendFlags: number;
  readonly sharedDatagrams: SharedDatagrams;
}

/** A socket of datagrams: what all backends share. Receives and sends are made when it is ready. */
export abstract class BaseDatagrams<Owner extends DatagramOwner>
  extends BaseHandle<Owner>
  implements DatagramHandle
{
  readonly counters = newDatagramCounters();
  protected readonly sink: DatagramSink;
  readonly #settings: DatagramSettings;
  readonly #errors: ReturnType<typeof errorsOf>;
  readonly #receiver: DatagramReceiver;
  #queue: SendQueue | null = null;
  /** The errno that ended it, 0 while it lives. */
  protected errno = 0;
  /** The peer of a SOCK_SEQPACKET socket has ended the connection. */
  #ended = false;
  /** In the list of sockets with sends to make. */
  #gathering = false;
  /** The kernel takes no more: until it is writable, or has rested. */
  #blocked = false;
  #resting = false;
  /**
   * The error that the first message has met, and is tried again after: of an earlier one, if it
   * does not come again. 0 for none.
   */
  #metErrno = 0;
  /** How often the socket was said to have room since something was sent. */
  #wakes = 0;
  /** Receives in a row that brought nothing, though the socket was said to be readable. */
  #fruitless = 0;
  /** It was paused before: what came meanwhile is received without a wait that tells of it. */
  #resumed = false;
  /** A send was refused, and `drained` was not called since. */
  #owesDrain = false;

  constructor(owner: Owner, fd: number, sink: DatagramSink, settings: DatagramSettings) {
    super(owner, fd);
    this.sink = sink;
    this.#settings = settings;
    this.#receiver = new DatagramReceiver(owner.sharedDatagrams, settings, this.counters);
    this.#errors = errorsOf(owner.sys.abi);
  }

  get queuedBytes(): number {
    return this.#queue?.bytes ?? 0;
  }

  get queuedDatagrams(): number {
    return this.#queue?.datagrams ?? 0;
  }

  // Receiving.

  /** Whether datagrams are wanted. */
  protected get wantsDatagrams(): boolean {
    const rests = this.#fruitless >= DATAGRAM_FRUITLESS_MAX;
    return !this.paused && !this.#ended && this.errno === 0 && !rests;
  }

  /** Whether the descriptor is to be watched for room to send. */
  protected get wantsRoom(): boolean {
    return this.#blocked && !this.#resting && this.errno === 0;
  }

  override resume(): void {
    if (!this.paused || this.gone) return;
    super.resume();
    this.#resumed = true;
    this.owner.reportLater(this);
  }

  /** The socket is readable, or has an error. */
  protected receive(): void {
    this.#resumed = false;
    const receiver = this.#receiver;
    for (let calls = 0; calls < DATAGRAM_CALLS_PER_TURN; calls++) {
      if (!this.wantsDatagrams || this.gone) return;
      const result = receiver.receive(this.fd);
      if (result <= 0) {
        this.#receivedNothing(-result);
        break;
      }
      this.#fruitless = 0;
      this.#received(receiver.received);
      if (!receiver.mayHaveMore) break;
    }
    if (this.#settings.errorQueue) this.#reportErrors();
  }

  #received(received: ReceivedDatagrams): void {
    const { ends } = this.#receiver;
    if (received.length > 0) deliverParts(this.sink, received, received.memory);
    received.length = 0;
    if (!ends || this.gone) return;
    this.#ended = true;
    this.owner.markDirty(this);
    this.sink.ended();
  }

  #receivedNothing(errno: number): void {
    const { stats } = this.owner;
    const errors = this.#errors;
    this.#fruitless += 1;
    if (this.#fruitless === DATAGRAM_FRUITLESS_MAX) this.#rest();
    // A datagram with a wrong checksum makes a socket readable as well.
    if (errno === errors.EAGAIN) stats.eagain += 1;
    else if (errno === errors.EINTR) stats.eintr += 1;
    else if (isFinal(errors, errno, this.#settings.sequenced)) this.fail(errno);
    else if (!this.#settings.errorQueue) this.#countPeerError(errno);
  }

  /** An error that a datagram sent earlier has met, by SO_ERROR: law D6. */
  protected hadError(errno: number): void {
    if (!this.#settings.errorQueue) this.#countPeerError(errno);
  }

  #countPeerError(errno: number): void {
    countError(this.counters.peerErrors, errnoName(this.owner.sys.abi, errno), 1);
    this.sink.peerFailed?.(errno);
  }

  #reportErrors(): void {
    for (let reports = 0; reports < ERROR_REPORTS_PER_TURN && !this.gone; reports++) {
      const report = nextErrorReport(this.owner.sys, this.fd);
      if (report === null) return;
      this.#countPeerError(report.error.errno);
      this.sink.unreachable(report);
    }
  }

  // Sending.

  send(
    bytes: Uint8Array,
    offset: number,
    length: number,
    to: EncodedAddress | null,
    control: SendControl | null,
    segmentBytes: number,
  ): boolean {
    if (this.gone || this.errno !== 0) return false;
    this.#queue ??= this.#newQueue();
    const queue = this.#queue;
    const isQueued =
      queue.push(bytes, offset, length, to, control, segmentBytes) ||
      (this.#makeRoom(queue, length) &&
        queue.pushGrown(bytes, offset, length, to, control, segmentBytes));
    if (!isQueued) return this.#refuse();
    if (!this.#gathering && !this.#blocked) {
      this.#gathering = true;
      this.owner.sharedDatagrams.sends.add(this);
    } else if (queue.count >= DATAGRAMS_GATHERED_MAX && !this.#blocked) {
      this.#sendAll();
    }
    return true;
  }

  #newQueue(): SendQueue {
    const { queuedBytesMax, gso } = this.#settings;
    return new SendQueue(this.owner.sys, queuedBytesMax, gso);
  }

  /** Whether another attempt to queue `length` bytes makes sense. */
  #makeRoom(queue: SendQueue, length: number): boolean {
    if (!this.#blocked) this.#sendAll();
    return this.errno === 0 && queue.bytes + length <= this.#settings.queuedBytesMax;
  }

  #refuse(): boolean {
    if (this.errno !== 0) return false;
    this.counters.refused += 1;
    this.#owesDrain = true;
    return false;
  }

  /** Makes the sends gathered in this turn. */
  sendGathered(): void {
    this.#gathering = false;
    if (!this.gone && !this.#blocked) this.#sendAll();
  }

  flush(): void {
    if (!this.gone && !this.#blocked) this.#sendAll();
  }

  /** The socket has room again, or an error. */
  protected sendWaiting(): void {
    if (!this.#blocked || this.#resting) return;
    this.#blocked = false;
    this.#wakes += 1;
    this.owner.markDirty(this);
    this.#sendAll();
  }

  retry(): void {
    if (this.gone) return;
    if (this.#fruitless >= DATAGRAM_FRUITLESS_MAX) {
      this.#fruitless = 0;
      this.owner.markDirty(this);
    }
    if (!this.#resting) return;
    this.#resting = false;
    this.#blocked = false;
    this.#sendAll();
  }

  /** Has `retry` called: what no event tells of. */
  #rest(): void {
    this.owner.markDirty(this);
    this.sink.resting(DATAGRAM_REST_MS);
  }

  #sendAll(): void {
    const queue = this.#queue;
    if (queue === null || this.errno !== 0) return;
    while (queue.count > 0) {
      const result = this.#sendSome(queue);
      if (result < 0 && !this.#sendFailed(queue, -result)) return;
    }
    if (this.#owesDrain) this.owner.reportLater(this);
  }

  /** Sends what one call can send. Returns the number of messages, or `-errno` of the first. */
  #sendSome(queue: SendQueue): number {
    if (queue.runs > 0 && !queue.segmenting) return this.#sendCut(queue);
    const { sharedDatagrams, sendFlags } = this.owner;
    const { messages, first, sideBySide } = queue;
    const result = sharedDatagrams.calls.send(this.fd, messages, first, sideBySide, sendFlags);
    if (result === queue.count && this.sink.settled === undefined) this.#sentAll(queue);
    else for (let sent = 0; sent < result; sent++) this.#sent(queue);
    return result;
  }

  #sentAll(queue: SendQueue): void {
    this.#firstDone(0);
    this.counters.sent += queue.datagrams;
    this.counters.sentBytes += queue.bytes;
    queue.clear();
  }

  #sent(queue: SendQueue): void {
    const { firstDatagrams } = queue;
    this.#firstDone(0);
    this.counters.sent += firstDatagrams;
    this.counters.sentBytes += queue.messages.bufferLength(queue.first);
    queue.shift();
    this.sink.settled?.(firstDatagrams, 0);
  }

  /** As {@link #sendSome} where the kernel does not cut messages: one datagram. */
  #sendCut(queue: SendQueue): number {
    const { sharedDatagrams, sendFlags } = this.owner;
    const cuts = queue.cutsFirst;
    if (cuts) queue.cutOff();
    const { messages, first } = queue;
    const bytes = messages.bufferLength(first);
    const result = sharedDatagrams.calls.send(this.fd, messages, first, 1, sendFlags);
    if (!cuts) {
      if (result > 0) this.#sent(queue);
      return result;
    }
    if (result <= 0) {
      queue.rejoin();
      return result;
    }
    this.#firstDone(0);
    this.counters.sent += 1;
    this.counters.sentBytes += bytes;
    queue.uncut();
    this.sink.settled?.(1, 0);
    return result;
  }

  /** The first message was not sent. Returns whether to go on. */
  #sendFailed(queue: SendQueue, errno: number): boolean {
    const errors = this.#errors;
    if (errno === errors.EINTR) {
      this.owner.stats.eintr += 1;
      return this.#block(true);
    }
    if (errno === errors.EAGAIN) return this.#block(this.#settings.unixPeers);
    if (isAmong(errors.shortage, errno)) return this.#block(true);
    if (isFinal(errors, errno, this.#settings.sequenced)) {
      this.fail(errno);
      return false;
    }
    if (queue.segmenting && queue.cutsFirst && isAmong(errors.unsegmented, errno)) {
      // For good: a device, a route or a path that cannot do it once will not later.
      queue.segmenting = false;
      return true;
    }
    const hears = this.sink.settled !== undefined && queue.firstDatagrams === 1;
    if (this.#metErrno === 0 && !hears && isAmong(errors.pending, errno)) {
      // The call may have returned the error of an earlier datagram, and not sent this one.
      this.#metErrno = errno;
      return true;
    }
    this.#drop(queue, errno);
    return true;
  }

  /** The first message is sent, or has failed by `errno`: another that it met was of an earlier. */
  #firstDone(errno: number): void {
    this.#wakes = 0;
    const met = this.#metErrno;
    if (met === 0) return;
    this.#metErrno = 0;
    if (met !== errno) this.hadError(met);
  }

  /** EAGAIN or ENOBUFS: law D5. `rests` says that no event will tell when it is over. */
  #block(rests: boolean): boolean {
    this.owner.stats.eagain += 1;
    this.#blocked = true;
    // One that has room and takes nothing would be reported again and again.
    this.#resting = rests || this.#wakes >= DATAGRAM_FRUITLESS_MAX;
    if (this.#resting) this.#rest();
    else this.owner.markDirty(this);
    return false;
  }

  #drop(queue: SendQueue, errno: number): void {
    this.#firstDone(errno);
    const code = errnoName(this.owner.sys.abi, errno);
    const isCut = queue.runs > 0 && !queue.segmenting && queue.cutsFirst;
    const datagrams = isCut ? 1 : queue.firstDatagrams;
    countError(this.counters.sendErrors, code, datagrams);
    if (isCut) {
      queue.cutOff();
      queue.uncut();
    } else {
      queue.shift();
    }
    this.sink.settled?.(datagrams, errno);
  }

  // Its end.

  /** The socket is broken. It is reported in the next turn. */
  fail(errno: number): void {
    if (this.errno !== 0 || this.gone) return;
    this.errno = errno;
    this.owner.markDirty(this);
    this.owner.reportLater(this);
  }

  /** What was sent in this turn goes out; what waits for room is dropped. */
  override close(): void {
    if (!this.gone && !this.#blocked) this.#sendAll();
    super.close();
  }

  report(): void {
    if (this.#resumed) this.receive();
    if (this.gone) return;
    if (this.errno !== 0) {
      this.owner.remove(this);
      this.sink.failed(this.errno);
      return;
    }
    if (!this.#owesDrain || this.queuedDatagrams > 0) return;
    this.#owesDrain = false;
    this.sink.drained();
  }

  closed(): void {
    this.#queue = null;
    this.sink.closed();
  }
}
