import type { Sys } from '#src/sys/sys.js';
import { ERROR_KINDS, type ErrorKind, LOSS_KINDS } from '#tools/load/document.js';
import type { Recorder } from '#tools/load/record/recorder.js';
import type { IntervalCounts, ThreadResult } from '#tools/load/record/thread-messages.js';
import type { Oracle } from './oracle.ts';

const INTERVAL_MS = 1000;
/** Replies up to so long behind the end belong to the last second. */
const LATE_MS = 100;
const NEAR_MS = 1e-6;

/** The counts of one second. */
interface Second {
  messages: number;
  errors: number;
}

type Kinds = Record<ErrorKind, number>;

const none = (): Kinds => Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0])) as Kinds;

/**
 * A second book of a run: it hears what the recorder is told, keeps every message by the time at
 * which it was due, and counts by rules of its own.
 */
export class LoadLedger {
  /** In the whole run, whether they count or not. */
  sent = 0;
  replied = 0;
  lost = 0;
  /** Failed connects, messages that failed, and all else. */
  connectsFailed = 0;
  readonly failed = none();
  /** True while the client hears of a failed connect. */
  connectFails = false;
  startMs = Number.POSITIVE_INFINITY;
  endMs = Number.POSITIVE_INFINITY;
  /** The beginning that was planned: the run may be stopped before. */
  plannedMs = 0;
  due = 0;
  #counted = 0;
  #inTime = 0;
  #sentInTime = 0;
  #messageFailures = 0;
  readonly #errors = none();
  readonly #warmup = none();
  readonly #lostCounts = { measured: 0, warmup: 0 };
  readonly #replaced = { measured: 0, warmup: 0 };
  readonly #response = { sumNs: 0, minNs: Number.POSITIVE_INFINITY, maxNs: 0 };
  readonly #service = { sumNs: 0, minNs: Number.POSITIVE_INFINITY, maxNs: 0 };
  readonly #seconds = new Map<number, Second>();
  readonly #told = new Map<number, IntervalCounts>();
  /** Messages that have not ended, by the time at which they were due. */
  readonly #outstanding = new Map<number, number>();
  outstanding = 0;
  /** Something came at the border of a second: it may be counted in either. */
  #border = false;
  readonly #isOpen: boolean;
  readonly #messageBytes: number;
  readonly #sys: Sys;
  readonly #oracle: Oracle;
  /** The message of the schedule that is due at a time. */
  readonly #takes: (dueMs: number) => boolean;

  constructor(
    recorder: Recorder,
    options: {
      readonly isOpen: boolean;
      readonly messageBytes: number;
      readonly sys: Sys;
      readonly oracle: Oracle;
      readonly takes: (dueMs: number) => boolean;
    },
  ) {
    this.#isOpen = options.isOpen;
    this.#messageBytes = options.messageBytes;
    this.#sys = options.sys;
    this.#oracle = options.oracle;
    this.#takes = options.takes;
    this.#hear(recorder);
  }

  /** Hears what the recorder is told, before it does. */
  #hear(recorder: Recorder): void {
    before(recorder, 'setWindow', (startMs, endMs) => {
      this.startMs = startMs;
      this.endMs = endMs;
      this.plannedMs = startMs;
    });
    before(recorder, 'endNow', (nowMs) => {
      this.startMs = Math.min(this.startMs, nowMs);
      this.endMs = Math.min(this.endMs, nowMs);
    });
    before(recorder, 'scheduled', (dueMs) => {
      if (this.#counts(dueMs)) this.due += 1;
    });
    before(recorder, 'begun', (dueMs, nowMs) => {
      this.#isNow(nowMs);
      this.#oracle.expect(dueMs <= nowMs + NEAR_MS, 'a message begins before it is due');
      this.#oracle.expect(this.#takes(dueMs), `no message is due at ${dueMs}`);
      this.#put(dueMs);
    });
    before(recorder, 'sent', (dueMs, sentMs) => this.#send(dueMs, sentMs));
    before(recorder, 'replied', (dueMs, sentMs, nowMs) => this.#reply(dueMs, sentMs, nowMs));
    before(recorder, 'failed', (kind, dueMs, nowMs) => this.#fail(kind, dueMs, nowMs));
    before(recorder, 'lost', (_kind, nowMs) => {
      this.lost += 1;
      if (nowMs >= this.endMs) return;
      this.#lostCounts[nowMs < this.startMs ? 'warmup' : 'measured'] += 1;
    });
    before(recorder, 'replaced', (nowMs) => {
      if (nowMs >= this.endMs) return;
      this.#replaced[nowMs < this.startMs ? 'warmup' : 'measured'] += 1;
    });
  }

  #counts(dueMs: number): boolean {
    return dueMs >= this.startMs && dueMs < this.endMs;
  }

  /** The time that is told has come, and is not long over: what is told in a turn may be older. */
  #isNow(nowMs: number): void {
    this.#oracle.expect(nowMs <= this.#sys.monotonicMs(), 'a time that is yet to come');
  }

  #put(dueMs: number): void {
    this.#outstanding.set(dueMs, (this.#outstanding.get(dueMs) ?? 0) + 1);
    this.outstanding += 1;
  }

