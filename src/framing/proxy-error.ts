/** Why the start of a connection is no header of the PROXY protocol. */
export type ProxyHeaderErrorCode =
  | 'ERR_PROXY_HEADER_ABSENT'
  | 'ERR_PROXY_HEADER_INVALID'
  | 'ERR_PROXY_HEADER_TOO_LONG'
  | 'ERR_PROXY_HEADER_CHECKSUM';

/**
 * A connection does not begin with a header of the PROXY protocol, or with one that breaks its
 * rules: `cannot read the PROXY header: its line does not end with CR LF`.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { ProxyHeaderError, parseProxyHeader } from 'sockloop';
 *
 * assert.throws(
 *   () => parseProxyHeader(Buffer.from('GET / HTTP/1.1')),
 *   (error) => error instanceof ProxyHeaderError && error.code === 'ERR_PROXY_HEADER_ABSENT',
 * );
 * ```
 */
export class ProxyHeaderError extends Error {
  override readonly name = 'ProxyHeaderError';
  /** What is wrong. */
  readonly code: ProxyHeaderErrorCode;
  /** The same in words. */
  readonly reason: string;

  /**
   * The error of a header.
   *
   * @param code what is wrong.
   * @param reason the same in words, for the end of a sentence.
   */
  constructor(code: ProxyHeaderErrorCode, reason: string) {
    super(`cannot read the PROXY header: ${reason}`);
    this.code = code;
    this.reason = reason;
  }
}
