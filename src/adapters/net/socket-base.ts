import { AsyncResource } from 'node:async_hooks';
import type { AddressInfo } from 'node:net';
import { Duplex, type DuplexOptions } from 'node:stream';
import type { Connection } from '../../net/stream/connection.ts';
import { checkFunction } from '../arguments.ts';
import { type ThreadLoop, threadLoop } from '../thread-loop.ts';
import { checkedTimeoutMs } from './arguments.ts';
import { addressInfo } from './endpoint-names.ts';
import { setKeepAlive, setNoDelay } from './socket-settings.ts';
import { throwLater } from './uncaught.ts';

/** An address as `address()` of node:net gives it: empty where there is none. */
export type SocketName = AddressInfo | Record<string, never>;

/** The context of accepted sockets: none, as on node:net. */
const outside = new AsyncResource('SOCKLOOP_ACCEPT');

/** What a socket tells of itself, and its settings. */
export abstract class SocketBase extends Duplex {
  /** True between `connect()` and the event of that name. */
  connecting = false;
  /** The milliseconds of {@link setTimeout}; undefined before it is called. */
  timeout?: number;
  /** The addresses that were tried, where a name has several. */
  autoSelectFamilyAttemptedAddresses?: string[];
  /** @internal */
  protected readonly thread: ThreadLoop = threadLoop();
  /** @internal */
  protected connection: Connection<this> | null = null;
  /** @internal Between `connect()`, or the acceptance, and the destruction. */
  protected hasHandle = false;
  /** @internal */
  protected noDelay: boolean;
  #keepAlive: boolean;
  #keepAliveDelayMs: number;
  #referenced = true;
  #held = false;
  #timer: NodeJS.Timeout | undefined;
  #queuedThen = 0;
  #peer: SocketName | null = null;
  #scope: AsyncResource | null = null;

  /** @internal */
  constructor(options: DuplexOptions, settings: SettingsAtOpen) {
    super(options);
    this.noDelay = Boolean(settings.noDelay);
    this.#keepAlive = Boolean(settings.keepAlive);
    this.#keepAliveDelayMs = settings.keepAliveInitialDelay ?? 0;
  }

