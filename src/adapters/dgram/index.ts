/**
 * The names of node:dgram, on a loop of sockloop: in an import of `node:dgram` this name is enough.
 * The documentation of Node.js describes them; docs/dgram.md lists what differs.
 *
 * @module sockloop/dgram
 */

export * from './names.ts';
/** @hidden The same names. */
export * as default from './names.ts';
