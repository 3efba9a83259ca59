import type { Server } from 'node:tls';
import { requireFlag, requireFunction, requireObject, shown } from '../../base/arguments.ts';
import { copyOf, viewOf } from '../../base/bytes.ts';
import { hostText, type SocketAddress } from '../../sys/sockaddr.ts';
import type { Connection, ConnectionHandlers } from '../stream/connection.ts';
import { StreamConnection } from '../stream/stream-connection.ts';
import { type ClientTls, connectTls, contextOf } from './tls-client.ts';
import type { TlsConnection, TlsConnectionSettings } from './tls-connection.ts';
import { TlsGroup } from './tls-group.ts';
import { acceptTls, type ServerTls, tlsServer } from './tls-server.ts';
import { TlsStreamConnection } from './tls-stream-connection.ts';

/** How to start TLS on a connection, as its client or as its server. */
export type StartTlsOptions<Data = undefined> = StartTlsSettings<Data> &
  (StartTlsAsClient | StartTlsAsServer);

/** TLS as a client. */
export interface StartTlsAsClient {
  /** Whether this side is the server of TLS. Default: false. */
  readonly isServer?: false;
  /** What node:tls takes: see `connect`. `servername` is what the certificate has to be for. */
  readonly tls?: ClientTls;
}

/** TLS as a server. */
export interface StartTlsAsServer {
  /** This side is the server of TLS. */
  readonly isServer: true;
  /**
   * What node:tls takes: see `listen`. The context of an object is made once: pass the same one to
   * each call.
   */
  readonly tls: ServerTls;
}

/** How to start TLS, on either side. */
export interface StartTlsSettings<Data = undefined>
  extends Pick<
    TlsConnectionSettings<Data>,
    'handlers' | 'handshakeTimeoutMs' | 'queueBytesHigh' | 'queueBytesMax'
  > {
  /**
   * Bytes of TLS that were received already: what followed the command that starts it, in the same
   * chunk. They are copied.
   */
  readonly head?: ArrayBufferView;
  /**
   * A handler has thrown, or the promise that it returned was rejected: see `onHandlerError` of
   * `loop.listen`. The connection is closed without close_notify.
   *
   * @param error what was thrown.
   * @param connection the connection whose handler it was.
   */
  onHandlerError?(error: unknown, connection: TlsConnection<Data>): void;
  /**
   * The handshake has failed, or the connection was closed before it was done; called once. The
   * connection is closed. Without this handler the error goes to `onHandlerError` of the loop, or
   * ends its `run()`.
   *
   * @param error a {@link TlsError} with the code of node:tls, or a SysError.
   */
  onError?(error: Error): void;
}

// Reading keys and certificates takes milliseconds: once for each object of options.
const servers = new WeakMap<ServerTls, Server>();

const NO_TLS: ClientTls = {};

/**
 * Starts TLS on a running connection, as after STARTTLS. `open` of the new handlers gets the TLS
 * connection once the handshake is done.
 *
 * What was written before goes ahead, in plain. From the call on the connection belongs to TLS: its
 * own handlers are not called any more, and it is not to be written to. Its idle timeout stays.
 *
 * @param connection a connection of `loop.listen`, `loop.connect` or `loop.adopt`, both of whose
 *   sides are open.
 * @param options the role, what node:tls takes, and the handlers.
 * @throws Error for a connection that is closed or was ended, or that a stream or TLS has already.
 * @throws TypeError or RangeError for an option of a wrong type or value, and what node:tls throws
 *   for wrong keys and certificates.
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { createConnection, EventLoop } from 'sockloop';
 * import { startTls } from 'sockloop/tls';
 *
 * using loop = new EventLoop();
 * let code: unknown = '';
 * const listener = loop.listen({
 *   host: '127.0.0.1',
 *   port: 0,
 *   handlers: {
 *     data: (connection, chunk) => {
 *       if (!new TextDecoder().decode(chunk).startsWith('STARTTLS\n')) return connection.end();
 *       connection.write('ready\n');
 *       startTls(connection, {
 *         isServer: true,
 *         tls: {}, // In earnest: key and cert.
 *         head: chunk.subarray(9),
 *         handlers: { data: (secure, secret) => void secure.write(secret) },
 *         onError: (error) => {
 *           code = (error as { code?: unknown }).code;
 *           listener.close();
 *         },
 *       });
 *     },
 *   },
 * });
 * using client = createConnection({ host: '127.0.0.1', port: listener.port ?? 0 });
 * client.sendAll('STARTTLS\nand no TLS');
 * await loop.run();
 * assert.equal(code, 'ERR_SSL_WRONG_VERSION_NUMBER');
 * ```
 */
export function startTls<Data = undefined>(
  connection: Connection<unknown>,
  options: StartTlsOptions<Data>,
): void {
  if (!(connection instanceof StreamConnection)) {
    throw new TypeError(`cannot start TLS on ${shown(connection)}: it is no connection of a loop`);
  }
  requireObject('options', options);
  requireFlag('isServer', options.isServer);
  requireFunction('onError', options.onError);
  const { loop } = connection;
  const onError = options.onError?.bind(options);
  const group = new TlsGroup(loop, options);
  const begin = beginning<Data>(options, connection.remoteAddress, group.handshakeTimeoutMs);
  const secure = new TlsStreamConnection<Data>(group, connection, {
    secured: () => undefined,
    failed: (error) => {
      loop.callbacks.call(() => {
        if (onError === undefined) throw error;
        return onError(error);
      });
    },
    closed: () => undefined,
  });
  const upgrade = new Upgrade(secure, options.head);
  connection.handOver(upgrade);
  begin(secure);
  connection.resume();
  // The program's call is on the stack: law 2.
  loop.defer(() => upgrade.receiveHead());
}

/** What hands the transport to node:tls. Throws for wrong options. */
function beginning<Data>(
  options: StartTlsOptions<Data>,
  remote: SocketAddress | null,
  timeoutMs: number,
): (secure: TlsStreamConnection<Data>) => void {
  if (options.isServer === true) {
    const { tls } = options;
    requireObject('tls', tls);
    const server = servers.get(tls) ?? tlsServer(tls, undefined, undefined);
    servers.set(tls, server);
    return (secure) => acceptTls(server, secure, timeoutMs);
  }
  const { tls = NO_TLS } = options;
  requireObject('tls', tls);
  contextOf(tls);
  // Without a name the certificate has to be for the address.
  const host = remote === null || remote.family === 'UNIX' ? null : hostText(remote);
  return (secure) => connectTls(tls, host, secure, timeoutMs);
}

/** The handlers of a connection on which TLS was started. */
class Upgrade<Data> implements ConnectionHandlers<unknown> {
  readonly #secure: TlsStreamConnection<Data>;
  #head: Uint8Array | null;

  constructor(secure: TlsStreamConnection<Data>, head: ArrayBufferView | undefined) {
    this.#secure = secure;
    this.#head = head === undefined ? null : copyOf(viewOf(head));
  }

  receiveHead(): void {
    const head = this.#head;
    this.#head = null;
    if (head !== null && head.length > 0) this.#secure.receive(head);
  }

  data(_: unknown, chunk: Uint8Array): void {
    if (this.#head !== null) this.receiveHead();
    this.#secure.receive(chunk);
  }

  drain(): void {
    this.#secure.transportDrained();
  }

  end(): void {
    this.receiveHead();
    this.#secure.transportEnded();
  }

  close(_: unknown, error: Error | null): void {
    this.#secure.transportClosed(error);
  }
}
