/**
 * Sockets as web streams, after the Sockets API of WinterTC: {@link connect}, and its counterpart
 * {@link listen}.
 *
 * @module sockloop/web
 */

export type {
  AnySocketAddress,
  ListenAddress,
  SocketAddress,
  UnixSocketAddress,
} from './addresses.ts';
export { connect } from './connect.ts';
export { Listener, listen } from './listener.ts';
export type {
  ListenOptions,
  SecureTransportKind,
  SocketOptions,
  SocketSettings,
} from './options.ts';
export type { StartTlsOptions } from './socket.ts';
export { Socket } from './socket.ts';
export { SocketError } from './socket-error.ts';
export type { SocketInfo } from './socket-streams.ts';
export type { WritableChunk } from './socket-writable.ts';
