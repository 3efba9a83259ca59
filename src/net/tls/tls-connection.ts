import type { CipherNameAndProtocol, PeerCertificate, TLSSocket } from 'node:tls';
import type { Connection, ConnectionSettings } from '../stream/connection.ts';

/**
 * The handlers of TLS connections: one object for all of a listener or of a `connect`. They are
 * called as those of a plain connection are (see `ConnectionHandlers` of sockloop), with what was
 * decrypted.
 */
export interface TlsConnectionHandlers<Data = undefined> {
  /**
   * The handshake is done.
   *
   * @param connection the new connection.
   */
  open?(connection: TlsConnection<Data>): void;
  /**
   * Bytes were received and decrypted.
   *
   * @param connection the connection.
   * @param chunk the bytes, at least 1: the program's own, to keep and to change.
   */
  data?(connection: TlsConnection<Data>, chunk: Uint8Array): void;
  /**
   * The queue is empty again after `write` has returned false.
   *
   * @param connection the connection.
   */
  drain?(connection: TlsConnection<Data>): void;
  /**
   * The peer has ended its side by close_notify: everything that it sent has arrived. Without this
   * handler the connection ends its own side too, behind what is queued.
   *
   * @param connection the connection.
   */
  end?(connection: TlsConnection<Data>): void;
  /**
   * The descriptor is closed.
   *
   * @param connection the connection.
   * @param error what broke the connection, null if nothing did: a SysError, or a
   *   {@link TlsError}, of the code `ERR_SSL_UNEXPECTED_EOF_WHILE_READING` for a peer that ended
   *   without close_notify, so that some of what it sent may be missing.
   */
  close?(connection: TlsConnection<Data>, error: Error | null): void;
  /**
   * A client got a session, with which a later `connect` can resume: as `tls.session`. With TLS 1.3
   * several come, behind the handshake.
   *
   * @param connection the connection.
   * @param session the session, as node:tls encodes it.
   */
  session?(connection: TlsConnection<Data>, session: Uint8Array): void;
}

/** Options of all TLS connections of a listener or of a `connect`. */
export interface TlsConnectionSettings<Data = undefined>
  extends Omit<ConnectionSettings<Data>, 'handlers' | 'chunks' | 'onHandlerError'> {
  /** The handlers, shared by all of the connections. */
  readonly handlers: TlsConnectionHandlers<Data>;
  /**
   * The longest time in milliseconds for the handshake, above 0 and at most 2^31 - 1. Default:
   * 10,000.
   */
  readonly handshakeTimeoutMs?: number;
  /**
   * A handler has thrown, or the promise that it returned was rejected: see `onHandlerError` of
   * `loop.listen`. The connection is closed without close_notify.
   *
   * @param error what was thrown.
   * @param connection the connection whose handler it was.
   */
  onHandlerError?(error: unknown, connection: TlsConnection<Data>): void;
}

/**
 * A TLS connection on an event loop: a `Connection` whose bytes are encrypted on their way.
 *
 * `write`, `data` and the counters mean the program's bytes; `queuedBytes` and
 * `unacknowledgedBytes` what was encrypted, some 22 bytes more for each record of 16 KiB.
 *
 * - `end()` sends close_notify and then FIN, behind what is queued.
 * - `close()` sends close_notify if nothing is queued. What is queued it drops, without
 *   close_notify: the peer sees that something is missing.
 * - `reset()` sends none, nor does a connection whose handler has failed.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 * import { connect } from 'sockloop/tls';
 *
 * using loop = new EventLoop();
 * let reason = '';
 * connect(loop, {
 *   host: '127.0.0.1',
 *   port: 1,
 *   handlers: {
 *     open: (connection) => connection.end(`speaking ${connection.protocol}`),
 *   },
 *   onError: (error) => {
 *     reason = error.message;
 *   },
 * });
 * await loop.run();
 * assert.equal(reason, 'cannot connect to 127.0.0.1:1: ECONNREFUSED (connection refused)');
 * ```
 */
export interface TlsConnection<Data = undefined> extends Connection<Data> {
  /** The protocol that ALPN has chosen, null if none. */
  readonly alpnProtocol: string | null;
  /** The name that the client asked for (SNI), null if none. */
  readonly servername: string | null;
  /** Whether the peer's certificate was verified. False where none was asked for. */
  readonly authorized: boolean;
  /** Why the peer's certificate was not verified, a code of node:tls; null if it was. */
  readonly authorizationError: string | null;
  /** `TLSv1.3` or `TLSv1.2`; null once the connection is closed. */
  readonly protocol: string | null;
  /** The cipher suite; null once the connection is closed. */
  readonly cipher: CipherNameAndProtocol | null;
  /** The session, for `tls.session` of a later `connect`; with TLS 1.3 prefer the handler. */
  readonly session: Uint8Array | null;
  /** Whether the handshake has resumed a session. */
  readonly isSessionReused: boolean;
  /** The peer's certificate with those of its issuers; null if it sent none, and once closed. */
  readonly peerCertificate: PeerCertificate | null;
  /**
   * The socket of node:tls, for what it tells beyond this (`exportKeyingMaterial`, `getFinished`,
   * `getPeerX509Certificate`). Bytes do not go through its stream.
   */
  readonly tlsSocket: TLSSocket;
}
