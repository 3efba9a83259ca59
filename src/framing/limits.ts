/** The limits of framing. */

/** The default of `frameBytesMax`. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;
