import { Deque } from '../../base/deque.ts';
import type { Loop } from '../../loop/loop.ts';
import { CONNECTIONS_WAITING_MAX } from '../limits.ts';
import type { AsyncConnection } from './async-connection.ts';
import { type LoopSink, register, unregister } from './loop-end.ts';
import { DONE, PullIterator, type PullSource } from './pull-iterator.ts';

/**
 * The connections of a listener that wait to be taken from its iterators. The listener accepts only
 * while {@link isHungry}: the others wait in the queue of listen(2).
 */
export class ConnectionQueue<Accepted extends { close(): unknown } = AsyncConnection>
  implements LoopSink, PullSource<Accepted>
{
  place = -1;
  readonly #loop: Loop;
  readonly #changed: () => void;
  readonly #waiting = new Deque<Accepted>();
  readonly #iterators = new Set<PullIterator<Accepted>>();
  #ended = false;
  #error: Error | null = null;

  /** Calls `changed` when {@link isHungry} may have changed. */
  constructor(loop: Loop, changed: () => void) {
    this.#loop = loop;
    this.#changed = changed;
    register(loop, this);
  }

  /** Whether someone iterates, and the queue has room. */
  get isHungry(): boolean {
    return this.#iterators.size > 0 && this.#waiting.size < CONNECTIONS_WAITING_MAX;
  }

  /** A new iterator; several share the connections. */
  iterate(): PullIterator<Accepted> {
    const over = (): void => {
      this.#iterators.delete(iterator);
      this.over();
    };
    const iterator = new PullIterator<Accepted>({ take: () => this.take(), over });
    this.#iterators.add(iterator);
    this.#changed();
    return iterator;
  }

  push(connection: Accepted): void {
    this.#waiting.push(connection);
    this.#wake();
    if (!this.isHungry) this.#changed();
  }

  take(): IteratorResult<Accepted, undefined> | null {
    const connection = this.#waiting.shift();
    if (connection === undefined) return this.#atEnd();
    if (this.#waiting.size === CONNECTIONS_WAITING_MAX - 1) this.#changed();
    return { done: false, value: connection };
  }

  #atEnd(): IteratorReturnResult<undefined> | null {
    const error = this.#error;
    this.#error = null;
    if (error !== null) throw error;
    return this.#ended ? DONE : null;
  }

  over(): void {
    if (this.#iterators.size > 0) return;
    if (this.#ended) this.closeWaiting();
    else this.#changed();
  }

  /**
   * The listener is closed: iterators end behind the connections that wait, or throw `error`.
   * Returns false if nobody iterates, who could be told of the error.
   */
  end(error: Error | null): boolean {
    const isHeard = this.#iterators.size > 0;
    if (this.#ended) return isHeard;
    this.#ended = true;
    this.#error = isHeard ? error : null;
    unregister(this.#loop, this);
    if (!isHeard) this.closeWaiting();
    this.#wake();
    return isHeard;
  }

  /** Forgets the connections that wait: all of the listener's are about to be closed. */
  forget(): void {
    this.#waiting.clear();
  }

  loopClosed(): void {
    this.forget();
    this.end(null);
  }

  /** Closes the connections that wait: nobody will take them. */
  closeWaiting(): void {
    for (const connection of this.#waiting) void connection.close();
    this.#waiting.clear();
  }

  #wake(): void {
    for (const iterator of this.#iterators) iterator.wake();
  }
}

/** Iterates over the next connections of a listener; without a queue its handlers get them. */
export function iterateOver(queue: ConnectionQueue | null): PullIterator<AsyncConnection> {
  if (queue !== null) return queue.iterate();
  throw new Error('cannot iterate over the next connections: the handlers of listen() get them');
}
