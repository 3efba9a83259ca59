import type { Timer } from '#src/loop/timers.js';
import type { AsyncConnection } from '#src/net/async/async-connection.js';
import { EventLoop, type EventLoopOptions } from '#src/net/event-loop.js';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import type { ConnectOptions, Connector } from '#src/net/stream/connector.js';
import type { AsyncListenOptions, ListenOptions } from '#src/net/stream/listen-options.js';
import type { Listener } from '#src/net/stream/listener.js';
import type { Oracle } from './oracle.ts';

/** The events of one connection. */
interface Life {
  ended: boolean;
  closed: boolean;
}

/** The bytes that a handler has written, once it has returned. */
const RUBBISH = 0xa5;

/** A loop under observation: its timers, and the order in which handlers run. */
export class WatchedLoop extends EventLoop {
  readonly #oracle: Oracle;
  readonly #lives = new WeakMap<object, Life>();
  #turning = false;
  #copies = false;
  /** When the turn before this one began. */
  #turnBeforeMs = Number.NEGATIVE_INFINITY;
  #turnMs = Number.NEGATIVE_INFINITY;
  #order = 0;
  readonly #callbacks = new WeakMap<() => void, () => void>();
  #lastDeadlineMs = Number.NEGATIVE_INFINITY;
  #lastOrder = -1;

  constructor(options: EventLoopOptions, oracle: Oracle) {
    super(options);
    this.#oracle = oracle;
  }

  /** When this turn began. */
  protected get turnMs(): number {
    return this.#turnMs;
  }

  override turn(waitMsMax: number): void {
    this.#turnBeforeMs = this.#turnMs;
    this.#turnMs = this.sys.monotonicMs();
    this.#turning = true;
    try {
      super.turn(waitMsMax);
    } finally {
      this.#turning = false;
    }
  }

  override setTimer(delayMs: number, callback: () => void): Timer {
    return super.setTimer(delayMs, this.watchedTimer(delayMs, callback));
  }

  /** Law 10: never early, at most a turn late, and in order. */
  protected watchedTimer(delayMs: number, given: () => void): () => void {
    // A callback that sets its own timer again is wrapped already.
    const callback = this.#callbacks.get(given) ?? given;
    const deadlineMs = this.sys.monotonicMs() + delayMs;
    const order = this.#order++;
    const { turns } = this;
    const watched = (): void => {
      const nowMs = this.sys.monotonicMs();
      const oracle = this.#oracle;
      oracle.expect(this.#turning, 'a timer ran outside of a turn');
      if (nowMs < deadlineMs) oracle.broken(`a timer ran ${deadlineMs - nowMs} ms early`);
      // A turn before this one could have run it.
      const isLate = this.turns > turns + 1 && deadlineMs <= this.#turnBeforeMs;
      oracle.expect(!isLate, 'a timer ran a turn late');
      const inOrder =
        deadlineMs > this.#lastDeadlineMs ||
        (deadlineMs === this.#lastDeadlineMs && order > this.#lastOrder);
      oracle.expect(inOrder, 'timers ran out of order');
      this.#lastDeadlineMs = deadlineMs;
      this.#lastOrder = order;
      oracle.run('a timer', callback);
    };
    this.#callbacks.set(watched, callback);
    return watched;
  }

  override defer(callback: () => void): void {
    super.defer(() => this.#oracle.run('a deferred task', callback));
  }

  override listen<Data = undefined>(options: ListenOptions<Data>): Listener<Data>;
  override listen(options: AsyncListenOptions): Listener<AsyncConnection>;
  override listen<Data>(options: ListenOptions<Data> | AsyncListenOptions): Listener<Data> {
    if (options.handlers === undefined) throw new Error('a listener without handlers: not watched');
    return super.listen({ ...options, handlers: this.#watched(options.handlers) });
  }

  override connect<Data = undefined>(options: ConnectOptions<Data>): Connector<Data> {
    return super.connect({ ...options, handlers: this.#watched(options.handlers) });
  }

  #watched<Data>(handlers: ConnectionHandlers<Data>): ConnectionHandlers<Data> {
    const { end } = handlers;
    const watchedEnd = (connection: Connection<Data>): void => {
      this.#lifeOf(connection, 'end').ended = true;
      this.#oracle.run('end', () => end?.call(handlers, connection));
    };
    return {
      open: (connection) => {
        this.#oracle.expect(!this.#lives.has(connection), 'open came twice');
        this.#lives.set(connection, { ended: false, closed: false });
        this.#oracle.expect(connection.isOpen && connection.fd >= 0, 'open, and it is closed');
        this.#oracle.run('open', () => handlers.open?.(connection));
      },
      data: (connection, chunk) => {
        this.#lifeOf(connection, 'data');
        this.#oracle.expect(chunk.length > 0, 'data without bytes');
        // A chunk itself is sent in place, after its handler; the bytes of a copy are the caller's.
        this.#copies = !this.#copies;
        const bytes = this.#copies ? chunk.slice() : chunk;
        this.#oracle.run('data', () => handlers.data?.(connection, bytes));
        if (this.#copies) bytes.fill(RUBBISH);
      },
      drain: (connection) => {
        const { ended } = this.#lifeOf(connection, 'drain', false);
        this.#oracle.expect(ended || connection.queuedBytes === 0, 'drain with a queue');
        this.#oracle.run('drain', () => handlers.drain?.(connection));
      },
      ...(end === undefined ? {} : { end: watchedEnd }),
      close: (connection, error) => {
        const life = this.#lives.get(connection);
        this.#oracle.expect(life !== undefined, 'close without open');
        this.#oracle.expect(life?.closed === false, 'close came twice');
        if (life !== undefined) life.closed = true;
        this.#oracle.expect(!connection.isOpen && connection.fd === -1, 'close, and it is open');
        this.#oracle.run('close', () => handlers.close?.(connection, error));
      },
    };
  }

  /** The events of a connection, for one between `open` and `close`. */
  #lifeOf(connection: { readonly isOpen: boolean }, name: string, beforeEnd = true): Life {
    const life = this.#lives.get(connection);
    const oracle = this.#oracle;
    if (!this.#turning) oracle.broken(`${name} outside of a turn`);
    if (life === undefined) oracle.broken(`${name} before open`);
    if (life?.closed === true) oracle.broken(`${name} after close`);
    if (!connection.isOpen) oracle.broken(`${name} of a connection that was closed`);
    if (beforeEnd && life?.ended === true) oracle.broken(`${name} after end`);
    return life ?? { ended: false, closed: false };
  }
}
