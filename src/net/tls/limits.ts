/** The limits of TLS connections. */

/**
 * The default of `handshakeTimeoutMs`. A handshake takes two round trips and some milliseconds of
 * CPU time; node:tls waits for two minutes, in which a silent client holds memory.
 */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * The default of `maxHandshakes`. One that is under way holds some 100 KiB: OpenSSL's state, two
 * buffers and node:tls's objects.
 */
export const HANDSHAKES_MAX = 1024;

/** How long a connection that TLS has broken waits for its peer to read the alert. */
export const ALERT_LINGER_MS = 1000;

/** Longer writes are encrypted in pieces: what OpenSSL holds of one is bounded so. */
export const PIECE_BYTES = 128 * 1024;
