// The module that a program gets for `node:dgram`: the names of this Node, with those of sockloop
// in their place. `require` passes on 'module.exports', which can be written to as Node's.

import * as node from 'node:dgram';
import { createSocket, Socket } from '../dgram/names.ts';

const { default: names } = node as unknown as { default: object };

const standIn = { ...names, createSocket, Socket };

// Names that a later Node has, and those with `_`, are its own.
export * from 'node:dgram';
export {
  createSocket,
  Socket,
  standIn as 'module.exports',
  // biome-ignore lint/style/noDefaultExport: node:dgram has one
  standIn as default,
};
