export type { PrefixBytes } from '../framing/length-prefix.ts';
export { encodeFrame, encodeLength, FrameBuffer } from '../framing/length-prefix.ts';
export { LineBuffer } from '../framing/line-buffer.ts';
export type { ProxyHeaderOptions } from '../framing/proxy-encoder.ts';
export { encodeProxyHeader } from '../framing/proxy-encoder.ts';
export type { ProxyHeaderErrorCode } from '../framing/proxy-error.ts';
export { ProxyHeaderError } from '../framing/proxy-error.ts';
export type {
  ProxyAddress,
  ProxyHeader,
  ProxyTls,
  ProxyTlv,
} from '../framing/proxy-header.ts';
export { parseProxyHeader } from '../framing/proxy-protocol.ts';
export type { Backend, BackendName, Watch } from '../loop/backend.ts';
export type { LoopName, MissingLoop } from '../loop/backends.ts';
export { closeDescriptors } from '../loop/close-descriptors.ts';
export type { Timer } from '../loop/timers.ts';
export type { WakeHandle } from '../poller/poller.ts';
export { Interest } from '../poller/poller.ts';
export { wake } from '../poller/wakers.ts';
export type { TcpState } from '../sys/abi/abi.ts';
export type { ErrorOrigin } from '../sys/control/message.ts';
export type { Lookup } from './addresses.ts';
export type { AsyncAdoptSettings } from './async/adopt-async.ts';
export { AsyncConnection } from './async/async-connection.ts';
export type { AsyncConnectOptions, AsyncConnectSettings } from './async/connect-async.ts';
export type { LineOptions } from './async/lines.ts';
export type { ShutdownCounts, ShutdownOptions } from './async/shutdown.ts';
export { DatagramBatch } from './datagram/batch.ts';
export { DatagramAddress } from './datagram/datagram-address.ts';
export { DatagramSocket } from './datagram/datagram-socket.ts';
export type {
  DatagramEndpoint,
  DatagramHandlers,
  DatagramInfo,
  DatagramOptions,
  DatagramStats,
  SendOptions,
  Unreachable,
} from './datagram/options.ts';
export type {
  ConnectionCloseMessage,
  ConnectionOpenMessage,
  ListenerCloseMessage,
  ListenerListenMessage,
  ListenerShedMessage,
} from './diagnostics.ts';
export type { EventLoopOptions, LagOptions, RunOptions } from './event-loop.ts';
export { EventLoop } from './event-loop.ts';
export type { GuardSettings } from './guards/gate.ts';
export type { Guards } from './guards/guards.ts';
export type { ProxyProtocolSettings } from './guards/proxy-phase.ts';
export type { RefusalCounts, RefusalKind } from './guards/refusals.ts';
export { RefusalError } from './guards/refusals.ts';
export type { LagStats } from './lag-probe.ts';
export type { LoopStats } from './loop-stats.ts';
export type {
  CloseOptions,
  Connection,
  ConnectionHandlers,
  ConnectionSettings,
  ToDuplexOptions,
} from './stream/connection.ts';
export type { ConnectionInfo } from './stream/connection-info.ts';
export type { ConnectOptions, ConnectSettings } from './stream/connector.ts';
export { Connector } from './stream/connector.ts';
export type {
  AsyncListenOptions,
  AsyncListenSettings,
  ListenOptions,
} from './stream/listen-options.ts';
export type { ListenerStats, ListenSettings } from './stream/listener.ts';
export { Listener } from './stream/listener.ts';
export type { InheritedEndpoint } from './stream/listening-socket.ts';
