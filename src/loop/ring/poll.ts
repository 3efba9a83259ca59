import type { Submission } from '../../ring/submission.ts';
import type { Abi } from '../../sys/abi/abi.ts';
import { Operation } from './handle.ts';

/** The poll of one descriptor, submitted again after each report. */
export class RingPoll {
  readonly #submission: Submission;
  readonly #ends: number;
  /** The events of the poll in flight, 0 without one. */
  #events = 0;
  #cancelling = false;
  /**
   * Whether it waits for a change. The kernel tells of the end of the peer's side whatever it is
   * asked for, so that a poll for writing would end at once, again and again, until there is room.
   */
  #forChange = false;
  /** Whether the poll in flight goes on although it has told what it was for. */
  #told = false;

  constructor(submission: Submission, abi: Abi) {
    this.#submission = submission;
    this.#ends = abi.constants.POLLRDHUP ?? 0;
  }

  get inFlight(): boolean {
    return this.#events !== 0;
  }

  /** What has been told is wanted again: by a poll that is not for a change. */
  renew(): void {
    this.#forChange = false;
  }

  /** Sees to it that `events` are polled for, 0 for none. False if the queue has no room for it. */
  prepare(fd: number, token: number, events: number): boolean {
    if (events === this.#events && !this.#told) return true;
    const submission = this.#submission;
    if (this.#events !== 0) {
      this.#cancelling ||= submission.cancel(token, Operation.poll, Operation.none);
      return this.#cancelling;
    }
    if (!submission.poll(fd, events, token, Operation.poll, this.#forChange)) return false;
    this.#events = events;
    return true;
  }

  /** A completion without `more` is the last one of a poll. */
  completed(more: boolean): void {
    if (more) return;
    this.#events = 0;
    this.#cancelling = false;
    this.#told = false;
  }

  /** What of the events of a completion is to be told: not the end of the peer's side. */
  foundIn(events: number, more: boolean): number {
    const found = events & ~this.#ends;
    this.#forChange = found === 0;
    this.#told = more && found !== 0;
    return found;
  }
}