  /** @internal Applies the settings to a connection that has just been opened. */
  protected applySettings(connection: Connection<unknown>): void {
    if (this.noDelay) setNoDelay(connection, true);
    if (this.#keepAlive) setKeepAlive(connection, true, this.#keepAliveDelayMs);
  }

  /** @internal Its events have the asynchronous context of this call, as those of node:net have. */
  protected openScope(): void {
    this.#scope = new AsyncResource('SOCKLOOP_SOCKET');
  }

  /** @internal Its events have no asynchronous context. */
  protected openOuterScope(): void {
    outside.runInAsyncScope(this.openScope, this);
  }

  /** @internal Calls a method that the loop reports to, and which calls listeners. */
  protected inScope<Told>(method: (told: Told) => void, told: Told): void;
  protected inScope(method: () => void): void;
  protected inScope(method: (told: unknown) => void, told?: unknown): void {
    try {
      if (this.#scope === null) method.call(this, told);
      else this.#scope.runInAsyncScope(method, this, told);
    } catch (error) {
      throwLater(error);
    }
  }

  /** @internal Has the loop keep the process alive, or not, as the state of the socket says. */
  protected hold(isOpen = this.hasHandle): void {
    const isHeld = this.#referenced && isOpen;
    if (isHeld === this.#held) return;
    this.#held = isHeld;
    if (isHeld) this.thread.hold();
    else this.thread.release();
  }

  /**
   * Has the open socket keep the process alive, as it does at first.
   *
   * @returns the socket.
   */
  ref(): this {
    this.#referenced = true;
    this.hold();
    return this;
  }

  /**
   * Lets the process end although the socket is open.
   *
   * @returns the socket.
   */
  unref(): this {
    this.#referenced = false;
    this.hold();
    return this;
  }

  /**
   * Sets `TCP_NODELAY`, now or once it is connected. No effect on a UNIX socket.
   *
   * @param noDelay whether written bytes are sent at once. Default: true.
   * @returns the socket.
   */
  setNoDelay(noDelay = true): this {
    this.noDelay = Boolean(noDelay);
    if (this.connection?.isOpen === true) setNoDelay(this.connection, this.noDelay);
    return this;
  }

  /**
   * Sets `SO_KEEPALIVE`, now or once it is connected. No effect on a UNIX socket.
   *
   * @param enable whether an idle connection is probed. Default: false.
   * @param initialDelayMs milliseconds until the first probe; below 1000 the system's.
   * @returns the socket.
   */
  setKeepAlive(enable = false, initialDelayMs = 0): this {
    this.#keepAlive = Boolean(enable);
    this.#keepAliveDelayMs = initialDelayMs;
    if (this.connection?.isOpen === true) {
      setKeepAlive(this.connection, this.#keepAlive, initialDelayMs);
    }
    return this;
  }

  /**
   * Emits `timeout` once nothing was received or written for a while. The socket stays open.
   *
   * @param timeoutMs milliseconds, 0 for none.
   * @param callback is called at the next timeout; with 0 it is called no more.
   * @returns the socket.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
   */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    if (this.destroyed) return this;
    this.timeout = timeoutMs;
    const ms = checkedTimeoutMs(timeoutMs);
    this.stopTimer();
    checkFunction(callback, 'callback');
    if (ms > 0) {
      this.#timer = setTimeout(() => this.#timedOut(), ms).unref();
      if (callback !== undefined) this.once('timeout', callback);
    } else if (callback !== undefined) {
      this.off('timeout', callback);
    }
    return this;
  }

  #timedOut(): void {
    const queued = this.connection?.queuedBytes ?? 0;
    const isMoving = queued > 0 && queued !== this.#queuedThen;
    this.#queuedThen = queued;
    if (isMoving) this.touch();
    else this.emit('timeout');
  }

  /** @internal Something has happened: the timeout starts anew. */
  protected touch(): void {
    this.#timer?.refresh();
  }

  /** @internal */
  protected stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Tells its own address.
   *
   * @returns the address; an empty object if there is none.
   */
  address(): SocketName {
    return this.pending ? {} : addressInfo(this.connection?.localAddress ?? null);
  }

  /** @internal Reads the name of the peer while it can be read. */
  protected peerName(): SocketName {
    if (this.#peer === null && !this.pending) {
      this.#peer = addressInfo(this.connection?.remoteAddress ?? null);
    }
    return this.#peer ?? {};
  }

  /** @internal It is about to connect to another one. */
  protected forgetPeer(): void {
    this.#peer = null;
  }

  /** The peer's IP address; undefined if there is none. */
  get remoteAddress(): string | undefined {
    return this.peerName().address;
  }

  /** The peer's port; undefined if there is none. */
  get remotePort(): number | undefined {
    return this.peerName().port;
  }

  /** `IPv4` or `IPv6`; undefined without a peer's address. */
  get remoteFamily(): string | undefined {
    return this.peerName().family;
  }

  /** Its own IP address; undefined if there is none. */
  get localAddress(): string | undefined {
    return this.address().address;
  }

  /** Its own port; undefined if there is none. */
  get localPort(): number | undefined {
    return this.address().port;
  }

  /** `IPv4` or `IPv6`; undefined without an address of its own. */
  get localFamily(): string | undefined {
    return this.address().family;
  }

  /** How many bytes were received. */
  get bytesRead(): number {
    return this.connection?.bytesReceived ?? 0;
  }

  /** How many bytes wait to be written; undefined without a connection. */
  get bufferSize(): number | undefined {
    return this.hasHandle ? this.writableLength : undefined;
  }

  /** Whether it is not connected: not yet, or no more. */
  get pending(): boolean {
    return !this.hasHandle || this.connecting;
  }

  /** Its state, by the sides that are open. */
  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }
}

/** The settings of a socket that are applied once it is open. */
interface SettingsAtOpen {
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
}
