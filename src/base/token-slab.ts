/** Something that has a place in a {@link TokenSlab}, which writes its token into it. */
export interface Occupant {
  token: number;
}

/**
 * Places for what is in flight, each named by a token that is good for one occupant only.
 *
 * A token is a small number that a kernel can carry: 20 bits of index and 11 of generation, which
 * V8 keeps without a heap object. A place that is freed gets the next generation, so a late event
 * for its former occupant finds nothing: 2,048 occupants of one place would have to come and go
 * within one batch of events for a token to be mistaken.
 */
export class TokenSlab<Kind extends Occupant> {
  readonly #occupants: (Kind | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #free: number[] = [];
  #size = 0;

  /** How many places are taken. */
  get size(): number {
    return this.#size;
  }

  /** Takes a place, and gives the occupant its token. Throws a RangeError when all are taken. */
  allocate(occupant: Kind): void {
    const index = this.#free.pop() ?? this.#occupants.length;
    if (index >= PLACES_MAX) throw new RangeError(`all ${PLACES_MAX} places are taken`);
    this.#occupants[index] = occupant;
    const generation = this.#generations[index] ?? 0;
    this.#generations[index] = generation;
    this.#size += 1;
    occupant.token = (generation << INDEX_BITS) | index;
  }

  /** Who has the place, or undefined where the token is good no more. */
  get(token: number): Kind | undefined {
    const occupant = this.#occupants[token & INDEX_MASK];
    return occupant !== undefined && occupant.token === token ? occupant : undefined;
  }

  /** Gives a place back. A token that is good no more is left alone. */
  free(token: number): void {
    const index = token & INDEX_MASK;
    if (this.get(token) === undefined) return;
    this.#occupants[index] = undefined;
    this.#generations[index] = ((token >>> INDEX_BITS) + 1) & GENERATION_MASK;
    this.#free.push(index);
    this.#size -= 1;
  }

  /** All occupants, in no order that means anything. */
  *values(): Generator<Kind> {
    for (const occupant of this.#occupants) if (occupant !== undefined) yield occupant;
  }
}

const INDEX_BITS = 20;
const INDEX_MASK = 2 ** INDEX_BITS - 1;
const GENERATION_MASK = 2 ** 11 - 1;

/** How many occupants a slab holds. The last place stays free, for {@link NO_TOKEN}. */
const PLACES_MAX = 2 ** INDEX_BITS - 1;

/** A token that no slab gives out. */
export const NO_TOKEN = 2 ** 31 - 1;
