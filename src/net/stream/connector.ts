import { requireFunction, requireHost, requirePort, requireWhole } from '../../base/arguments.ts';
import { encodeProxyHeader, type ProxyHeaderOptions } from '../../framing/proxy-encoder.ts';
import type { Loop } from '../../loop/loop.ts';
import type { Timer } from '../../loop/timers.ts';
import { tooHigh } from '../../loop/watchable.ts';
import type { Endpoint } from '../../socket/create.ts';
import { optionNumbers } from '../../socket/options/table.ts';
import { dropAtClose, isSelfConnected, selfConnectionError } from '../../socket/self-connection.ts';
import { openStream } from '../../sys/descriptors.ts';
import {
  encodeSockaddr,
  familyNumber,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../../sys/sockaddr.ts';
import { sysError } from '../../sys/sys-error.ts';
import {
  interleaved,
  isNumeric,
  type Lookup,
  lookupError,
  noAddress,
  numericAddresses,
  systemLookup,
} from '../addresses.ts';
import { AbortWatch, requireSignal } from '../async/abort.ts';
import { publishOpen } from '../diagnostics.ts';
import { ATTEMPT_DELAY_MS, TIMEOUT_MS_MAX, UNIX_RETRY_MS } from '../limits.ts';
import { bindLocal, type LocalEnd, localEnd } from '../local-end.ts';
import { ConnectAttempt } from './connect-attempt.ts';
import type { ConnectionSettings } from './connection.ts';
import { ConnectionGroup, checkedTimeout } from './connection-group.ts';
import { StreamConnection } from './stream-connection.ts';

/** Where and how to connect. */
export type ConnectOptions<Data = undefined> = Endpoint & ConnectSettings<Data>;

/** How to connect. */
export interface ConnectSettings<Data = undefined> extends ConnectionSettings<Data> {
  /**
   * The longest time in milliseconds until the connection is established, the look-up of the name
   * included: above 0, at most 2^31 - 1. Default: null, no limit.
   */
  readonly timeoutMs?: number | null;
  /**
   * After so many milliseconds without an answer the next address is tried as well: 0 to 2^31 - 1.
   * Default: 250.
   */
  readonly attemptDelayMs?: number;
  /**
   * The address of this machine to connect from, numeric, with a zone if it needs one
   * (`fe80::1%eth0`). Only addresses of its family are tried. Default: the kernel's choice.
   */
  readonly localAddress?: string;
  /** The port to connect from, 1 to 65535; not with a path. Default: the kernel's choice. */
  readonly localPort?: number;
  /**
   * A header of the PROXY protocol that is sent as the first bytes, before `open` is called: it
   * tells a server for whom this program connects. It counts as sent. Default: none.
   */
  readonly proxyProtocol?: ProxyHeaderOptions;
  /** Looks the name up. Default: the system's resolver. */
  readonly lookup?: Lookup;
  /**
   * Cancels the operation when it aborts: `onError` then gets its `reason`, whatever that is. Once
   * the connection is established, it has no effect.
   */
  readonly signal?: AbortSignal;
  /**
   * The connect has failed; called once. Without this handler the error goes to `onHandlerError`
   * of the loop, or ends its `run()`.
   *
   * @param error the last of `errors`, a SysError `ETIMEDOUT` after `timeoutMs`, or the reason of
   *   `signal`.
   * @param errors why each address failed, in that order: SysErrors, or a ResolveError for the
   *   name.
   */
  onError?(error: Error, errors: readonly Error[]): void;
}

// Used within one call at a time; each thread has its own copy of this module.
const name = new Uint8Array(SOCKADDR_BYTES_MAX);

/** Starts to connect: `EventLoop.connect`. */
export let connectOn: <Data>(loop: Loop, options: ConnectOptions<Data>) => Connector<Data>;

/**
 * A connect operation, returned by `EventLoop.connect`. It ends with `open` of the handlers, with
 * `onError`, or with {@link cancel}.
 *
 * The addresses of a host are tried as in RFC 8305: families alternate, and the next attempt starts
 * once one fails or after 250 ms, beside those that have not answered yet. The first to connect
 * wins, and the others are closed.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 *
 * using loop = new EventLoop();
 * let failure = '';
 * const connector = loop.connect({
 *   host: '127.0.0.1',
 *   port: 1,
 *   timeoutMs: 1000,
 *   handlers: { open: (connection) => connection.end() },
 *   onError: (error) => {
 *     failure = error.message;
 *   },
 * });
 * assert(connector.connecting);
 * await loop.run();
 * assert.equal(failure, 'cannot connect to 127.0.0.1:1: ECONNREFUSED (connection refused)');
 * ```
 */
export class Connector<Data = undefined> implements Disposable {
  readonly #loop: Loop;
  readonly #options: ConnectOptions<Data>;
  readonly #group: ConnectionGroup<Data>;
  readonly #attemptDelayMs: number;
  readonly #local: LocalEnd | null;
  /** The PROXY header to begin with. */
  readonly #header: Uint8Array | null;
  readonly #attempts = new Set<ConnectAttempt>();
  readonly #errors: Error[] = [];
  #addresses: SocketAddress[] = [];
  #next: Timer | null = null;
  readonly #deadline: Timer | null = null;
  /** Set while a UNIX connect waits for room in the queue of its listener. */
  #retry: Timer | null = null;
  #looking = false;
  #over = false;
  readonly #abort: AbortWatch | null = null;

  static {
    connectOn = (loop, options) => new Connector(loop, options);
  }

  private constructor(loop: Loop, options: ConnectOptions<Data>) {
    this.#loop = loop;
    this.#options = options;
    this.#group = new ConnectionGroup(loop, options, !('path' in options), null);
    this.#attemptDelayMs = options.attemptDelayMs ?? ATTEMPT_DELAY_MS;
    requireWhole('attemptDelayMs', this.#attemptDelayMs, 0, TIMEOUT_MS_MAX);
    requireFunction('onError', options.onError);
    requireSignal(options.signal);
    this.#local = localEnd(loop.sys, options);
    const { proxyProtocol } = options;
    this.#header = proxyProtocol === undefined ? null : encodeProxyHeader(proxyProtocol);
    const timeoutMs = checkedTimeout(options.timeoutMs ?? null, 'a timeout');
    const { signal } = options;
    if (signal?.aborted === true) {
      loop.defer(() => this.#fail(signal.reason));
      return;
    }
    const addresses = this.#knownAddresses();
    if (signal !== undefined)
      this.#abort = new AbortWatch(loop, signal, () => this.#aborted(signal));
    if (timeoutMs !== null) {
      this.#deadline = loop.setTimer(timeoutMs, () => this.#timedOut(timeoutMs));
    }
    if (addresses !== null) this.#found(addresses);
  }

  /** Whether the operation is still under way. */
  get connecting(): boolean {
    return !this.#over;
  }

  /** Cancels the operation: no handler is called. Does nothing once it has ended. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#looking) this.#loop.releaseNodeLoop();
    this.#looking = false;
    this.#next?.cancel();
    this.#deadline?.cancel();
    this.#retry?.cancel();
    this.#abort?.end();
    for (const attempt of this.#attempts) attempt.cancel();
    this.#attempts.clear();
  }

  /** Cancels the operation, as {@link cancel}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.cancel();
  }

  /** The addresses to try, or null after starting a look-up. */
  #knownAddresses(): SocketAddress[] | null {
    const options = this.#options;
    if ('path' in options) return [checked({ family: 'UNIX', path: options.path }, this.#loop)];
    const { host, port, lookup = systemLookup } = options;
    requireHost(host);
    requirePort(port);
    if (typeof lookup !== 'function') requireFunction('lookup', lookup);
    if (host === null || isNumeric(host)) return this.#numeric(host, port);
    this.#looking = true;
    lookup(host, (error, found) => {
      if (!this.#looking || this.#over || this.#loop.closed) return;
      this.#looking = false;
      // Node's own loop calls this; handlers run in a turn of ours.
      this.#loop.defer(() => {
        this.#loop.releaseNodeLoop();
        if (!this.#over) this.#resolved(host, port, error, found);
      });
    });
    // After the call: a look-up that throws holds nothing.
    this.#loop.holdNodeLoop();
    return null;
  }

  #resolved(host: string, port: number, error: Error | null, found: readonly string[]): void {
    const { sys } = this.#loop;
    if (error !== null) {
      this.#errors.push(lookupError(error, host, sys));
    } else if (found.length === 0) {
      this.#errors.push(noAddress(host));
    }
    this.#found(found.flatMap((address) => this.#numeric(address, port)));
  }

  #numeric(address: string | null, port: number): SocketAddress[] {
    try {
      return numericAddresses(address, port, this.#loop.sys);
    } catch (error) {
      // An unknown zone.
      this.#errors.push(error instanceof Error ? error : new Error(String(error)));
      return [];
    }
  }

  #found(addresses: readonly SocketAddress[]): void {
    this.#addresses = interleaved(addresses);
    this.#attemptNext();
  }

  /** Starts an attempt at the next address for which a socket can be opened. */
  #attemptNext(): void {
    this.#next?.cancel();
    this.#next = null;
    for (let address = this.#addresses.shift(); address; address = this.#addresses.shift()) {
      if (this.#attempt(address)) break;
    }
    if (this.#addresses.length > 0) {
      this.#next = this.#loop.setTimer(this.#attemptDelayMs, () => this.#attemptNext());
    } else if (this.#attempts.size === 0 && this.#retry === null) {
      // The program's call may be on the stack: law 2.
      this.#loop.defer(() => this.#fail(this.#errors.at(-1)));
    }
  }

  /** Starts an attempt. Returns false, and records the error, where that fails. */
  #attempt(address: SocketAddress): boolean {
    const { sys, backend } = this.#loop;
    try {
      encodeSockaddr(sys.abi, address, name);
    } catch (error) {
      // The program's own look-up may return anything.
      this.#errors.push(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
    const fd = openStream(sys, familyNumber(sys.abi, address.family), true);
    if (fd < 0) {
      this.#errors.push(sysError(sys, fd, 'socket', 'open a socket to connect to', address));
      return false;
    }
    if (fd >= backend.fdLimit) {
      sys.close(fd);
      this.#errors.push(tooHigh(fd, backend));
      return false;
    }
    const unbound = this.#local === null ? null : bindLocal(sys, fd, this.#local, address);
    if (unbound !== null) {
      sys.close(fd);
      this.#errors.push(unbound);
      return false;
    }
    const attempt = new ConnectAttempt(this.#loop, address, fd, {
      connected: (winner) => this.#connected(winner),
      failed: (loser, errno) => this.#failed(loser, errno),
    });
    this.#attempts.add(attempt);
    return true;
  }

  #connected(attempt: ConnectAttempt): void {
    this.#attempts.delete(attempt);
    if (isSelfConnected(this.#loop.sys, attempt.fd, attempt.address)) {
      this.#refuseSelf(attempt);
      return;
    }
    this.cancel();
    if (this.#group.noDelay) {
      const { sys } = this.#loop;
      const { level, name } = optionNumbers(sys.abi, 'TCP_NODELAY');
      // It fails if the peer has reset the connection already, which the next call reports.
      sys.setsockopt(attempt.fd, level, name, ON, ON.length);
    }
    const connection = new StreamConnection(this.#group, attempt.fd, attempt.address);
    if (this.#header !== null) connection.write(this.#header);
    publishOpen(connection, null);
    connection.opened();
  }

  #failed(attempt: ConnectAttempt, errno: number): void {
    const { sys } = this.#loop;
    this.#attempts.delete(attempt);
    const { address } = attempt;
    if (address.family === 'UNIX' && errno === sys.abi.errno.EAGAIN) {
      // The listener's queue is full, and no event reports room in it: connect(2), EAGAIN.
      this.#retry = this.#loop.setTimer(UNIX_RETRY_MS, () => {
        this.#retry = null;
        this.#found([address]);
      });
      return;
    }
    this.#errors.push(sysError(sys, -errno, 'connect', 'connect to', address));
    this.#attemptNext();
  }

  #refuseSelf({ fd, address }: ConnectAttempt): void {
    const { sys } = this.#loop;
    dropAtClose(sys, fd);
    sys.close(fd);
    this.#errors.push(selfConnectionError(sys, address));
    this.#attemptNext();
  }

  #timedOut(timeoutMs: number): unknown {
    const { sys } = this.#loop;
    const reason = `no answer within ${timeoutMs} ms`;
    const { ETIMEDOUT } = sys.abi.errno;
    const options = this.#options;
    const [attempt] = this.#attempts;
    const where = 'path' in options ? options.path : `"${options.host}" port ${options.port}`;
    const [what, on] =
      attempt === undefined ? [`connect to ${where}`] : (['connect to', attempt.address] as const);
    return this.#fail(sysError(sys, -ETIMEDOUT, 'connect', what, on, reason));
  }

  #aborted(signal: AbortSignal): void {
    this.cancel();
    // The program's call may be on the stack: law 2.
    this.#loop.defer(() => this.#tell(signal.reason));
  }

  /** Runs in a timer or a task, which sees to the errors of `onError`. Returns its promise. */
  #fail(error: Error | undefined): unknown {
    if (this.#over || error === undefined) return;
    this.cancel();
    return this.#tell(error);
  }

  #tell(error: Error): unknown {
    if (this.#options.onError === undefined) throw error;
    return this.#options.onError(error, this.#errors);
  }
}

/** Returns `address`, or throws a RangeError for an invalid one. */
function checked(address: SocketAddress, loop: Loop): SocketAddress {
  encodeSockaddr(loop.sys.abi, address, name);
  return address;
}

/** An int that is 1. */
const ON = new Uint8Array([1, 0, 0, 0]);
