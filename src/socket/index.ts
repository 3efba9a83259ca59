/**
 * The Berkeley socket calls, blocking as in the textbook: begin with {@link Socket}, or with
 * {@link createServer} and {@link createConnection}. `sockloop` has all of it as well.
 *
 * @module sockloop/socket
 */

export type { Bytes } from '../base/bytes.ts';
export type {
  ControlFields,
  ControlKind,
  ControlMessage,
  ControlMessageOf,
  ErrorOrigin,
  QueuedError,
  Segmentation,
  SenderCredentials,
  Time,
  TrafficClass,
} from '../sys/control/message.ts';
export type { AddressFamily, SocketAddress } from '../sys/sockaddr.ts';
export { formatAddress } from '../sys/sockaddr.ts';
export type { Failure } from '../sys/sys-error.ts';
export { ResolveError, SysError } from '../sys/sys-error.ts';
export type { AddressInput } from './address.ts';
export type { BaseSocket } from './base-socket.ts';
export type { ConnectionOptions, Endpoint, ServerOptions } from './create.ts';
export { createConnection, createServer } from './create.ts';
export type { DatagramCalls } from './datagram-calls.ts';
export type { DescriptorOptions, ReceivedDescriptors } from './descriptor-passing.ts';
export { receiveDescriptors, sendDescriptors } from './descriptor-passing.ts';
export type { ReceivedMessage, RecvMsgOptions, SendMsgOptions } from './messages.ts';
export type { GroupOptions } from './multicast.ts';
export type {
  Credentials,
  Group,
  IPv6Group,
  OptionAccess,
  OptionKind,
  OptionLevel,
  OptionSpec,
  OptionUnit,
  OptionValues,
  PortRange,
  SourceGroup,
  TcpInfo,
} from './options/spec.ts';
export type {
  GettableOptionName,
  OptionValue,
  SettableOptionName,
  SocketOptionName,
} from './options/table.ts';
export { optionPlatforms, socketOptions } from './options/table.ts';
export type { ResolveOptions } from './resolve.ts';
export { hostName, resolve } from './resolve.ts';
export type { SocketOptions, SocketType } from './settings.ts';
export { TIMEOUT_MS_MAX } from './settings.ts';
export { Socket } from './socket.ts';
export type { SocketDescriptor } from './socket-descriptor.ts';
