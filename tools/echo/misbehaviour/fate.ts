import { Random } from '#src/base/random.js';
import type { MisbehaviourPlan, MisbehaviourTotals } from './plan.ts';

/**
 * What happens to one connection of a server that misbehaves; no I/O, no clock.
 *
 * Each choice has random numbers of its own, drawn from the seed and the number of the connection:
 * one flag does not shift the choices of another one, and no connection those of the others.
 */
export class ConnectionFate {
  /** True for a connection that is closed as soon as it is accepted. */
  readonly isRefused: boolean;
  readonly #plan: MisbehaviourPlan;
  readonly #totals: MisbehaviourTotals;
  readonly #drops: Random;
  readonly #delays: Random;
  readonly #flips: Random;
  /** Events per byte of the process whose gaps between corrupted bytes are drawn. */
  readonly #flipRate: number;
  /** Bytes before the next corrupted one. */
  #cleanBytes: number;
  #messagesLeft: number;
  #bytesLeft: number;
  /** When the last answer is due: the next one is not due before. */
  #dueMs = 0;

  /** `connection` is its number, from 1 on. What happens is added to `totals`. */
  constructor(plan: MisbehaviourPlan, connection: number, totals: MisbehaviourTotals) {
    const { seed, refuseShare, corruptShare } = plan;
    this.#plan = plan;
    this.#totals = totals;
    this.#drops = new Random(seed, `drop ${connection}`);
    this.#delays = new Random(seed, `delay ${connection}`);
    this.#flips = new Random(seed, `corrupt ${connection}`);
    this.isRefused = new Random(seed, `refuse ${connection}`).chance(refuseShare);
    this.#flipRate = -Math.log1p(-corruptShare);
    this.#cleanBytes = corruptShare === 0 ? Number.POSITIVE_INFINITY : this.#nextGap();
    this.#messagesLeft = plan.closeAfterMessages ?? Number.POSITIVE_INFINITY;
    this.#bytesLeft = plan.closeAfterBytes ?? Number.POSITIVE_INFINITY;
  }

  /** True once the connection is to be closed behind the answers so far. */
  get isOver(): boolean {
    return this.#messagesLeft === 0 || this.#bytesLeft === 0;
  }

  /** Counts a message of `length` bytes. Returns how many of them are answered: 0 if dropped. */
  take(length: number): number {
    this.#totals.messages += 1;
    this.#messagesLeft -= 1;
    if (this.#drops.chance(this.#plan.dropShare)) {
      this.#totals.dropped += 1;
      this.#totals.droppedBytes += length;
      return 0;
    }
    const answered = Math.min(length, this.#bytesLeft);
    this.#bytesLeft -= answered;
    return answered;
  }

  /** Flips bits of the answer at `from` to `to` in `bytes`. */
  corrupt(bytes: Uint8Array, from: number, to: number): void {
    let at = from + this.#cleanBytes;
    if (at < to) this.#totals.corrupted += 1;
    for (; at < to; at += 1 + this.#nextGap()) {
      bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#flips.below(8));
      this.#totals.corruptedBytes += 1;
    }
    this.#cleanBytes = at - to;
  }

  /** When the answer to a message received at `receivedMs` is due. Answers keep their order. */
  dueMs(receivedMs: number): number {
    const { delayMs, jitterMs } = this.#plan;
    if (delayMs + jitterMs === 0) return receivedMs;
    const delay = delayMs + jitterMs * this.#delays.fraction();
    this.#totals.delayed += 1;
    this.#totals.delayUs += Math.round(delay * 1000);
    this.#dueMs = Math.max(this.#dueMs, receivedMs + delay);
    return this.#dueMs;
  }

  /** Bytes between two corrupted ones: a geometric distribution. */
  #nextGap(): number {
    return Math.floor(this.#flips.exponential() / this.#flipRate);
  }
}
