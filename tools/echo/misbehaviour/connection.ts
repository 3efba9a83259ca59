import type {
  CloseOptions,
  Connection,
  ConnectionHandlers,
  ConnectionInfo,
  EventLoop,
  GettableOptionName,
  OptionValue,
  ProxyHeader,
  SettableOptionName,
  SocketAddress,
  Timer,
  ToDuplexOptions,
} from 'sockloop';
import { type Bytes, bytesOf, NEWLINE, rangeLength } from '#src/base/bytes.js';
import type { TokenBucket } from '#src/base/token-bucket.js';
import { LINGER_MS, WAITING_BYTES_MAX } from '../limits.ts';
import type { EchoMode } from '../session.ts';
import { bandwidthBucket } from './bandwidth.ts';
import type { ConnectionFate } from './fate.ts';
import type { MisbehaviourPlan, MisbehaviourTotals } from './plan.ts';
import { AnswerBatch, WaitingAnswers } from './waiting-answers.ts';

/** What the connections of a server that misbehaves share. */
export interface MisbehavingGroup<Data> {
  readonly loop: EventLoop;
  readonly plan: MisbehaviourPlan;
  readonly mode: EchoMode;
  readonly totals: MisbehaviourTotals;
  /** The handlers of the server. */
  readonly handlers: ConnectionHandlers<Data>;
}

/** Writing it tells whether the queue is empty. */
const NOTHING = new Uint8Array(0);

/** What follows the answers that wait. */
type Exit = 'end' | 'hangUp' | { readonly lingerMs: number };

/**
 * A connection of an echo server, for the server a connection as any other: what it writes are
 * answers, which are dropped, corrupted and delayed here.
 *
 * Answers that wait count as queued. Beyond a bound `write` returns false, so that the client is
 * not read from.
 */
export class MisbehavingConnection<Data> implements Connection<Data> {
  readonly #group: MisbehavingGroup<Data>;
  readonly #raw: Connection<Data>;
  readonly #fate: ConnectionFate;
  readonly #bucket: TokenBucket | null;
  readonly #waiting = new WaitingAnswers();
  /** Set while answers wait for their time or for bandwidth. */
  #timer: Timer | null = null;
  /** True while the kernel does not take what is due. */
  #isFull = false;
  #drainOwed = false;
  /** True if the first answer has waited for bandwidth. */
  #isThrottled = false;
  #exit: Exit | null = null;
  /** True in the mode `once` if the only line was dropped: it counts as one that never came. */
  #isUnanswered = false;

  constructor(group: MisbehavingGroup<Data>, raw: Connection<Data>, fate: ConnectionFate) {
    const { bandwidthBytesPerSecond: rate, burstBytes } = group.plan;
    this.#group = group;
    this.#raw = raw;
    this.#fate = fate;
    this.#bucket =
      rate === null ? null : bandwidthBucket(rate, burstBytes, group.loop.sys.monotonicMs());
  }

  get data(): Data {
    return this.#raw.data;
  }

  set data(data: Data) {
    this.#raw.data = data;
  }

  get fd(): number {
    return this.#raw.fd;
  }

  get remoteAddress(): SocketAddress | null {
    return this.#raw.remoteAddress;
  }

  get localAddress(): SocketAddress | null {
    return this.#raw.localAddress;
  }

  get bytesReceived(): number {
    return this.#raw.bytesReceived;
  }

  get bytesSent(): number {
    return this.#raw.bytesSent;
  }

  get queuedBytes(): number {
    return this.#waiting.bytes + this.#raw.queuedBytes;
  }

  get unacknowledgedBytes(): number | null {
    return this.#raw.unacknowledgedBytes;
  }

  get isOpen(): boolean {
    return this.#raw.isOpen && !this.#isLeaving;
  }

