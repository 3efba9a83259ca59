import type { Acceptance } from '../loop/backend.ts';
import { ACCEPT_PAUSE_MS } from '../loop/limits.ts';
import type { Loop } from '../loop/loop.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
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
  readonly #sockets: readonly Acceptance[];
  /** Accepted, while no thread could take it. */
  readonly #waiting: number[] = [];
  #exhausted = false;
  /** Sockets that are not closed yet, once it is to end. */
  #open = 0;
  #retired: (() => void) | null = null;

  /**
   * Takes ownership of a loop that somebody turns, and of the listening sockets `fds`. `failed`
   * hears of errors of accept(2) that pass; one of a broken socket goes to `broken`.
   */
  constructor(
    loop: Loop,
    fds: readonly number[],
    address: SocketAddress,
    takers: readonly Taker[],
    failed: (error: SysError) => void,
    broken: (error: SysError) => void,
  ) {
    this.#takers = takers;
    this.#loop = loop;
    const { sys } = loop;
    const errorOf = (errno: number): SysError =>
      sysError(sys, -errno, 'accept', 'accept a connection on', address);
    const sink = {
      accepted: (connection: number) => this.#accepted(connection),
      exhausted: (errno: number) => {
        this.#exhausted = true;
        this.#loop.setTimer(ACCEPT_PAUSE_MS, () => {
          this.#exhausted = false;
          this.hungry();
        });
        failed(errorOf(errno));
      },
      failed: (errno: number) => broken(errorOf(errno)),
      closed: () => {
        this.#open -= 1;
        this.#endIfRetired();
      },
    };
    this.#open = fds.length;
    this.#sockets = fds.map((fd) => this.#loop.backend.accept(fd, sink, true));
    // Until a thread serves: another process may have the sockets as well.
    this.#update();
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
    this.#endIfRetired();
    this.#update();
  }

  /** Takes back what a thread has not taken that has ended. */
  handBack(fds: readonly number[]): void {
    this.#waiting.push(...fds);
    this.hungry();
  }

  /** Stops accepting; `retired` is called when the last connection is handed to a thread. */
  retire(retired: () => void): void {
    this.#retired = retired;
    for (const socket of this.#sockets) socket.retire();
    this.#endIfRetired();
  }

  #endIfRetired(): void {
    if (this.#open > 0 || this.#waiting.length > 0) return;
    const retired = this.#retired;
    this.#retired = null;
    retired?.();
  }

  /** Stops accepting, closes the loop, and with it the listening sockets. */
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
    const pauses = this.#exhausted || this.#next() === null;
    for (const socket of this.#sockets) {
      if (pauses) socket.pause();
      else socket.resume();
    }
  }

  #next(): Taker | null {
    let best: Taker | null = null;
    for (const taker of this.#takers) {
      if (taker.isHungry && (best === null || taker.load < best.load)) best = taker;
    }
    return best;
  }
}
