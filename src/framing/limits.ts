/** Every limit of this layer, by name. */

/** The longest frame that a length of 4 bytes may announce unless the caller says otherwise. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;
