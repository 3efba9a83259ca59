// The module that a program gets for `node:net`: the names of this Node, with those of sockloop in
// their place. `require` passes on the export 'module.exports', which can be written to as Node's.

import * as node from 'node:net';
import { connect, createConnection, createServer, Server, Socket, Stream } from '../net/names.ts';

const { default: names } = node as unknown as { default: object };

const standIn = { ...names, connect, createConnection, createServer, Server, Socket, Stream };

// Names that a later Node has, and those with `_`, are its own.
export * from 'node:net';
export {
  connect,
  createConnection,
  createServer,
  Server,
  Socket,
  Stream,
  standIn as 'module.exports',
  // biome-ignore lint/style/noDefaultExport: node:net has one
  standIn as default,
};
