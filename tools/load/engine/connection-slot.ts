import type { Connection, SysError } from 'sockloop';
import type { ErrorKind, LossKind } from '../document.ts';
import { PAUSE_MS, PAUSE_MS_MAX, WAITING_MAX } from '../limits.ts';
import type { Recorder } from '../record/recorder.ts';
import type { MessagePool } from '../traffic/message-pool.ts';
import type { InFlightTimes } from './in-flight.ts';
import { judgeReplies } from './wrong-reply.ts';

/** What the slots of a thread share. */
export interface SlotOwner {
  readonly pool: MessagePool;
  readonly recorder: Recorder;
  /** Room for the times of every slot. */
  readonly times: InFlightTimes;
  /** Whether messages are due by a schedule. */
  readonly isOpen: boolean;
  /** Most messages in flight on a connection. */
  readonly inFlightMax: number;
  /** Messages after which a connection is replaced; Infinity keeps it. */
  readonly messagesPerConnection: number;
  /** Whether the server closes after the last of them. */
  readonly serverCloses: boolean;
  /** True once messages may flow. */
  readonly flowing: boolean;
  /** Messages that are due or under way on all slots. */
  owed: number;
  /** Connections that are open, and those of them that were lost. */
  open: number;
  /** Returns the current time, for an event that was just reported. */
  stamp(): number;
  /** Connects the slot after `pauseMs`, as soon as a connect is free. */
  connect(slot: ConnectionSlot, pauseMs: number): void;
}

/**
 * A connection slot: holds one connection at a time, and replaces it when it breaks or has carried
 * its share of messages. Sends messages and compares the replies byte for byte.
 */
export class ConnectionSlot {
  /** Number of the slot in the whole run; idle slots are counted on their own. */
  readonly number: number;
  readonly isIdle: boolean;
  readonly #owner: SlotOwner;
  readonly #messages: ReturnType<InFlightTimes['next']>;
  #connection: Connection<ConnectionSlot> | null = null;
  // Positions of the next bytes to send and to receive in the stream.
  #sendAt = 0;
  #receiveAt = 0;
  /** Bytes sent and not yet received back. */
  #owedBytes = 0;
  /** Bytes received of the current reply. */
  #partial = 0;
  /** Messages that this connection may still carry. */
  #left = 0;
  #pauseMs = 0;
  /** True if the last connection was lost: the next one counts as its replacement. */
  #lost = false;
  /** When the wait for the end of the connection began; 0 otherwise. */
  #endAwaitedMs = 0;

  constructor(owner: SlotOwner, number: number, isIdle: boolean) {
    this.#owner = owner;
    this.number = number;
    this.isIdle = isIdle;
    this.#messages = owner.times.next();
  }

  /** Whether there is anything to send or to wait for. */
  get busy(): boolean {
    return this.#messages.awaited + this.#messages.waiting > 0;
  }

  /** True if all replies were received and the server is to end the connection. */
  get awaitsEnd(): boolean {
    return this.#endAwaitedMs > 0;
  }

