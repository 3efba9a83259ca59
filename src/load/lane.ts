import type { Connection } from '../tcp/connection.ts';
import type { ErrorKind } from './document.ts';
import type { InFlightTimes } from './in-flight.ts';
import { PAUSE_MS, PAUSE_MS_MAX, WAITING_MAX } from './limits.ts';
import type { MessagePool } from './message-pool.ts';
import type { Recorder } from './recorder.ts';

/** What the lanes of a thread share. */
export interface LaneHost {
  readonly pool: MessagePool;
  readonly recorder: Recorder;
  /** Room for the times of every lane. */
  readonly times: InFlightTimes;
  /** Whether messages are due by a schedule. */
  readonly isOpen: boolean;
  /** Messages that may be in flight on a connection. */
  readonly inFlightMax: number;
  /** Messages of one connection; Infinity keeps it. */
  readonly messagesPerConnection: number;
  /** Whether the server closes after the last of them. */
  readonly serverCloses: boolean;
  /** Whether messages flow already. */
  readonly flowing: boolean;
  /** Messages that are due or under way on all lanes. */
  owed: number;
  /** Connections that are open, and those of them that were lost. */
  open: number;
  /** The time, for a reply that has just come. */
  stamp(): number;
  /** Connects the lane, now or when it is its turn; `pauseMs` later, if not 0. */
  connect(lane: Lane, pauseMs: number): void;
}

/**
 * A place for one connection at a time: when it breaks, or has carried its share of messages, the
 * next one takes its place. Sends messages and checks what comes back, byte for byte.
 */
export class Lane {
  /** Its number in the whole run, and among the idle ones if it is one. */
  readonly number: number;
  readonly isIdle: boolean;
  readonly #host: LaneHost;
  readonly #messages: ReturnType<InFlightTimes['next']>;
  #connection: Connection<Lane> | null = null;
  // The places in the stream of what is sent and received next.
  #sendAt = 0;
  #receiveAt = 0;
  /** Bytes that were sent and have not come back. */
  #owedBytes = 0;
  /** Bytes of the present reply that are here. */
  #partial = 0;
  /** Messages that this connection may still carry. */
  #left = 0;
  #pauseMs = 0;
  /** When the wait for the server's end began, in a mode where it closes. */
  #endAwaitedMs = 0;

  constructor(host: LaneHost, number: number, isIdle: boolean) {
    this.#host = host;
    this.number = number;
    this.isIdle = isIdle;
    this.#messages = host.times.next();
  }

  /** Whether there is anything to send or to wait for. */
  get busy(): boolean {
    return this.#messages.awaited + this.#messages.waiting > 0;
  }

