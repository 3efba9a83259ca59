/**
 * The names of node:net, on a loop of sockloop: in an import of `node:net` this name is enough. The
 * documentation of Node.js describes them; docs/net-compatibility.md lists what differs.
 *
 * @module sockloop/net
 */

export * from './names.ts';
/** @hidden The same names. */
export * as default from './names.ts';
