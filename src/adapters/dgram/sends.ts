import { AsyncResource } from 'node:async_hooks';
import type { DatagramHandle, EncodedAddress } from '../../loop/datagram/contract.ts';
import type { Abi } from '../../sys/abi/abi.ts';
import { addressError } from './errors.ts';
import type { SendCallback } from './options.ts';

/** The longest datagram that a queue takes. No kernel takes a longer one. */
const BYTES_MAX = 65_535;

/** A datagram that the queue of the loop had no room for. */
interface Waiting {
  readonly bytes: Uint8Array;
  readonly to: EncodedAddress | null;
}

/** Datagrams that were not sent, by their numbers. */
interface Failure {
  readonly first: number;
  readonly last: number;
  readonly errno: number;
}

/** The callback of a send, in its context. */
interface Callback {
  readonly number: number;
  readonly bytes: number;
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly callback: SendCallback;
}

/** The sends of a bound socket, numbered in their order, and what became of each. */
export class Sends {
  readonly #abi: Abi;
  readonly #handle: () => DatagramHandle;
  /** What the queue of the loop had no room for: as many as the program sends, as by node:dgram. */
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** The number of the last datagram sent, and of the last that the kernel has taken or refused. */
  #last = 0;
  #settled = 0;
  readonly #failures: Failure[] = [];
  /** Callbacks that were not called, and those of them whose datagrams were not settled in time. */
  #owed = 0;
  readonly #late: Callback[] = [];
  #calling = false;
  #isOver = false;

  /** `handle` tells where to send: the loop may call back before it has returned that. */
  constructor(abi: Abi, handle: () => DatagramHandle) {
    this.#abi = abi;
    this.#handle = handle;
  }

  get queuedBytes(): number {
    return this.#handle().queuedBytes + this.#waitingBytes;
  }

  get queuedDatagrams(): number {
    return this.#handle().queuedDatagrams + this.#waiting.length;
  }

  /**
   * Sends a datagram; `to` null is the peer of a connected socket. `callback` hears what became of
   * it, with `address` and `port` in its error; not before the call has returned.
   */
  send(
    bytes: Uint8Array,
    to: EncodedAddress | null,
    callback?: SendCallback,
    address?: string,
    port?: number,
  ): void {
    if (bytes.length > BYTES_MAX) {
      const { EMSGSIZE = 0 } = this.#abi.errno;
      const error = addressError(this.#abi, EMSGSIZE, 'send', address, port);
      // Without a callback nobody hears of it, as in node:dgram.
      if (callback !== undefined) process.nextTick(callback, error);
      return;
    }
    this.#last += 1;
    if (this.#waiting.length > 0 || !this.#handle().send(bytes, 0, bytes.length, to, null, 0)) {
      // The program may write to its own bytes by then.
      this.#waiting.push({ bytes: new Uint8Array(bytes), to });
      this.#waitingBytes += bytes.length;
    }
    if (callback === undefined) return;
    this.#owed += 1;
    process.nextTick(this.#look, this.#last, bytes.length, callback, address, port);
  }

  /** The tick after a send: those of one tick are made together, by the first that looks. */
  readonly #look = (
    number: number,
    bytes: number,
    callback: SendCallback,
    address: string | undefined,
    port: number | undefined,
  ): void => {
    if (this.#settled < number && !this.#isOver) this.#handle().flush();
    if (this.#late.length === 0 && (number <= this.#settled || this.#isOver)) {
      this.#call({ number, bytes, callback, address, port });
      return;
    }
    this.#late.push({ number, bytes, callback: AsyncResource.bind(callback), address, port });
  };

  /** The kernel has taken the next datagrams, or refused them. */
  settled(datagrams: number, errno: number): void {
    const first = this.#settled + 1;
    this.#settled += datagrams;
    if (this.#owed === 0) return;
    if (errno !== 0) this.#failures.push({ first, last: this.#settled, errno });
    this.#callLate();
  }

  #callLate(): void {
    if (this.#late.length === 0 || this.#calling) return;
    this.#calling = true;
    process.nextTick(this.#callAll);
  }

  readonly #callAll = (): void => {
    this.#calling = false;
    const next = this.#late[0];
    if (next === undefined || (next.number > this.#settled && !this.#isOver)) return;
    this.#late.shift();
    // One that throws must not take the others along.
    this.#callLate();
    this.#call(next);
  };

  #call({ number, bytes, address, port, callback }: Callback): void {
    this.#owed -= 1;
    const errno = this.#errnoOf(number);
    if (errno === 0) callback(null, bytes);
    else
      (callback as (error: Error) => void)(addressError(this.#abi, errno, 'send', address, port));
  }

  #errnoOf(number: number): number {
    // What is over is never settled.
    if (number > this.#settled) return this.#abi.errno['ECANCELED'] ?? 0;
    while (this.#failures.length > 0 && (this.#failures[0]?.last ?? 0) < number) {
      this.#failures.shift();
    }
    const failure = this.#failures[0];
    return failure !== undefined && failure.first <= number ? failure.errno : 0;
  }

  /** The queue of the loop has room again. */
  drained(): void {
    let sent = 0;
    for (const { bytes, to } of this.#waiting) {
      if (!this.#handle().send(bytes, 0, bytes.length, to, null, 0)) break;
      this.#waitingBytes -= bytes.length;
      sent += 1;
    }
    this.#waiting.splice(0, sent);
  }

  /** Nothing more is sent: callbacks that are owed get ECANCELED. */
  end(): void {
    this.#isOver = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#callLate();
  }
}