  /** A connection was established. */
  opened(connection: Connection<ConnectionSlot>): void {
    const { pool, recorder, messagesPerConnection } = this.#owner;
    connection.data = this;
    this.#connection = connection;
    this.#owner.open += 1;
    recorder.connections += 1;
    if (this.#lost) recorder.replaced(this.#owner.stamp());
    this.#lost = false;
    if (this.isIdle) return;
    this.#sendAt = pool.startOf(this.number);
    this.#receiveAt = this.#sendAt;
    this.#owedBytes = 0;
    this.#partial = 0;
    this.#left = messagesPerConnection;
    this.flow();
  }

  /** Messages may flow from now on. */
  flow(): void {
    if (this.#connection === null || this.isIdle || !this.#owner.flowing) return;
    const nowMs = this.#owner.stamp();
    if (this.#owner.isOpen) this.#flush(nowMs, true);
    else this.#begin(this.#owner.inFlightMax, nowMs);
  }

  /** The schedule has come to a message of this slot. */
  due(dueMs: number): void {
    const owner = this.#owner;
    const { recorder } = owner;
    const nowMs = owner.stamp();
    if (owner.owed === 0) recorder.silence.expecting(nowMs);
    owner.owed += 1;
    recorder.begun(dueMs, nowMs);
    const waited = this.#messages.waiting > 0;
    this.#messages.put(dueMs);
    if (this.#messages.waiting > WAITING_MAX) this.#dropOldest(nowMs);
    this.#flush(nowMs, waited);
  }

  /** Drops the oldest message, to bound the queue. */
  #dropOldest(nowMs: number): void {
    if (this.#messages.awaited > 0) {
      this.#failAwaited('lost', nowMs);
      this.#drop('timeout', nowMs);
    }
    this.#fail('timeout', nowMs);
  }

  /** Closed loop: begins the next messages. */
  #begin(count: number, nowMs: number): void {
    if (nowMs >= this.#owner.recorder.endMs) return;
    for (let left = Math.min(count, this.#left); left > 0; left -= 1) {
      this.#owner.owed += 1;
      this.#messages.put(nowMs);
    }
    this.#flush(nowMs, false);
  }

  /**
   * Sends queued messages as far as the connection may carry them; `waited` if they were queued.
   */
  #flush(nowMs: number, waited: boolean): void {
    const connection = this.#connection;
    const messages = this.#messages;
    const { pool, recorder, inFlightMax } = this.#owner;
    if (connection === null) return;
    let count = Math.min(messages.waiting, inFlightMax - messages.awaited, this.#left);
    while (count > 0) {
      const pieces = count === 1 ? 1 : Math.min(count, pool.piecesAt(this.#sendAt));
      for (let piece = 0; piece < pieces; piece += 1) {
        recorder.sent(messages.nextDueMs, nowMs, waited);
        messages.send(nowMs);
      }
      const at = this.#sendAt;
      const length = pieces * pool.messageBytes;
      this.#sendAt = pool.after(at, length);
      this.#owedBytes += length;
      this.#left -= pieces;
      count -= pieces;
      pool.write(connection, at, pieces);
    }
  }

  /** Bytes came. */
  received(chunk: Uint8Array): void {
    const { pool, recorder, isOpen } = this.#owner;
    const { length } = chunk;
    const nowMs = this.#owner.stamp();
    if (length > this.#owedBytes || !pool.matches(chunk, this.#receiveAt)) {
      this.#receivedOther(chunk, nowMs);
      return;
    }
    this.#receiveAt = pool.after(this.#receiveAt, length);
    this.#owedBytes -= length;
    this.#partial += length;
    const size = pool.messageBytes;
    if (this.#partial < size) return;
    const messages = this.#messages;
    let count = 0;
    while (this.#partial >= size) {
      this.#partial -= size;
      recorder.replied(messages.dueMs, messages.sentMs, nowMs);
      messages.take();
      count += 1;
    }
    this.#owner.owed -= count;
    this.#pauseMs = 0;
    if (isOpen) this.#flush(nowMs, true);
    else this.#begin(count, nowMs);
    if (this.#left === 0 && messages.awaited === 0) this.#carriedAll(nowMs);
  }

  /** Handles bytes that differ from those sent: finds the messages at fault; the rest are lost. */
  #receivedOther(chunk: Uint8Array, nowMs: number): void {
    const { pool, recorder } = this.#owner;
    const messages = this.#messages;
    const { awaited } = messages;
    const judged = judgeReplies(pool, chunk, {
      at: this.#receiveAt,
      partial: this.#partial,
      awaited,
    });
    for (const judgement of judged) {
      if (judgement === 'answered') {
        recorder.replied(messages.dueMs, messages.sentMs, nowMs);
        messages.take();
        this.#owner.owed -= 1;
      } else if (awaited > 0) this.#fail('mismatch', nowMs);
      else recorder.failed('mismatch', nowMs, nowMs);
    }
    this.#failAwaited('lost', nowMs);
    this.#drop('mismatch', nowMs);
  }

  /** The connection has carried its share of messages. */
  #carriedAll(nowMs: number): void {
    this.#endAwaitedMs = nowMs;
    if (!this.#owner.serverCloses) this.#connection?.end();
  }

  /** The server has ended its side. */
  ended(connection: Connection<ConnectionSlot>): void {
    if (connection !== this.#connection) return;
    if (this.#messages.awaited > 0) {
      const nowMs = this.#owner.stamp();
      this.#failAwaited('shortReply', nowMs);
      this.#drop('closed', nowMs);
    } else connection.end();
  }

  /** The connection is closed, by an error or because both sides have ended. */
  closed(connection: Connection<ConnectionSlot>, error: SysError | null): void {
    if (connection !== this.#connection) return;
    // EPIPE: the peer ended in order before it reset the connection.
    const broken = error !== null && error.code !== 'EPIPE';
    const expected = error === null && this.#left === 0 && !this.isIdle;
    if (expected && this.#messages.awaited === 0) {
      this.#leave();
      this.#owner.connect(this, 0);
      return;
    }
    const nowMs = this.#owner.stamp();
    this.#failAwaited(broken ? 'reset' : 'shortReply', nowMs);
    this.#drop(broken ? 'reset' : 'closed', nowMs);
  }

  /** A connect failed: retries after a pause. */
  refused(kind: ErrorKind, nowMs: number): void {
    this.#owner.recorder.failed(kind, nowMs, nowMs);
    if (kind === 'reset') {
      // It was established, and lost before connect(2) returned.
      this.#owner.recorder.lost('reset', nowMs);
      this.#lost = true;
    }
    this.#owner.connect(this, this.#nextPauseMs());
  }

  /** Looks for messages without a reply for longer than `timeoutMs`. */
  sweep(nowMs: number, timeoutMs: number): void {
    const messages = this.#messages;
    if (messages.awaited > 0) {
      if (nowMs - messages.sentMs < timeoutMs) return;
      while (messages.awaited > 0 && nowMs - messages.sentMs >= timeoutMs) {
        this.#fail('timeout', nowMs);
      }
      this.#failAwaited('lost', nowMs);
      this.#drop('timeout', nowMs);
    } else if (this.#endAwaitedMs > 0 && nowMs - this.#endAwaitedMs >= timeoutMs) {
      this.#owner.recorder.failed('notClosed', this.#endAwaitedMs, nowMs);
      this.#drop('timeout', nowMs);
    }
    while (messages.waiting > 0 && nowMs - messages.dueMs >= timeoutMs)
      this.#fail('timeout', nowMs);
  }

  /** Counts all outstanding messages as timed out. */
  giveUp(nowMs: number): void {
    const messages = this.#messages;
    while (messages.awaited + messages.waiting > 0) this.#fail('timeout', nowMs);
  }

  /** The oldest message has failed. */
  #fail(kind: ErrorKind, nowMs: number): void {
    this.#owner.recorder.failed(kind, this.#messages.dueMs, nowMs);
    this.#messages.take();
    this.#owner.owed -= 1;
  }

  #failAwaited(kind: ErrorKind, nowMs: number): void {
    while (this.#messages.awaited > 0) this.#fail(kind, nowMs);
  }

  /** Resets the connection, whose messages have all failed, and replaces it. */
  #drop(kind: LossKind, nowMs: number): void {
    const connection = this.#connection;
    if (connection === null) return;
    this.#owner.recorder.lost(kind, nowMs);
    this.#lost = true;
    this.#leave();
    connection.reset();
    this.#owner.connect(this, this.#nextPauseMs());
  }

  #leave(): void {
    this.#connection = null;
    this.#endAwaitedMs = 0;
    this.#owner.open -= 1;
  }

  #nextPauseMs(): number {
    this.#pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS, 2 * this.#pauseMs));
    return this.#pauseMs;
  }
}
