import type { Socket } from 'sockloop/socket';
import type { Sys } from 'sockloop/sys';
import type { TokenBucket } from '#src/base/token-bucket.js';
import { PAUSE_MS_MAX } from '../limits.ts';
import { type EchoMode, EchoSession, type Progress } from '../session.ts';
import { bandwidthBucket } from './bandwidth.ts';
import { ConnectionFate } from './fate.ts';
import type { MisbehaviourPlan, MisbehaviourTotals } from './plan.ts';

/** Nobody notifies it: waiting for it is a pause. */
const pauses = new Int32Array(new SharedArrayBuffer(4));

/** One client of a blocking server that misbehaves. Its thread sleeps while an answer waits. */
export class MisbehavingSession extends EchoSession {
  readonly #sys: Sys;
  readonly #socket: Socket;
  readonly #plan: MisbehaviourPlan;
  readonly #mode: EchoMode;
  readonly #fate: ConnectionFate;
  readonly #totals: MisbehaviourTotals;
  readonly #bucket: TokenBucket | null;
  /** What had been received when `#receivedMs` was read. */
  #receivedThen = 0;
  #receivedMs = 0;
  #dueMs = 0;
  #hasSlept = false;
  #isThrottled = false;

  /** `connection` is its number, from 1 on. What happens is added to `totals`. */
  constructor(
    sys: Sys,
    socket: Socket,
    mode: EchoMode,
    lineBytesMax: number,
    { plan, connection, totals }: SessionMisbehaviour,
  ) {
    super(sys, socket, mode, lineBytesMax);
    const { bandwidthBytesPerSecond: rate, burstBytes } = plan;
    this.#sys = sys;
    this.#socket = socket;
    this.#mode = mode;
    this.#plan = plan;
    this.#totals = totals;
    this.#fate = new ConnectionFate(plan, connection, totals);
    this.last = this.#fate.isRefused;
    this.#bucket = rate === null ? null : bandwidthBucket(rate, burstBytes, sys.monotonicMs());
  }

  override run(stepsMax?: number): Progress {
    const progress = super.run(stepsMax);
    // The client is not the one that kept this thread waiting.
    if (progress === 'waited' && this.#hasSlept) {
      this.#hasSlept = false;
      return 'more';
    }
    return progress;
  }

  protected override answer(bytes: Uint8Array): void {
    if (bytes.length === 0) {
      super.answer(bytes);
      return;
    }
    if (this.received !== this.#receivedThen) {
      this.#receivedThen = this.received;
      this.#receivedMs = this.#sys.monotonicMs();
    }
    const fate = this.#fate;
    const answered = fate.take(bytes.length);
    if (answered > 0) {
      fate.corrupt(bytes, 0, answered);
      this.#dueMs = fate.dueMs(this.#receivedMs);
    } else if (this.#mode === 'once') {
      // A dropped line counts as one that never came.
      this.last = false;
    }
    super.answer(bytes.subarray(0, answered));
    if (fate.isOver) this.last = true;
  }

  protected override send(): Progress {
    const nowMs = this.#sys.monotonicMs();
    if (nowMs < this.#dueMs) return this.#sleep(this.#dueMs - nowMs);
    const bucket = this.#bucket;
    if (bucket === null) return super.send();
    const granted = bucket.take(nowMs, this.unsentBytes);
    if (granted === 0) {
      this.#isThrottled = true;
      return this.#sleep(bucket.waitMs(this.unsentBytes));
    }
    if (this.#isThrottled) this.#totals.throttledBytes += granted;
    this.#isThrottled = false;
    return super.send(granted);
  }

  protected override hangUp(): Progress {
    const { isRefused, isOver } = this.#fate;
    if (isRefused) this.#totals.refused += 1;
    else if (isOver) this.#totals.closed += 1;
    if (!(isRefused || isOver) || this.#plan.closeHow === 'fin') return super.hangUp();
    // The following close(2) is a reset.
    this.#socket.setSockOpt('SO_LINGER', 0);
    return 'ended';
  }

  /** Sleeps, but no longer than a signal or a stop may wait. */
  #sleep(delayMs: number): Progress {
    this.#hasSlept = true;
    Atomics.wait(pauses, 0, 0, Math.min(delayMs, PAUSE_MS_MAX));
    return 'waited';
  }
}

/** What a session misbehaves by. */
export interface SessionMisbehaviour {
  readonly plan: MisbehaviourPlan;
  readonly connection: number;
  readonly totals: MisbehaviourTotals;
}
