/** The limits of framing. */

/** The default of `frameBytesMax`. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;

/** The longest header of version 1 of the PROXY protocol, its CR LF included. */
export const PROXY_V1_BYTES_MAX = 107;

/**
 * The default for the longest header of version 2: room for the addresses and for what proxies add,
 * such as the names in a certificate.
 */
export const PROXY_HEADER_BYTES_MAX = 4096;
