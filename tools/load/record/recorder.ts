import { ERROR_KINDS, type ErrorKind, LOSS_KINDS, type LossKind } from '../document.ts';
import { INTERVAL_MS, LATE_MS_MAX } from '../limits.ts';
import { LatencyCounts } from './latency-counts.ts';
import { SilenceWatch } from './silence-watch.ts';
import type { ErrorCounts, IntervalCounts, TroubleCounts } from './thread-messages.ts';

/**
 * Counters of one thread: what counts, when, and in which second. Times on the thread's clock. What
 * belongs to a message counts in the phase in which that was due, whenever it comes or fails.
 */
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
  readonly trouble = noTrouble();
  readonly warmup = noTrouble();
  readonly connect = new LatencyCounts();
  readonly lag = new LatencyCounts();
  readonly connectionWait = new LatencyCounts();
  readonly silence = new SilenceWatch();
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

  /** Sets the measured time. */
  setWindow(startMs: number, endMs: number): void {
    this.startMs = startMs;
    this.endMs = endMs;
    this.#intervalEndMs = startMs + INTERVAL_MS;
    this.silence.begin(startMs);
  }

  /** Ends the measured time now; if it has not begun, nothing counts. */
  endNow(nowMs: number): void {
    this.startMs = Math.min(this.startMs, nowMs);
    this.endMs = Math.min(this.endMs, nowMs);
  }

  /** A message of the schedule is due. */
  scheduled(dueMs: number): void {
    if (this.#counts(dueMs)) this.due += 1;
  }

  /** The thread handles a message of the schedule. */
  begun(dueMs: number, nowMs: number): void {
    if (this.#counts(dueMs)) this.lag.record(nowMs - dueMs);
  }

  /** A message was sent which was due at `dueMs`; it may have `waited` for its connection. */
  sent(dueMs: number, sentMs: number, waited: boolean): void {
    if (!this.#counts(dueMs)) return;
    this.sentBytes += this.#messageBytes;
    if (!this.#isOpen) this.due += 1;
    else if (waited) this.connectionWait.record(sentMs - dueMs);
  }

  /** A reply is complete. */
  replied(dueMs: number, sentMs: number, nowMs: number): void {
    if (nowMs >= this.startMs && nowMs < this.endMs) this.repliesInTime += 1;
    this.silence.broken(nowMs);
    if (!this.#counts(dueMs)) return;
    if (nowMs >= this.#intervalEndMs) this.rotate(nowMs);
    this.messages += 1;
    this.receivedBytes += this.#messageBytes;
    this.#response.record(nowMs - dueMs);
    if (this.#isOpen) this.#service.record(nowMs - sentMs);
  }

  /** A message that was due at `dueMs` went wrong, or a connect that failed then. */
  failed(kind: ErrorKind, dueMs: number, nowMs: number): void {
    this.silence.failed();
    if (dueMs >= this.endMs) return;
    if (dueMs < this.startMs) {
      this.warmup.errors[kind] += 1;
      return;
    }
    if (nowMs >= this.#intervalEndMs) this.rotate(nowMs);
    this.trouble.errors[kind] += 1;
    this.errorCount += 1;
    this.#intervalErrors += 1;
  }

  /** A connection was lost before it had carried its share of messages. */
  lost(kind: LossKind, nowMs: number): void {
    if (nowMs >= this.endMs) return;
    (nowMs < this.startMs ? this.warmup : this.trouble).lost[kind] += 1;
  }

  /** A connection replaces a lost one. */
  replaced(nowMs: number): void {
    if (nowMs >= this.endMs) return;
    (nowMs < this.startMs ? this.warmup : this.trouble).replaced += 1;
  }

  /** A connect that began at `beganMs` is over; with `all` it counts whenever that was. */
  connected(beganMs: number, nowMs: number, all: boolean): void {
    if (all || this.#counts(beganMs)) this.connect.record(nowMs - beganMs);
  }

  #counts(dueMs: number): boolean {
    return dueMs >= this.startMs && dueMs < this.endMs;
  }

  /** Reports the seconds that are over at `nowMs`. */
  rotate(nowMs: number): void {
    while (nowMs >= this.#intervalEndMs) {
      // Late replies belong to the last second, which may be shorter.
      const last = this.#intervalEndMs >= this.endMs;
      if (last && nowMs < this.endMs + LATE_MS_MAX) return;
      this.flush();
      this.#intervalEndMs += INTERVAL_MS;
    }
  }

  /** Reports the current second. */
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

function noTrouble(): TroubleCounts {
  return {
    errors: Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0])) as ErrorCounts,
    lost: Object.fromEntries(LOSS_KINDS.map((kind) => [kind, 0])) as TroubleCounts['lost'],
    replaced: 0,
  };
}
