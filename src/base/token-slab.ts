import { CHECKED_MAX, checking, invariant } from './invariants.ts';

/** An item in a {@link TokenSlab}, which sets its token. */
export interface Occupant {
  token: number;
}

/**
 * Slots for operations in flight, each named by a token that is valid for one occupant only.
 *
 * A token is an integer that a kernel can carry and V8 stores without a heap object: 20 bits of
 * index and 11 of generation. Freeing a slot increments its generation, so that a late event for a
 * former occupant finds nothing, unless 2,048 occupants of one slot come and go within one batch.
 */
export class TokenSlab<Kind extends Occupant> {
  readonly #occupants: (Kind | undefined)[] = [];
  readonly #generations: number[] = [];
  /** The free slots. V8 shrinks an array that pops, slowly (Node 20): the length is kept. */
  readonly #free: number[] = [];
  #freeCount = 0;
  #size = 0;

  /** How many slots are in use. */
  get size(): number {
    return this.#size;
  }

  /** Assigns a slot, and sets the token of its occupant. Throws a RangeError if none is free. */
  allocate(occupant: Kind): void {
    const last = this.#freeCount - 1;
    const index = last < 0 ? this.#occupants.length : (this.#free[last] ?? 0);
    if (index >= SLOTS_MAX) throw new RangeError(`all ${SLOTS_MAX} slots are in use`);
    if (last >= 0) this.#freeCount = last;
    this.#occupants[index] = occupant;
    const generation = this.#generations[index] ?? 0;
    this.#generations[index] = generation;
    this.#size += 1;
    occupant.token = (generation << INDEX_BITS) | index;
    if (checking && this.#size < CHECKED_MAX) this.#check();
  }

  /** The occupant of a slot, undefined for a token that is not valid any more. */
  get(token: number): Kind | undefined {
    const occupant = this.#occupants[token & INDEX_MASK];
    return occupant !== undefined && occupant.token === token ? occupant : undefined;
  }

  /** Frees a slot. Does nothing for a token that is not valid any more. */
  free(token: number): void {
    const index = token & INDEX_MASK;
    if (this.get(token) === undefined) return;
    this.#occupants[index] = undefined;
    this.#generations[index] = ((token >>> INDEX_BITS) + 1) & GENERATION_MASK;
    this.#free[this.#freeCount] = index;
    this.#freeCount += 1;
    this.#size -= 1;
    if (checking && this.#size < CHECKED_MAX) this.#check();
  }

  /** Every slot is free or in use, and an occupant has the token of its slot. */
  #check(): void {
    const slots = this.#occupants.length;
    invariant(this.#size + this.#freeCount === slots, 'a slot is neither free nor in use');
    for (const [index, occupant] of this.#occupants.entries()) {
      if (occupant === undefined) continue;
      const token = ((this.#generations[index] ?? 0) << INDEX_BITS) | index;
      invariant(occupant.token === token, 'a handle has the token of another slot');
    }
  }

  /** All occupants, in no particular order. */
  *values(): Generator<Kind> {
    for (const occupant of this.#occupants) if (occupant !== undefined) yield occupant;
  }
}

const INDEX_BITS = 20;
const INDEX_MASK = 2 ** INDEX_BITS - 1;
const GENERATION_MASK = 2 ** 11 - 1;

/** How many occupants a slab holds. The last slot is reserved for {@link NO_TOKEN}. */
const SLOTS_MAX = 2 ** INDEX_BITS - 1;

/** A token that no slab assigns. */
export const NO_TOKEN = 2 ** 31 - 1;
