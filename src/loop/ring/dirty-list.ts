import type { RingHandle } from './handle.ts';

/**
 * The handles with something to submit before the next wait. Those whose receive found no buffer
 * come first: behind handles that always have bytes to receive they would never find one.
 */
export class DirtyList {
  // Behind the handles are empty places. The two lists take turns: a turn allocates none.
  // Assigning a length is slow (Node 20).
  #handles: (RingHandle | undefined)[] = [];
  #next: (RingHandle | undefined)[] = [];
  #count = 0;
  readonly #starved: (RingHandle | undefined)[] = [];
  #starvedCount = 0;

  get length(): number {
    return this.#count + this.#starvedCount;
  }

  add(handle: RingHandle): void {
    if (handle.dirty) return;
    handle.dirty = true;
    this.#handles[this.#count] = handle;
    this.#count += 1;
  }

  addFirst(handle: RingHandle): void {
    this.#starved[this.#starvedCount] = handle;
    this.#starvedCount += 1;
  }

  /** Lets all that are there prepare; what becomes dirty meanwhile is for the next time. */
  prepare(): void {
    // No buffer is asked for before they are submitted: none is added meanwhile.
    const starvedCount = this.#starvedCount;
    this.#starvedCount = 0;
    for (let place = 0; place < starvedCount; place++) {
      const handle = this.#starved[place];
      this.#starved[place] = undefined;
      handle?.prepare();
    }
    const handles = this.#handles;
    const count = this.#count;
    this.#handles = this.#next;
    this.#next = handles;
    this.#count = 0;
    for (let place = 0; place < count; place++) {
      const handle = handles[place];
      handles[place] = undefined;
      if (handle === undefined) continue;
      handle.dirty = false;
      handle.prepare();
    }
  }

  clear(): void {
    this.#handles = [];
    this.#count = 0;
    this.#starvedCount = 0;
  }
}
