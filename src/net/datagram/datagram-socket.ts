import { requireWhole } from '../../base/arguments.ts';
import { type Bytes, bytesOf, sendableLength } from '../../base/bytes.ts';
import { mayBePromise } from '../../loop/callbacks.ts';
import type {
  DatagramHandle,
  DatagramSettings,
  DatagramSink,
  SendControl,
  UnreachableReport,
} from '../../loop/datagram/contract.ts';
import { countError } from '../../loop/datagram/errors.ts';
import type { ReceivedDatagrams } from '../../loop/datagram/received.ts';
import { segmentsMax } from '../../loop/datagram/send-queue.ts';
import { SEGMENTED_BYTES_MAX } from '../../loop/limits.ts';
import type { Loop } from '../../loop/loop.ts';
import type { Timer } from '../../loop/timers.ts';
import type { SocketFile } from '../../socket/socket-file.ts';
import type { Sys } from '../../sys/sys.ts';
import { type SysError, sysError } from '../../sys/sys-error.ts';
import { AbortWatch } from '../async/abort.ts';
import { type DatagramBatch, fillBatch, newBatch } from './batch.ts';
import { checkOptions, settingsOf } from './checks.ts';
import { addressFor, addressFrom, type DatagramAddress } from './datagram-address.ts';
import { Destinations, NOWHERE } from './destinations.ts';
import { askForInfo, type OpenedSocket, openDatagrams } from './open.ts';
import { DatagramOptionCalls } from './option-calls.ts';
import type {
  DatagramHandlers,
  DatagramOptions,
  DatagramStats,
  SendOptions,
  Unreachable,
} from './options.ts';

/** Opens the socket of `options`: `EventLoop.datagram`. */
export let datagramOn: (loop: Loop, options: DatagramOptions) => DatagramSocket;

/**
 * A socket of datagrams on an event loop, returned by `EventLoop.datagram`: UDP over IPv4 or IPv6,
 * or a UNIX socket of SOCK_DGRAM.
 *
 * Datagrams may be lost, doubled or reordered on their way; here none is, except for what the
 * kernel drops while the socket is full. Sends of a turn are made together at its end. What the
 * kernel does not take at once waits in a bounded queue.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 *
 * using loop = new EventLoop();
 * const echo = loop.datagram({
 *   host: '127.0.0.1',
 *   port: 0,
 *   chunks: 'borrowed',
 *   handlers: {
 *     datagrams: (socket, batch) => {
 *       for (let index = 0; index < batch.length; index++) {
 *         socket.send(batch.bytes(index), { to: batch.from(index) });
 *       }
 *     },
 *   },
 * });
 *
 * let answer = '';
 * const client = loop.datagram({
 *   connect: { host: '127.0.0.1', port: echo.address.port },
 *   handlers: {
 *     datagrams: (socket, batch) => {
 *       answer = new TextDecoder().decode(batch.bytes(0));
 *       socket.close();
 *       echo.close();
 *     },
 *   },
 * });
 * assert(client.send('hello'));
 * await loop.run();
 * assert.equal(answer, 'hello');
 * ```
 */
export class DatagramSocket extends DatagramOptionCalls implements Disposable {
  /** Where it is bound, with the port that was chosen for port 0. */
  readonly address: DatagramAddress;
  /** The peer of a connected socket, else null. */
  readonly peer: DatagramAddress | null;
  protected readonly sys: Sys;
  readonly #loop: Loop;
  readonly #handlers: DatagramHandlers;
  readonly #onHandlerError: DatagramOptions['onHandlerError'];
  readonly #handle: DatagramHandle;
  readonly #destinations: Destinations;
  readonly #batch: DatagramBatch;
  readonly #settings: DatagramSettings;
  readonly #file: SocketFile | null;
  readonly #abort: AbortWatch | null = null;
  #rest: Timer | null = null;
  #closing = false;
  #closed = false;
  #error: SysError | null = null;

  static {
    datagramOn = (loop, options) => new DatagramSocket(loop, options);
  }

