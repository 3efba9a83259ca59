import { Deque } from '../../base/deque.ts';

/** What a {@link PullIterator} takes from. */
export interface PullSource<Item> {
  /**
   * The next item, or the end; null if there is nothing yet.
   *
   * @throws what the iterator is to throw.
   */
  take(): IteratorResult<Item, undefined> | null;
  /**
   * The iterator is over: `end` was taken, `left` early by its user, or `failed`, as `take` threw.
   */
  over(how: 'end' | 'left' | 'failed'): void;
}

interface Waiting<Item> {
  resolve(result: IteratorResult<Item, undefined>): void;
  reject(error: unknown): void;
}

export const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * An asynchronous iterator over what a source has, and will have.
 *
 * Calls of `next` may overlap; they are answered in order. An async generator would leave `return`
 * waiting behind a `next` for which nothing comes.
 */
export class PullIterator<Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #source: PullSource<Item>;
  readonly #waiting = new Deque<Waiting<Item>>();
  #over = false;

  constructor(source: PullSource<Item>) {
    this.#source = source;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.wake();
    });
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#end('left');
    return Promise.resolve(DONE);
  }

  /** The source has changed. */
  wake(): void {
    while (this.#waiting.size > 0) {
      try {
        const result = this.#over ? DONE : this.#source.take();
        if (result === null) return;
        this.#waiting.shift()?.resolve(result);
        if (result.done === true) this.#end('end');
      } catch (error) {
        this.#waiting.shift()?.reject(error);
        this.#end('failed');
      }
    }
  }

  #end(how: 'end' | 'left' | 'failed'): void {
    if (this.#over) return;
    this.#over = true;
    this.#source.over(how);
    this.wake();
  }
}