  /** False if none is outstanding that was due then. */
  #take(dueMs: number): boolean {
    const count = this.#outstanding.get(dueMs) ?? 0;
    if (count === 0) return false;
    if (count === 1) this.#outstanding.delete(dueMs);
    else this.#outstanding.set(dueMs, count - 1);
    this.outstanding -= 1;
    return true;
  }

  #send(dueMs: number, sentMs: number): void {
    this.sent += 1;
    this.#isNow(sentMs);
    this.#oracle.expect(sentMs >= dueMs - NEAR_MS, 'a message is sent before it is due');
    if (!this.#isOpen) {
      this.#put(dueMs);
      if (this.#counts(dueMs)) this.due += 1;
    }
    if (this.#counts(dueMs)) this.#sentInTime += 1;
  }

  #reply(dueMs: number, sentMs: number, nowMs: number): void {
    this.replied += 1;
    this.#isNow(nowMs);
    this.#oracle.expect(this.#take(dueMs), `a reply to no message: due at ${dueMs}`);
    this.#oracle.expect(nowMs >= sentMs, 'a reply before its message');
    if (nowMs >= this.startMs && nowMs < this.endMs) this.#inTime += 1;
    if (!this.#counts(dueMs)) return;
    this.#counted += 1;
    this.#second(nowMs).messages += 1;
    note(this.#response, nowMs - dueMs);
    note(this.#service, nowMs - sentMs);
  }

  #fail(kind: ErrorKind, dueMs: number, nowMs: number): void {
    this.#isNow(nowMs);
    if (this.connectFails) {
      this.connectsFailed += 1;
      this.connectFails = false;
    } else if (kind !== 'notClosed') {
      const known = this.#take(dueMs);
      // Bytes that nobody has asked for fail on their own.
      const isExtra = kind === 'mismatch' && dueMs === nowMs;
      this.#oracle.expect(known || isExtra, `${kind} of no message: due at ${dueMs}`);
      if (known && this.#counts(dueMs)) this.#messageFailures += 1;
    }
    this.failed[kind] += 1;
    if (dueMs >= this.endMs) return;
    if (dueMs < this.startMs) this.#warmup[kind] += 1;
    else {
      this.#errors[kind] += 1;
      this.#second(nowMs).errors += 1;
    }
  }

  #second(nowMs: number): Second {
    const place = (nowMs - this.startMs) / INTERVAL_MS;
    if (Math.abs(place - Math.round(place)) * INTERVAL_MS < NEAR_MS) this.#border = true;
    const last = Math.max(0, Math.ceil((this.endMs - this.startMs) / INTERVAL_MS) - 1);
    const isLate = Math.floor(place) > last && nowMs < this.endMs + LATE_MS;
    const index = isLate ? last : Math.floor(place);
    const second = this.#seconds.get(index) ?? { messages: 0, errors: 0 };
    this.#seconds.set(index, second);
    return second;
  }

  /** The seconds that the client has reported. */
  get intervals(): IntervalCounts[] {
    return [...this.#told.values()];
  }

  /** The client reports a second. */
  told(counts: IntervalCounts): void {
    this.#oracle.expect(!this.#told.has(counts.index), `second ${counts.index} is told twice`);
    this.#told.set(counts.index, counts);
  }

  /** Compares the books at the end; `stopped` if the run was ended early. */
  judge(result: ThreadResult, stopped: boolean): void {
    const { trouble, warmup } = result;
    this.#same('messages', result.messages, this.#counted);
    this.#same('replies in time', result.repliesInTime, this.#inTime);
    this.#same('due', result.due, this.due);
    this.#same('bytes sent', result.sentBytes, this.#sentInTime * this.#messageBytes);
    this.#same('bytes received', result.receivedBytes, this.#counted * this.#messageBytes);
    for (const kind of ERROR_KINDS) {
      this.#same(kind, trouble.errors[kind], this.#errors[kind]);
      this.#same(`${kind} of the warm-up`, warmup.errors[kind], this.#warmup[kind]);
    }
    const lost = (counts: typeof trouble): number =>
      LOSS_KINDS.reduce((sum, kind) => sum + counts.lost[kind], 0);
    this.#same('lost', lost(trouble), this.#lostCounts.measured);
    this.#same('lost in the warm-up', lost(warmup), this.#lostCounts.warmup);
    this.#same('replaced', trouble.replaced, this.#replaced.measured);
    this.#same('replaced in the warm-up', warmup.replaced, this.#replaced.warmup);
    this.#judgeSums(result, stopped);
    this.#judgeSeconds();
    this.#judgeTimes();
  }

  #judgeSums({ due, messages }: ThreadResult, stopped: boolean): void {
    const left = due - messages - this.#messageFailures;
    if (stopped) this.#oracle.expect(left >= 0, `${-left} messages more than were due`);
    else this.#same('unanswered', left, 0);
    if (!stopped) this.#same('outstanding', this.outstanding, 0);
  }

  #judgeSeconds(): void {
    if (this.#border) return;
    const indices = new Set([...this.#seconds.keys(), ...this.#told.keys()]);
    for (const index of indices) {
      const { messages = 0, errors = 0 } = this.#told.get(index) ?? {};
      const own = this.#seconds.get(index) ?? { messages: 0, errors: 0 };
      this.#same(`messages of second ${index}`, messages, own.messages);
      this.#same(`errors of second ${index}`, errors, own.errors);
    }
  }

  #judgeTimes(): void {
    const told = this.intervals;
    this.#judgeTime('response', told, this.#response, ({ response }) => response);
    if (!this.#isOpen) return;
    this.#judgeTime('service', told, this.#service, ({ service }) => service);
  }

  #judgeTime(
    what: string,
    told: readonly IntervalCounts[],
    own: { readonly sumNs: number; readonly minNs: number; readonly maxNs: number },
    of: (counts: IntervalCounts) => IntervalCounts['service'],
  ): void {
    let [total, sumNs, minNs, maxNs] = [0, 0, Number.POSITIVE_INFINITY, 0];
    for (const one of told) {
      const times = of(one);
      if (times === null || times.total === 0) continue;
      total += times.total;
      minNs = Math.min(minNs, times.minNs);
      maxNs = Math.max(maxNs, times.maxNs);
      for (const [at, bucket] of times.buckets.entries()) {
        sumNs += middleNs(bucket) * (times.counts[at] ?? 0);
      }
    }
    this.#same(`${what} times`, total, this.#counted);
    if (total === 0) return;
    this.#same(`the shortest ${what}`, minNs, own.minNs);
    this.#same(`the longest ${what}`, maxNs, own.maxNs);
    // Three digits, and what is below a microsecond counts as whole nanoseconds.
    const offNs = Math.abs(sumNs - own.sumNs);
    this.#oracle.expect(
      offNs <= 1e-3 * own.sumNs + total,
      `the ${what} times are off by ${offNs} ns`,
    );
  }

  #same(what: string, is: number, own: number): void {
    this.#oracle.expect(is === own, `${what}: ${is}, and it was ${own}`);
  }
}

/** The middle of a bucket of HdrHistogram with three digits. */
function middleNs(bucket: number): number {
  if (bucket < 2048) return bucket + 0.5;
  const octave = Math.floor(bucket / 1024) - 1;
  return ((bucket % 1024) + 1024.5) * 2 ** octave;
}

function note(times: { sumNs: number; minNs: number; maxNs: number }, ms: number): void {
  const ns = Math.max(0, ms * 1e6);
  times.sumNs += ns;
  times.minNs = Math.min(times.minNs, ns);
  times.maxNs = Math.max(times.maxNs, ns);
}

type Method = {
  [Name in keyof Recorder]: Recorder[Name] extends (...given: never[]) => void ? Name : never;
}[keyof Recorder];

/** Calls `hear` in front of each call of a method of the recorder. */
function before<Name extends Method>(
  recorder: Recorder,
  name: Name,
  hear: (...given: Parameters<Recorder[Name]>) => void,
): void {
  const inner = recorder[name].bind(recorder) as (...given: Parameters<Recorder[Name]>) => void;
  Object.assign(recorder, {
    [name]: (...given: Parameters<Recorder[Name]>) => {
      hear(...given);
      inner(...given);
    },
  });
}
