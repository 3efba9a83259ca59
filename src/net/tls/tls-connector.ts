import { requireFunction, requireObject } from '../../base/arguments.ts';
import type { Loop } from '../../loop/loop.ts';
import type { Endpoint } from '../../socket/create.ts';
import { AbortWatch } from '../async/abort.ts';
import type { ConnectionHandlers } from '../stream/connection.ts';
import { type Connector, type ConnectSettings, connectOn } from '../stream/connector.ts';
import { type ClientTls, connectTls, contextOf } from './tls-client.ts';
import type { TlsConnectionSettings } from './tls-connection.ts';
import { type HandshakeSink, plainSettings, TlsGroup, transportHandlers } from './tls-group.ts';
import { TlsStreamConnection } from './tls-stream-connection.ts';

/** Where and how to connect by TLS. */
export type TlsConnectOptions<Data = undefined> = Endpoint & TlsConnectSettings<Data>;

/** How to connect by TLS. */
export interface TlsConnectSettings<Data = undefined>
  extends TlsConnectionSettings<Data>,
    Omit<ConnectSettings<Data>, keyof TlsConnectionSettings<Data> | 'chunks' | 'onError'> {
  /**
   * What node:tls takes, by its names: `ca`, `key`, `cert`, `ALPNProtocols`, `servername`,
   * `rejectUnauthorized`, `checkServerIdentity`, `session`, `minVersion`, ... `servername` is the
   * host unless that is an address. The context of an object is made once: pass the same one to
   * each call.
   */
  readonly tls?: ClientTls;
  /**
   * The longest time in milliseconds until `open`, the look-up of the name and the handshake
   * included: above 0, at most 2^31 - 1. Default: null, no limit but `handshakeTimeoutMs`.
   */
  readonly timeoutMs?: number | null;
  /**
   * The connect or the handshake has failed; called once. Without this handler the error goes to
   * `onHandlerError` of the loop, or ends its `run()`.
   *
   * @param error what `onError` of `loop.connect` gets, or a {@link TlsError} with the code of
   *   node:tls.
   * @param errors why each address failed; the same error alone for a handshake.
   */
  onError?(error: Error, errors: readonly Error[]): void;
}

/** Starts to connect: `connect` of sockloop/tls. */
export let connectTlsOn: <Data>(loop: Loop, options: TlsConnectOptions<Data>) => TlsConnector<Data>;

const NO_TLS: ClientTls = {};

/**
 * A connect operation with its handshake, returned by `connect` of `sockloop/tls`. It ends with
 * `open` of the handlers, with `onError`, or with {@link cancel}.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 * import { connect, listen } from 'sockloop/tls';
 *
 * using loop = new EventLoop();
 * // A key that both sides know stands for a certificate here.
 * const psk = Buffer.from('0123456789abcdef');
 * const tls = { ciphers: 'PSK', maxVersion: 'TLSv1.2' as const };
 * const listener = listen(loop, {
 *   host: '127.0.0.1',
 *   port: 0,
 *   tls: { ...tls, pskCallback: () => psk },
 *   handlers: {
 *     data: (connection, chunk) => void connection.write(chunk),
 *     close: () => listener.close(),
 *   },
 * });
 * let echo = '';
 * const connector = connect(loop, {
 *   host: '127.0.0.1',
 *   port: listener.port ?? 0,
 *   timeoutMs: 5000,
 *   tls: {
 *     ...tls,
 *     pskCallback: () => ({ psk, identity: 'a client' }),
 *     checkServerIdentity: () => undefined,
 *   },
 *   handlers: {
 *     open: (connection) => connection.end('hello'),
 *     data: (_, chunk) => void (echo += new TextDecoder().decode(chunk)),
 *   },
 * });
 * assert(connector.connecting);
 * await loop.run();
 * assert.equal(echo, 'hello');
 * ```
 */
export class TlsConnector<Data = undefined> implements Disposable {
  readonly #loop: Loop;
  readonly #group: TlsGroup<Data>;
  readonly #tls: ClientTls;
  readonly #host: string | null;
  readonly #onError: TlsConnectSettings<Data>['onError'];
  readonly #deadlineMs: number;
  readonly #connector: Connector<TlsStreamConnection<Data>>;
  #connection: TlsStreamConnection<Data> | null = null;
  #abort: AbortWatch | null = null;
  #over = false;

  static {
    connectTlsOn = (loop, options) => new TlsConnector(loop, options);
  }

  private constructor(loop: Loop, options: TlsConnectOptions<Data>) {
    const { tls = NO_TLS, signal } = options;
    requireObject('tls', tls);
    requireFunction('onError', options.onError);
    this.#loop = loop;
    this.#tls = tls;
    this.#group = new TlsGroup(loop, options);
    this.#host = 'path' in options ? null : (options.host ?? 'localhost');
    this.#onError = options.onError?.bind(options);
    this.#deadlineMs = loop.nowMs + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
    // What is wrong with the options is told by the call.
    contextOf(tls);
    this.#connector = connectOn(loop, {
      ...plainSettings(options),
      handlers: this.#handlers(signal),
      onError: (error, errors) => this.#tell(error, errors),
    });
  }

  #handlers(signal: AbortSignal | undefined): ConnectionHandlers<TlsStreamConnection<Data>> {
    return {
      ...transportHandlers<Data>(),
      open: (plain) => {
        const leftMs = Math.max(this.#deadlineMs - this.#loop.nowMs, 1);
        const connection = new TlsStreamConnection(this.#group, plain, this.#sink());
        plain.data = connection;
        this.#connection = connection;
        if (signal !== undefined) {
          this.#abort = new AbortWatch(this.#loop, signal, () => this.#aborted(signal));
        }
        const timeoutMs = Math.min(this.#group.handshakeTimeoutMs, leftMs);
        connectTls(this.#tls, this.#host, connection, timeoutMs);
      },
    };
  }

  #sink(): HandshakeSink<Data> {
    return {
      secured: () => this.#end(),
      failed: (error) => {
        if (this.#over) return;
        this.#end();
        this.#loop.callbacks.call(() => this.#tell(error, [error]));
      },
      closed: () => undefined,
    };
  }

  #aborted(signal: AbortSignal): void {
    this.cancel();
    // The program's call may be on the stack: law 2.
    this.#loop.defer(() => this.#tell(signal.reason, []));
  }

  #end(): void {
    this.#over = true;
    this.#abort?.end();
  }

  #tell(error: Error, errors: readonly Error[]): unknown {
    this.#over = true;
    if (this.#onError === undefined) throw error;
    return this.#onError(error, errors);
  }

  /** Whether the operation, or its handshake, is still under way. */
  get connecting(): boolean {
    return !this.#over;
  }

  /** Cancels the operation: no handler is called. Does nothing once it has ended. */
  cancel(): void {
    if (this.#over) return;
    this.#end();
    this.#connector.cancel();
    this.#connection?.cancel();
  }

  /** Cancels the operation, as {@link cancel}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.cancel();
  }
}