  /** True once nothing more is answered. */
  get #isLeaving(): boolean {
    return this.#exit !== null && this.#exit !== 'end';
  }

  // What the server does.

  write(data: Bytes, offset = 0, byteLength?: number): boolean {
    const bytes = bytesOf(data);
    const length = rangeLength(bytes, offset, byteLength, 'write');
    if (length === 0 || !this.isOpen) return this.#hasRoom;
    const wasEmpty = this.#waiting.bytes === 0;
    this.#waiting.push(this.#answersTo(bytes, offset, offset + length));
    if (this.#fate.isOver) this.#exit = 'hangUp';
    // Else a timer or the drained queue sends what waits.
    if (wasEmpty) this.#send();
    if (this.#hasRoom) return true;
    this.#drainOwed = true;
    return false;
  }

  end(data?: Bytes): void {
    if (data !== undefined) this.write(data);
    if (this.#exit !== null) return;
    this.#exit = 'end';
    this.#leaveIfDone();
  }

  pause(): void {
    this.#raw.pause();
  }

  resume(): void {
    this.#raw.resume();
  }

  reset(): void {
    this.forget();
    this.#raw.reset();
  }

  close(options?: CloseOptions): void {
    const lingerMs = options?.lingerMs ?? 0;
    if (lingerMs === 0) {
      this.forget();
      this.#raw.close();
    } else if (this.#isUnanswered) {
      this.#isUnanswered = false;
    } else if (!this.#isLeaving) {
      this.#exit = { lingerMs };
      this.#leaveIfDone();
    }
  }

  setTimeout(idleMs: number | null): void {
    this.#raw.setTimeout(idleMs);
  }

  toDuplex(options?: ToDuplexOptions): ReturnType<Connection['toDuplex']> {
    return this.#raw.toDuplex(options);
  }

  get proxy(): ProxyHeader | null {
    return this.#raw.proxy;
  }

  info(): ConnectionInfo | null {
    return this.#raw.info();
  }

  getSockOpt<Name extends GettableOptionName>(name: Name): OptionValue<Name> {
    return this.#raw.getSockOpt(name);
  }

  setSockOpt<Name extends SettableOptionName>(name: Name, value: OptionValue<Name>): void {
    this.#raw.setSockOpt(name, value);
  }

  // What happens to the connection.

  /** Closes the connection that has just been accepted. */
  refuse(): void {
    this.#group.totals.refused += 1;
    if (this.#group.plan.closeHow === 'reset') this.reset();
    else this.close({ lingerMs: LINGER_MS });
  }

  received(chunk: Uint8Array): void {
    if (this.#isLeaving) return;
    this.#isUnanswered = false;
    this.#group.handlers.data?.(this, chunk);
  }

  ended(): void {
    if (!this.#isLeaving) this.#group.handlers.end?.(this);
  }

  /** The kernel has taken what was written. */
  drained(): void {
    this.#isFull = false;
    this.#proceed();
  }

  /** Drops what waits: the connection is closed, or about to be. */
  forget(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#waiting.clear();
    this.#exit = { lingerMs: 0 };
  }

  // Answers.

  get #hasRoom(): boolean {
    // The only answer of `once` is what its server waits for before it closes.
    const bytesMax = this.#group.mode === 'once' ? 0 : WAITING_BYTES_MAX;
    return !this.#isFull && this.#waiting.memoryBytes <= bytesMax;
  }

  /** Judges the messages in a range of `bytes`. */
  #answersTo(bytes: Uint8Array, from: number, to: number): AnswerBatch {
    const { loop, mode } = this.#group;
    const fate = this.#fate;
    const nowMs = loop.sys.monotonicMs();
    const batch = new AnswerBatch(to - from);
    for (let at = from; at < to && !fate.isOver; ) {
      const newline = mode === 'echo' ? -1 : bytes.indexOf(NEWLINE, at);
      const end = newline < 0 || newline >= to ? to : newline + 1;
      const answered = fate.take(end - at);
      if (answered > 0) {
        const start = batch.length;
        batch.append(bytes.subarray(at, at + answered), fate.dueMs(nowMs));
        fate.corrupt(batch.bytes, start, batch.length);
      } else if (mode === 'once') {
        this.#isUnanswered = true;
      }
      at = end;
    }
    return batch;
  }

  /** Sends what is due and has bandwidth, then does what follows. */
  #send(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const waiting = this.#waiting;
    const nowMs = this.#group.loop.sys.monotonicMs();
    while (waiting.bytes > 0 && !this.#isFull) {
      const due = waiting.dueBytes(nowMs);
      if (due === 0) {
        this.#wakeIn(waiting.dueMs - nowMs);
        return;
      }
      const granted = this.#bucket?.take(nowMs, due) ?? due;
      if (granted === 0) {
        this.#isThrottled = true;
        this.#wakeIn(this.#bucket?.waitMs(due) ?? 0);
        return;
      }
      if (this.#isThrottled) this.#group.totals.throttledBytes += granted;
      this.#isThrottled = false;
      this.#isFull = !waiting.writeTo(this.#raw, granted);
    }
    this.#leaveIfDone();
  }

  #wakeIn(delayMs: number): void {
    this.#timer = this.#group.loop.setTimer(delayMs, () => this.#proceed());
  }

  /** Goes on after a wait, and tells the server that it may. */
  #proceed(): void {
    if (!this.#raw.isOpen) return;
    this.#send();
    if (!this.#drainOwed || !this.#hasRoom || this.#isLeaving) return;
    this.#drainOwed = false;
    this.#group.handlers.drain?.(this);
  }

  // The end.

  /** Leaves behind the last answer. */
  #leaveIfDone(): void {
    const exit = this.#exit;
    if (exit === null || this.#waiting.bytes > 0 || !this.#raw.isOpen) return;
    if (exit === 'end') this.#raw.end();
    else if (exit === 'hangUp') this.#hangUp();
    else this.#raw.close(exit);
  }

  #hangUp(): void {
    const { plan, totals } = this.#group;
    if (plan.closeHow === 'fin') {
      totals.closed += 1;
      this.#raw.close({ lingerMs: LINGER_MS });
    } else if (this.#raw.write(NOTHING)) {
      totals.closed += 1;
      this.#raw.reset();
    } else {
      // A reset would drop what the kernel has not taken: it follows the drained queue.
      this.#isFull = true;
    }
  }
}
