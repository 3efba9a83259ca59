import type { RingMemory } from './memory.ts';

/**
 * A cursor over the completion queue: {@link rewind} it, then call {@link next} until that returns
 * false. The properties are those of the completion that `next` moved to.
 *
 * Several cursors may read the same queue. Nothing is allocated per completion.
 */
export class Completions {
  readonly #memory: RingMemory;
  readonly #moreFlag: number;
  readonly #bufferShift: number;
  /** How many completions were visited, of how many that were there at the rewind. */
  #visited = 0;
  #count = 0;
  #place = 0;

  constructor(memory: RingMemory, moreFlag: number, bufferShift: number) {
    this.#memory = memory;
    this.#moreFlag = moreFlag;
    this.#bufferShift = bufferShift;
  }

  /** Returns to the oldest completion that was not released. None is posted between two calls. */
  rewind(): void {
    this.#visited = 0;
    this.#count = this.#memory.completions;
  }

  /** Moves to the next completion. False if all that were there at the rewind were visited. */
  next(): boolean {
    if (this.#visited >= this.#count) return false;
    this.#place = this.#memory.place(this.#visited);
    this.#visited += 1;
    return true;
  }

  /** The token of the handle that submitted the operation. */
  get token(): number {
    return this.#memory.dataLow(this.#place);
  }

  /** The kind of operation, as its submission gave it. */
  get kind(): number {
    return this.#memory.dataHigh(this.#place);
  }

  /** The result of the operation: `>= 0` or `-errno`. */
  get result(): number {
    return this.#memory.result(this.#place);
  }

  /** True if more completions of the operation follow: IORING_CQE_F_MORE. */
  get more(): boolean {
    return (this.#memory.flags(this.#place) & this.#moreFlag) !== 0;
  }

  /** The buffer that a receive has taken. */
  get buffer(): number {
    return this.#memory.flags(this.#place) >>> this.#bufferShift;
  }

  /** Gives the completion the token 0 and another kind, for the next cursor that visits it. */
  replaceKind(kind: number): void {
    this.#memory.overwriteData(this.#place, kind);
  }

  /** Gives the visited completions back to the kernel. The cursor stands at the end then. */
  release(): void {
    if (this.#visited > 0) this.#memory.release(this.#visited);
    this.#visited = 0;
    this.#count = 0;
  }
}
