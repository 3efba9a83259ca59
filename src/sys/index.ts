/**
 * The system calls, one method for each, a number as the result: begin with {@link nativeSys}.
 *
 * @module sockloop/sys
 */

export type {
  Abi,
  Behaviours,
  Constants,
  ErrnoName,
  Field,
  PlatformName,
  StructLayout,
  Structs,
  TcpMeaning,
  TcpState,
} from './abi/abi.ts';
export { abiFor } from './abi/index.ts';
export { Arena } from './arena.ts';
export { errnoName, gaiName } from './errno.ts';
export { MessageVector, type MessageVectorSizes, type ReceivedLengths } from './message-vector.ts';
export { nativeSys } from './native.ts';
export type {
  AddressFamily,
  IPv4Address,
  IPv6Address,
  SocketAddress,
  UnixAddress,
} from './sockaddr.ts';
export { decodeSockaddr, encodeSockaddr, formatAddress } from './sockaddr.ts';
export type {
  AddressHints,
  HostName,
  MessageHeader,
  ResolvedAddresses,
  Sys,
  UvLoop,
} from './sys.ts';
export type { Failure } from './sys-error.ts';
export { ResolveError, SysError } from './sys-error.ts';
export { TracingSys } from './trace/tracing-sys.ts';
