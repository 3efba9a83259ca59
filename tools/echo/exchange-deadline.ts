import type { Socket } from 'sockloop/socket';
import { type SocketAddress, type Sys, SysError } from 'sockloop/sys';
import { isLateEnd } from '#src/socket/blocking-call.js';
import { sysError } from '#src/sys/sys-error.js';

/** The timeout of the socket is lowered in steps of this fraction. */
const STEP = 1 / 16;

/**
 * The deadline of a whole exchange over a blocking socket. The socket's own timeout bounds each
 * call, so that a server which sends a byte now and then would hold its client for ever.
 *
 * An exchange that is answered at once costs no extra system call.
 */
export class ExchangeDeadline {
  readonly #sys: Sys;
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  /** The current timeout of the socket; 0 before the first. */
  #socketMs = 0;
  #deadlineMs = 0;

  /** Owns the timeout of `socket` from now on. */
  constructor(sys: Sys, socket: Socket, timeoutMs: number) {
    this.#sys = sys;
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
  }

  /** Starts an exchange. */
  begin(): void {
    this.#deadlineMs = this.#sys.monotonicMs() + this.#timeoutMs;
    if (this.#socketMs !== this.#timeoutMs) this.#setTimeout(this.#timeoutMs);
  }

  /** Call before each wait. Throws a SysError (`ETIMEDOUT`) after the deadline. */
  keep(): void {
    const leftMs = this.#deadlineMs - this.#sys.monotonicMs();
    if (leftMs <= 0) throw this.#error();
    if (leftMs < this.#socketMs * (1 - STEP)) this.#setTimeout(Math.max(1, Math.ceil(leftMs)));
  }

  /** Replaces `ETIMEDOUT` of a call by the error that names the limit of the exchange. */
  explained(error: unknown): unknown {
    return error instanceof SysError && isLateEnd(error) ? this.#error() : error;
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
      // The peer has left: the message goes without its address.
      if (!(error instanceof SysError)) throw error;
      return undefined;
    }
  }
}
