import { ERROR_KINDS, type ErrorKind } from './document.ts';
import { LatencyCounts } from './latency-counts.ts';
import { INTERVAL_MS, LATE_MS_MAX } from './limits.ts';
import type { ErrorCounts, IntervalCounts } from './thread-messages.ts';

/** Counters of one thread: what counts, when, and in which second. Times on the thread's clock. */
export class Recorder {
  /** The measured time: messages that begin (or are due) in it count. */
  startMs = Number.POSITIVE_INFINITY;
  endMs = Number.POSITIVE_INFINITY;
  messages = 0;
  due = 0;
  repliesInTime = 0;
  sentBytes = 0;
  receivedBytes = 0;
  connections = 0;
  errorCount = 0;
  readonly errors = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0])) as ErrorCounts;
  readonly connect = new LatencyCounts();
  readonly lag = new LatencyCounts();
  readonly #response = new LatencyCounts();
  readonly #service = new LatencyCounts();
  readonly #isOpen: boolean;
  readonly #messageBytes: number;
  readonly #report: (counts: IntervalCounts) => void;
  #index = 0;
  #intervalEndMs = Number.POSITIVE_INFINITY;
  #intervalErrors = 0;

  constructor(isOpen: boolean, messageBytes: number, report: (counts: IntervalCounts) => void) {
    this.#isOpen = isOpen;
    this.#messageBytes = messageBytes;
    this.#report = report;
  }

  /** The measured time is known. */
  setWindow(startMs: number, endMs: number): void {
    this.startMs = startMs;
    this.endMs = endMs;
    this.#intervalEndMs = startMs + INTERVAL_MS;
  }

  /** It ends now, before its time; where it has not begun, before anything counted. */
  endNow(nowMs: number): void {
    this.startMs = Math.min(this.startMs, nowMs);
    this.endMs = Math.min(this.endMs, nowMs);
  }

  /** The schedule has come to a message. */
  scheduled(dueMs: number): void {
    if (dueMs >= this.startMs && dueMs < this.endMs) this.due += 1;
  }

  /** A message was sent which was due at `dueMs`. */
  sent(dueMs: number, sentMs: number): void {
    if (dueMs < this.startMs || dueMs >= this.endMs) return;
    this.sentBytes += this.#messageBytes;
    if (this.#isOpen) this.lag.record(sentMs - dueMs);
    else this.due += 1;
  }

  /** A whole reply came. */
  replied(dueMs: number, sentMs: number, nowMs: number): void {
    if (nowMs >= this.startMs && nowMs < this.endMs) this.repliesInTime += 1;
    if (dueMs < this.startMs || dueMs >= this.endMs) return;
    if (nowMs >= this.#intervalEndMs) this.rotate(nowMs);
    this.messages += 1;
    this.receivedBytes += this.#messageBytes;
    this.#response.record(nowMs - dueMs);
    if (this.#isOpen) this.#service.record(nowMs - sentMs);
  }

  /** Something went wrong, `count` times. */
  failed(kind: ErrorKind, count: number, nowMs: number): void {
    if (nowMs < this.startMs) return;
    if (nowMs >= this.#intervalEndMs) this.rotate(nowMs);
    this.errors[kind] += count;
    this.errorCount += count;
    this.#intervalErrors += count;
  }

  /** Tells of the seconds that are over at `nowMs`. */
  rotate(nowMs: number): void {
    while (nowMs >= this.#intervalEndMs) {
      // What comes a little late belongs to the last second, which may be a part of one.
      const last = this.#intervalEndMs >= this.endMs;
      if (last && nowMs < this.endMs + LATE_MS_MAX) return;
      this.flush();
      this.#intervalEndMs += INTERVAL_MS;
    }
  }

  /** Tells of the present second. */
  flush(): void {
    const response = this.#response.take();
    const messages = response.total;
    const errors = this.#intervalErrors;
    const index = this.#index++;
    this.#intervalErrors = 0;
    if (messages === 0 && errors === 0) return;
    const service = this.#isOpen ? this.#service.take() : null;
    this.#report({ index, messages, errors, response, service });
  }
}