  /** A connection stands. */
  opened(connection: Connection<Lane>): void {
    const { pool, recorder, messagesPerConnection } = this.#host;
    connection.data = this;
    this.#connection = connection;
    this.#host.open += 1;
    recorder.connections += 1;
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
    if (this.#connection === null || this.isIdle || !this.#host.flowing) return;
    const nowMs = this.#host.stamp();
    if (this.#host.isOpen) this.#flush(nowMs);
    else this.#begin(this.#host.inFlightMax, nowMs);
  }

  /** The schedule has come to a message of this lane. */
  due(dueMs: number): void {
    this.#host.owed += 1;
    this.#messages.put(dueMs);
    const nowMs = this.#host.stamp();
    if (this.#messages.waiting > WAITING_MAX) this.#dropOldest(nowMs);
    this.#flush(nowMs);
  }

  /** Nobody could say any more when it was due: it has waited for a million others. */
  #dropOldest(nowMs: number): void {
    if (this.#messages.awaited > 0) this.#lose('timeout', this.#messages.awaited, nowMs);
    this.#messages.take();
    this.#host.owed -= 1;
    this.#host.recorder.failed('timeout', 1, nowMs);
  }

  /** Closed loop: the next messages. */
  #begin(count: number, nowMs: number): void {
    if (nowMs >= this.#host.recorder.endMs) return;
    for (let left = Math.min(count, this.#left); left > 0; left -= 1) {
      this.#host.owed += 1;
      this.#messages.put(nowMs);
    }
    this.#flush(nowMs);
  }

  /** Sends what waits, as far as this connection may carry it. */
  #flush(nowMs: number): void {
    const connection = this.#connection;
    const messages = this.#messages;
    const { pool, recorder, inFlightMax } = this.#host;
    if (connection === null) return;
    let count = Math.min(messages.waiting, inFlightMax - messages.awaited, this.#left);
    while (count > 0) {
      const pieces = count === 1 ? 1 : Math.min(count, pool.piecesAt(this.#sendAt));
      for (let piece = 0; piece < pieces; piece += 1) {
        recorder.sent(messages.nextDueMs, nowMs);
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
    const { pool, recorder, isOpen } = this.#host;
    const { length } = chunk;
    const nowMs = this.#host.stamp();
    if (length > this.#owedBytes || !pool.matches(chunk, this.#receiveAt)) {
      this.#lose('mismatch', Math.max(1, this.#messages.awaited), nowMs);
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
    this.#host.owed -= count;
    this.#pauseMs = 0;
    if (isOpen) this.#flush(nowMs);
    else this.#begin(count, nowMs);
    if (this.#left === 0 && messages.awaited === 0) this.#carriedAll(nowMs);
  }

  /** This connection has carried what it may. */
  #carriedAll(nowMs: number): void {
    if (this.#host.serverCloses) this.#endAwaitedMs = nowMs;
    else this.#connection?.end();
  }

  /** The server has ended its side. */
  ended(connection: Connection<Lane>): void {
    if (connection !== this.#connection) return;
    const { awaited } = this.#messages;
    if (awaited > 0) this.#lose('shortReply', awaited, this.#host.stamp());
    else connection.end();
  }

  /** The connection is closed, `broken` or because both sides have ended. */
  closed(connection: Connection<Lane>, broken: boolean): void {
    if (connection !== this.#connection) return;
    const { awaited } = this.#messages;
    if (broken || awaited > 0) {
      this.#lose(broken ? 'reset' : 'shortReply', awaited, this.#host.stamp());
      return;
    }
    const expected = this.#left === 0 && !this.isIdle;
    this.#leave();
    this.#host.connect(this, expected ? 0 : this.#nextPauseMs());
  }

  /** There is no connection: it is tried again after a pause. */
  refused(): void {
    this.#host.connect(this, this.#nextPauseMs());
  }

  /** Looks for messages without a reply for longer than `timeoutMs`. */
  sweep(nowMs: number, timeoutMs: number): void {
    const messages = this.#messages;
    if (messages.awaited > 0) {
      if (nowMs - messages.sentMs < timeoutMs) return;
      this.#lose('timeout', messages.awaited, nowMs);
    } else if (this.#endAwaitedMs > 0 && nowMs - this.#endAwaitedMs >= timeoutMs) {
      this.#lose('timeout', 1, nowMs);
    }
    let late = 0;
    while (messages.waiting > 0 && nowMs - messages.dueMs >= timeoutMs) {
      messages.take();
      late += 1;
    }
    if (late === 0) return;
    this.#host.owed -= late;
    this.#host.recorder.failed('timeout', late, nowMs);
  }

  /** The connection is of no use any more: its `count` messages are lost. */
  #lose(kind: ErrorKind, count: number, nowMs: number): void {
    const connection = this.#connection;
    if (connection === null) return;
    const { awaited } = this.#messages;
    for (let left = awaited; left > 0; left -= 1) this.#messages.take();
    this.#host.owed -= awaited;
    if (count > 0) this.#host.recorder.failed(kind, count, nowMs);
    this.#leave();
    connection.reset();
    this.#host.connect(this, this.#nextPauseMs());
  }

  #leave(): void {
    this.#connection = null;
    this.#endAwaitedMs = 0;
    this.#host.open -= 1;
  }

  #nextPauseMs(): number {
    this.#pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS, 2 * this.#pauseMs));
    return this.#pauseMs;
  }
}
