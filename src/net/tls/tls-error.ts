import { formatAddress, type SocketAddress } from '../../sys/sockaddr.ts';

/**
 * A failure of TLS: of a handshake, of a certificate, or of a connection that was encrypted.
 *
 * `code` is that of node:tls (`CERT_HAS_EXPIRED`, `ERR_TLS_CERT_ALTNAME_INVALID`,
 * `ERR_SSL_WRONG_VERSION_NUMBER`, `ECONNRESET`), and `cause` the error of node:tls where there is
 * one. What only sockloop sees has a code of the same manner: a peer that ended without
 * close_notify, `ERR_SSL_UNEXPECTED_EOF_WHILE_READING`.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 * import { connect, TlsError } from 'sockloop/tls';
 *
 * using loop = new EventLoop();
 * // A server that speaks no TLS.
 * const listener = loop.listen({
 *   host: '127.0.0.1',
 *   port: 0,
 *   handlers: { data: (connection) => connection.end('no TLS is spoken here\n') },
 * });
 * let code = '';
 * connect(loop, {
 *   host: '127.0.0.1',
 *   port: listener.port ?? 0,
 *   handlers: {},
 *   onError: (error) => {
 *     if (error instanceof TlsError) code = error.code;
 *     listener.close();
 *   },
 * });
 * await loop.run();
 * assert.equal(code, 'ERR_SSL_WRONG_VERSION_NUMBER');
 * ```
 */
export class TlsError extends Error {
  override readonly name = 'TlsError';
  /** What failed: see above. */
  readonly code: string;
  /** Why, in words. */
  readonly reason: string;

  /**
   * The error of a TLS connection.
   *
   * @param attempt what was attempted and on what: `make a TLS handshake with 192.0.2.7:443`.
   * @param code what failed.
   * @param reason why.
   * @param cause the error of node:tls, if there is one.
   */
  constructor(attempt: string, code: string, reason: string, cause?: unknown) {
    super(`cannot ${attempt}: ${code} (${reason})`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.reason = reason;
  }
}

/** The facts that node:tls adds to its errors. */
interface NodeError {
  readonly code?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
}

/** The error of node:tls as one that says what was attempted, and with whom. */
export function tlsError(attempt: string, remote: SocketAddress | null, cause: unknown): TlsError {
  const { code, reason, message } = (cause ?? {}) as NodeError;
  const why = typeof reason === 'string' ? reason : String(message ?? cause);
  const on = withPeer(attempt, remote);
  return new TlsError(on, typeof code === 'string' ? code : 'ERR_TLS', why, cause);
}

/** `attempt`, and with whom: `make a TLS handshake with 192.0.2.7:443`. */
export function withPeer(attempt: string, remote: SocketAddress | null): string {
  const isNamed = remote !== null && !(remote.family === 'UNIX' && remote.path === '');
  return isNamed ? `${attempt} with ${formatAddress(remote)}` : attempt;
}
