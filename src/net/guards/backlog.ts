import type { Loop } from '../../loop/loop.ts';
import type { GuardPlan } from './guards.ts';

/** A connection with queued bytes, as the backlog of its listener knows it. */
export interface Backlogged {
  /** Its index in the backlog, which that maintains; -1 outside of it. */
  backlogIndex: number;
  /** Its number in the order of arrival. */
  readonly serial: number;
  /** The queued bytes that the backlog counts for it. */
  countedBytes: number;
  /** How many bytes are queued now. */
  readonly queuedNow: number;
  /** When its peer was last seen to take bytes, or when its queue began. */
  readonly progressMs: number;
  /** Its queue has begun: called once it can be asked for its progress. */
  queueBegan(): void;
  /** Looks whether its peer has taken bytes. */
  look(): void;
  /** Does not read from it until `release`. */
  hold(): void;
  release(): void;
  /** Gives it up: there is too much queued. */
  shed(): void;
}

/**
 * The connections of a listener that have queued bytes, and how many these are. It hears of queues
 * that grow and that become empty, not of each byte that is taken: so it counts again before it
 * acts. It acts in a task of its own, because it hears of growth inside of calls of the program.
 */
export class Backlog {
  readonly #loop: Loop;
  readonly #bytesMax: number;
  readonly #policy: GuardPlan['whenQueueFull'];
  readonly #members: Backlogged[] = [];
  /** Members whose queue has begun in this turn. */
  readonly #begun: Backlogged[] = [];
  #bytes = 0;
  #isHolding = false;
  #isDue = false;
  readonly #settle = (): void => this.#settleNow();

  constructor(loop: Loop, plan: GuardPlan) {
    this.#loop = loop;
    this.#bytesMax = plan.queuedBytesMax;
    this.#policy = plan.whenQueueFull;
  }

  /** The queue of `member` has grown to `bytes`. */
  grew(member: Backlogged, bytes: number): void {
    if (member.backlogIndex < 0) {
      member.backlogIndex = this.#members.length;
      this.#members.push(member);
      this.#begun.push(member);
      this.#act();
    }
    this.#bytes += bytes - member.countedBytes;
    member.countedBytes = bytes;
    if (this.#bytes > this.#bytesMax) this.#act();
  }

  /** The queue of `member` is empty, or dropped. */
  left(member: Backlogged): void {
    const index = member.backlogIndex;
    if (index < 0) return;
    member.backlogIndex = -1;
    this.#bytes -= member.countedBytes;
    member.countedBytes = 0;
    const last = this.#members.pop();
    if (last !== undefined && last !== member) {
      this.#members[index] = last;
      last.backlogIndex = index;
    }
    if (this.#isHolding && this.#bytes <= this.#bytesMax / 2) this.#act();
  }

  #act(): void {
    if (this.#isDue || this.#loop.closed) return;
    this.#isDue = true;
    this.#loop.defer(this.#settle);
  }

  #settleNow(): void {
    this.#isDue = false;
    for (const member of this.#begun) {
      if (member.backlogIndex >= 0) member.queueBegan();
    }
    this.#begun.length = 0;
    if (this.#bytes > this.#bytesMax && this.#countAgain() > this.#bytesMax) {
      if (this.#policy === 'wait') this.#hold();
      else this.#shed();
    } else if (this.#isHolding && this.#bytes <= this.#bytesMax / 2) {
      this.#isHolding = false;
      for (const member of this.#members) member.release();
    }
  }

  #countAgain(): number {
    let sum = 0;
    for (const member of this.#members) {
      member.countedBytes = member.queuedNow;
      sum += member.countedBytes;
    }
    this.#bytes = sum;
    return sum;
  }

  #hold(): void {
    this.#isHolding = true;
    for (const member of this.#members) member.hold();
  }

  #shed(): void {
    const isBetter = this.#policy === 'shedNewest' ? isNewer : isSlower;
    if (this.#policy === 'closeSlowest') for (const member of this.#members) member.look();
    while (this.#bytes > this.#bytesMax) {
      let chosen: Backlogged | null = null;
      for (const member of this.#members) {
        if (chosen === null || isBetter(member, chosen)) chosen = member;
      }
      if (chosen === null) return;
      this.left(chosen);
      chosen.shed();
    }
  }
}

function isNewer(one: Backlogged, other: Backlogged): boolean {
  return one.serial > other.serial;
}

function isSlower(one: Backlogged, other: Backlogged): boolean {
  if (one.progressMs !== other.progressMs) return one.progressMs < other.progressMs;
  return one.countedBytes > other.countedBytes;
}
