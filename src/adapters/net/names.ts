export type {
  AddressInfo,
  DropArgument,
  IpcNetConnectOpts,
  IpcSocketConnectOpts,
  LookupFunction,
  NetConnectOpts,
  SocketReadyState,
  TcpNetConnectOpts,
  TcpSocketConnectOpts,
} from 'node:net';
export {
  BlockList,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  SocketAddress,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
} from 'node:net';
export { connect, createConnection, createServer, serveOn } from './create.ts';
export type {
  ListenOptions,
  ServerOptions,
  SocketConnectOptions,
  SocketOptions,
} from './options.ts';
export { Server } from './server.ts';
export { Socket, Socket as Stream } from './socket.ts';
export type { SocketName } from './socket-base.ts';
