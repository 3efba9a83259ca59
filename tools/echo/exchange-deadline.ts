import type { Socket } from 'sockloop/socket';
import { type SocketAddress, type Sys, SysError } from 'sockloop/sys';
import { sysError } from '#src/sys/sys-error.js';

/** The timeout of the socket follows what is left in steps of this part of it. */
const STEP = 1 / 16;

/**
 * Bounds an exchange as a whole over a blocking socket, whose own timeout bounds each call: a
 * server that sends a byte now and then would hold its client for ever.
 *
 * An exchange whose reply comes at once costs no system call more.
 */
export class ExchangeDeadline {
  readonly #sys: Sys;
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  /** The timeout that the socket has; 0 while nobody has set it. */
  #socketMs = 0;
  #deadlineMs = 0;

  /** Takes over the timeout of `socket`. */
  constructor(sys: Sys, socket: Socket, timeoutMs: number) {
    this.#sys = sys;
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
  }

  /** An exchange begins. */
  begin(): void {
    this.#deadlineMs = this.#sys.monotonicMs() + this.#timeoutMs;
    if (this.#socketMs !== this.#timeoutMs) this.#setTimeout(this.#timeoutMs);
  }

  /** To be called before each wait. Throws a SysError (`ETIMEDOUT`) once the time is up. */
  keep(): void {
    const leftMs = this.#deadlineMs - this.#sys.monotonicMs();
    if (leftMs <= 0) throw this.#error();
    if (leftMs < this.#socketMs * (1 - STEP)) this.#setTimeout(Math.max(1, Math.ceil(leftMs)));
  }

  /** `error` of a call within the exchange: a wait that took too long names the whole time. */
  explained(error: unknown): unknown {
    return error instanceof SysError && error.code === 'ETIMEDOUT' ? this.#error() : error;
  }

  #setTimeout(timeoutMs: number): void {
    this.#socket.setTimeout(timeoutMs);
    this.#socketMs = timeoutMs;
  }

  #error(): SysError {
    const reason = `no whole reply within ${this.#timeoutMs} ms`;
    const { ETIMEDOUT } = this.#sys.abi.errno;
    return sysError(this.#sys, -ETIMEDOUT, 'recv', 'receive from', this.#peer(), reason);
  }

  #peer(): SocketAddress | undefined {
    try {
      return this.#socket.getPeerName();
    } catch (error) {
      // It has left meanwhile, which the message can do without.
      if (!(error instanceof SysError)) throw error;
      return undefined;
    }
  }
}
