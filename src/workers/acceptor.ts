import type { Subscription } from '../loop/backend.ts';
import { chooseBackend } from '../loop/backends.ts';
import { ACCEPT_PAUSE_MS } from '../loop/limits.ts';
import { Loop } from '../loop/loop.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { type SysError, sysError } from '../sys/sys-error.ts';

/** A thread that takes connections. */
interface Taker {
  /** Whether it can take one now. */
  readonly isHungry: boolean;
  /** How many it has, as far as the owner knows. */
  readonly load: number;
  hand(fd: number): void;
}

/**
 * Accepts in the owner's thread, and hands each connection to the thread that has the fewest: where
 * the kernel does not balance, and for sockets that cannot share an address.
 */
export class Acceptor {
  readonly #loop: Loop;
  readonly #takers: readonly Taker[];
  readonly #subscription: Subscription;
  /** Accepted, while no thread could take it. */
  readonly #waiting: number[] = [];
  #exhausted = false;

  /** `failed` hears of errors of accept(2); accepting goes on but after a final one. */
  constructor(
    sys: Sys,
    fd: number,
    address: SocketAddress,
    takers: readonly Taker[],
    failed: (error: SysError) => void,
  ) {
    this.#takers = takers;
    this.#loop = new Loop(sys, chooseBackend('auto', sys).backend);
    this.#loop.attach();
    const told = (errno: number): void => {
      failed(sysError(sys, -errno, 'accept', 'accept a connection on', address));
    };
    this.#subscription = this.#loop.backend.accept(
      fd,
      {
        accepted: (connection) => this.#accepted(connection),
        exhausted: (errno) => {
          this.#exhausted = true;
          this.#loop.setTimer(ACCEPT_PAUSE_MS, () => {
            this.#exhausted = false;
            this.hungry();
          });
          told(errno);
        },
        failed: told,
        closed: () => undefined,
      },
      true,
    );
  }

  /** A thread takes connections again. */
  hungry(): void {
    while (this.#waiting.length > 0) {
      const taker = this.#next();
      const fd = this.#waiting[0];
      if (taker === null || fd === undefined) return;
      this.#waiting.shift();
      taker.hand(fd);
    }
    this.#update();
  }

  /** Takes back what a thread has not taken that has ended. */
  handBack(fds: readonly number[]): void {
    this.#waiting.push(...fds);
    this.hungry();
  }

  /** Stops accepting; the descriptor of the listener is closed. */
  close(): void {
    const { sys } = this.#loop;
    for (const fd of this.#waiting) sys.close(fd);
    this.#waiting.length = 0;
    this.#loop.close();
  }

  #accepted(fd: number): void {
    const taker = this.#next();
    if (taker === null) this.#waiting.push(fd);
    else taker.hand(fd);
    this.#update();
  }

  #update(): void {
    if (this.#loop.closed) return;
    if (this.#exhausted || this.#next() === null) this.#subscription.pause();
    else this.#subscription.resume();
  }

  #next(): Taker | null {
    let best: Taker | null = null;
    for (const taker of this.#takers) {
      if (taker.isHungry && (best === null || taker.load < best.load)) best = taker;
    }
    return best;
  }
}
