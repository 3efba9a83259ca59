import { Deque } from '../base/deque.ts';
import type { Acceptance, AcceptSink } from '../loop/backend.ts';
import { ACCEPTS_PER_TURN } from '../loop/limits.ts';
import type { Loop } from '../loop/loop.ts';
import type { ConnectionSource } from '../net/stream/listening-socket.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { noteClosing, noteOpened } from '../sys/thread-resources.ts';
import type { ThreadState } from './shared-state.ts';

/** The connections that the owner of this thread accepts for it. */
export class HandedConnections implements ConnectionSource {
  readonly address: SocketAddress;
  readonly #state: ThreadState;
  readonly #hungry: () => void;
  /** Taken from the owner, and not delivered yet. */
  readonly #waiting = new Deque<number>();
  #subscriber: Subscriber | null = null;

  /** `hungry` tells the owner that connections are wanted again. */
  constructor(address: SocketAddress, state: ThreadState, hungry: () => void) {
    this.address = address;
    this.#state = state;
    this.#hungry = hungry;
    // Until the program listens.
    state.full = true;
  }

  /** The owner has handed `fds` over. */
  push(fds: readonly number[]): void {
    for (const fd of fds) {
      noteOpened(fd);
      this.#state.take();
      this.#waiting.push(fd);
    }
    this.#subscriber?.deliverSoon();
  }

  subscribe(loop: Loop, sink: AcceptSink): Acceptance {
    if (this.#subscriber !== null) {
      throw new Error('cannot listen: the connections of the service have a listener already');
    }
    const update = (full: boolean): void => {
      if (this.#state.full === full) return;
      this.#state.full = full;
      if (!full) this.#hungry();
    };
    const ended = (): void => {
      this.#subscriber = null;
      update(true);
      this.close(loop.sys);
    };
    const subscriber = new Subscriber(loop, sink, this.#waiting, update, ended);
    this.#subscriber = subscriber;
    update(false);
    subscriber.deliverSoon();
    return subscriber;
  }

  /** Closes what nobody has got. */
  close(sys: Sys): void {
    for (const fd of this.#waiting) {
      noteClosing(fd);
      sys.close(fd);
    }
    this.#waiting.clear();
  }
}

/** The subscription of a listener to {@link HandedConnections}. */
class Subscriber implements Acceptance {
  /** It has no descriptor. */
  readonly fd = -1;
  readonly #loop: Loop;
  readonly #sink: AcceptSink;
  readonly #waiting: Deque<number>;
  readonly #update: (full: boolean) => void;
  readonly #ended: () => void;
  #paused = false;
  #retiring = false;
  #closed = false;

  constructor(
    loop: Loop,
    sink: AcceptSink,
    waiting: Deque<number>,
    update: (full: boolean) => void,
    ended: () => void,
  ) {
    this.#loop = loop;
    this.#sink = sink;
    this.#waiting = waiting;
    this.#update = update;
    this.#ended = ended;
  }

  pause(): void {
    if (this.#paused || this.#closed) return;
    this.#paused = true;
    this.#update(true);
  }

  resume(): void {
    if (!this.#paused || this.#closed) return;
    this.#paused = false;
    this.#update(false);
    this.deliverSoon();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended();
  }

  /** The owner hands no more over. */
  retire(): void {
    if (this.#closed) return;
    this.#retiring = true;
    this.#loop.defer(() => this.#deliver());
  }

  /** Callbacks run in turns only: law 2. */
  deliverSoon(): void {
    if (this.#waiting.size === 0 || this.#loop.closed) return;
    this.#loop.defer(() => this.#deliver());
  }

  #deliver(): void {
    for (let accepts = 0; accepts < ACCEPTS_PER_TURN; accepts++) {
      if (this.#closed || (this.#paused && !this.#retiring)) return;
      const fd = this.#waiting.shift();
      if (fd === undefined) {
        if (this.#retiring) this.#retired();
        return;
      }
      this.#tell(fd);
    }
    this.#deliverOn();
  }

  /** A handler that throws ends the turn; the others are told in the next one. */
  #tell(fd: number): void {
    let told = false;
    try {
      this.#sink.accepted(fd);
      told = true;
    } finally {
      if (!told) this.#deliverOn();
    }
  }

  #deliverOn(): void {
    if (this.#retiring) this.retire();
    else this.deliverSoon();
  }

  #retired(): void {
    this.close();
    this.#sink.closed();
  }
}