  private constructor(loop: Loop, options: DatagramOptions) {
    super();
    checkOptions(options);
    options.signal?.throwIfAborted();
    const opened = openDatagrams(loop, options);
    this.#loop = loop;
    this.sys = loop.sys;
    this.#handlers = options.handlers;
    this.#onHandlerError = options.onHandlerError?.bind(options);
    this.address = opened.own;
    this.peer = opened.peer;
    this.#file = opened.file;
    this.#settings = this.#settle(opened, options);
    this.#destinations = new Destinations(loop.sys, opened.own, options.ipv6Only ?? false);
    this.#batch = newBatch({
      abi: loop.sys.abi,
      copies: (options.chunks ?? 'owned') === 'owned',
      peer: opened.peer ?? addressFor(loop.sys.abi, { family: 'UNIX', path: '' }),
      own: opened.own,
    });
    this.#handle = loop.backend.datagrams(opened.fd, this.#sink(), this.#settings);
    const { signal } = options;
    if (signal !== undefined) this.#abort = new AbortWatch(loop, signal, () => this.close());
  }

  #settle(opened: OpenedSocket, options: DatagramOptions): DatagramSettings {
    try {
      const settings = settingsOf(this.#loop.sys, options, opened);
      askForInfo(this.#loop.sys, opened, options, settings);
      return settings;
    } catch (error) {
      // One that was passed in is the caller's.
      if (options.fd === undefined) {
        opened.file?.remove();
        this.#loop.sys.close(opened.fd);
      }
      throw error;
    }
  }

  /** The descriptor, which stays the socket's; -1 once it is closed. */
  get fd(): number {
    return this.#closed || this.#loop.closed ? -1 : this.#handle.fd;
  }

  /** False once the socket was closed, or has failed. */
  get isOpen(): boolean {
    return !this.#closing && !this.#loop.closed;
  }

  /** Bytes that wait to be sent, with those of this turn. */
  get queuedBytes(): number {
    return this.#closing ? 0 : this.#handle.queuedBytes;
  }

  /** Datagrams that wait to be sent, with those of this turn. */
  get queuedDatagrams(): number {
    return this.#closing ? 0 : this.#handle.queuedDatagrams;
  }

  /**
   * Sends a datagram, or several with `segmentSize`. It is sent at the end of the turn, and counted
   * in {@link stats} if the kernel does not take it: a longer one than UDP has (`EMSGSIZE`), one
   * without a route (`ENETUNREACH`), one that a firewall refuses (`EPERM`), an answer to port 0,
   * which a sender may have forged (`EINVAL`).
   *
   * @param data a string (as UTF-8) or bytes, which are copied: 0 of them are a datagram too.
   * @param options where to and how.
   * @returns true if it was taken. False if the queue is full: it was not taken and will not be
   *   sent, and the handler `drain` is called once the queue is empty. False on a closed socket,
   *   too, after which nothing is called.
   * @throws RangeError for an address of another family, a host that is a name, port 0 beside one,
   *   more bytes than `queuedBytesMax`, more datagrams of `segmentSize` than the queue can hold;
   *   TypeError for a wrong type, and without `to` on a socket that is not connected.
   * @throws Error for a borrowed chunk whose handler has returned.
   */
  send(data: Bytes, options?: SendOptions): boolean {
    const bytes = data instanceof Uint8Array ? data : bytesOf(data);
    const length = sendableLength(bytes, 0, undefined, 'send');
    if (length > this.#settings.queuedBytesMax) throw this.#tooLong(length);
    const segmentBytes = options?.segmentSize ?? 0;
    if (options?.segmentSize !== undefined) {
      requireWhole('segmentSize', segmentBytes, 1, SEGMENTED_BYTES_MAX);
      if (length > segmentBytes * segmentsMax(segmentBytes)) throw tooMany(length, segmentBytes);
    }
    const to = this.#to(options);
    if (to === NOWHERE) return this.#toNowhere(length, segmentBytes);
    const control = this.#control(to, options);
    if (this.#closing || this.#loop.closed) return false;
    return this.#handle.send(bytes, 0, length, to, control, segmentBytes);
  }

  /**
   * Sends several datagrams to one peer, in order.
   *
   * @param list the datagrams: strings or bytes, which are copied.
   * @param options where to and how, as for {@link send}.
   * @returns how many were taken. If not all, the rest was refused, and `drain` follows.
   * @throws as {@link send}; the datagrams ahead of the one that is wrong are sent.
   */
  sendMany(list: Iterable<Bytes>, options?: SendOptions): number {
    let taken = 0;
    for (const data of list) {
      if (!this.send(data, options)) break;
      taken += 1;
    }
    return taken;
  }

  /** As if the kernel had refused it: law D6. */
  #toNowhere(length: number, segmentBytes: number): boolean {
    if (!this.isOpen) return false;
    const datagrams = segmentBytes === 0 ? 1 : Math.max(1, Math.ceil(length / segmentBytes));
    countError(this.#handle.counters.sendErrors, 'EINVAL', datagrams);
    return true;
  }

  #to(options: SendOptions | undefined): DatagramAddress | typeof NOWHERE | null {
    const to = options?.to;
    if (this.peer === null) {
      if (to !== undefined) return this.#destinations.resolve(to);
      throw new TypeError('cannot send: the socket is not connected, and there is no `to`');
    }
    if (to === undefined) return null;
    if (String(this.#destinations.resolve(to)) === String(this.peer)) return null;
    throw new RangeError(`cannot send to ${to}: the socket is connected to ${this.peer}`);
  }

  #control(to: DatagramAddress | null, options: SendOptions | undefined): SendControl | null {
    return options === undefined ? null : this.#destinations.control(to ?? this.peer, options);
  }

  #tooLong(length: number): Error {
    const { queuedBytesMax } = this.#settings;
    return new RangeError(`cannot send ${length} bytes: at most ${queuedBytesMax} are queued`);
  }

  /** Receives nothing until {@link resume}: the kernel keeps what it has room for. */
  pause(): void {
    this.#handle.pause();
  }

  /** Receives again after {@link pause}. */
  resume(): void {
    this.#handle.resume();
  }

  /**
   * The counters of the socket since it was opened; after its end the last ones.
   *
   * @returns a copy.
   */
  stats(): DatagramStats {
    const { counters } = this.#handle;
    const { sendErrors, peerErrors } = counters;
    return { ...counters, sendErrors: { ...sendErrors }, peerErrors: { ...peerErrors } };
  }

  /**
   * Closes the socket at the end of the turn. What was sent in this turn goes out; what waits
   * because the kernel had no room is dropped. The file of a UNIX socket is removed if its path
   * still leads to it.
   */
  close(): void {
    if (this.#closing || this.#loop.closed) return;
    this.#leave();
    this.#handle.close();
  }

  /** The same as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  #leave(): void {
    this.#closing = true;
    this.#file?.remove();
    this.#abort?.end();
    this.#rest?.cancel();
    this.#rest = null;
  }

  #sink(): DatagramSink {
    return {
      received: (received) => this.#received(received),
      drained: () => this.#call((handlers) => handlers.drain?.(this)),
      unreachable: (report) => this.#unreachable(report),
      ended: () => this.#call((handlers) => handlers.end?.(this)),
      failed: (errno) => {
        if (this.#closing) return;
        this.#error = sysError(
          this.#loop.sys,
          -errno,
          'recvmsg',
          `receive datagrams on ${this.address}`,
        );
        this.#leave();
      },
      closed: () => {
        this.#closed = true;
        const error = this.#error;
        this.#call((handlers) => handlers.close?.(this, error));
      },
      resting: (delayMs) => {
        this.#rest?.cancel();
        this.#rest = this.#loop.setTimer(delayMs, () => {
          this.#rest = null;
          this.#handle.retry();
        });
      },
    };
  }

  #received(received: ReceivedDatagrams): void {
    const batch = this.#batch;
    fillBatch(batch, received);
    try {
      const result = this.#handlers.datagrams?.(this, batch);
      if (mayBePromise(result)) this.#watch(result);
    } catch (error) {
      this.#handlerFailed(error);
    } finally {
      fillBatch(batch, null);
    }
  }

  #unreachable({ to, error }: UnreachableReport): void {
    const { abi } = this.#loop.sys;
    const { offender, ...rest } = error;
    const report: Unreachable = {
      ...rest,
      to: to.length === 0 ? this.peer : addressFrom(abi, to),
      offender: offender === null ? null : addressFor(abi, offender),
    };
    this.#call((handlers) => handlers.unreachable?.(this, report));
  }

  #call(handler: (handlers: DatagramHandlers) => unknown): void {
    try {
      const result = handler(this.#handlers);
      if (mayBePromise(result)) this.#watch(result);
    } catch (error) {
      this.#handlerFailed(error);
    }
  }

  #watch(result: unknown): void {
    this.#loop.callbacks.watch(result, (error) => this.#handlerFailed(error));
  }

  /** Throws where nobody is to hear of it: that ends the turn. */
  #handlerFailed(error: unknown): void {
    this.close();
    if (this.#onHandlerError === undefined) this.#loop.callbacks.failed(error, null);
    else this.#onHandlerError(error, this);
  }
}

function tooMany(length: number, segmentBytes: number): Error {
  const most = segmentsMax(segmentBytes);
  const what = `${length} bytes as datagrams of ${segmentBytes}`;
  return new RangeError(`cannot send ${what}: at most ${most} of them are queued`);
}
