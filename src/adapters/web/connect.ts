import { requireObject } from '../../base/arguments.ts';
import { requireSignal } from '../../net/async/abort.ts';
import { type AnySocketAddress, endpointOf } from './addresses.ts';
import { clientSettings, type SocketOptions } from './options.ts';
import { type Socket, socketOf } from './socket.ts';
import { socketError } from './socket-error.ts';
import { socketLoop } from './socket-loop.ts';
import { connectionSettings, SocketStreams, socketHandlers } from './socket-streams.ts';

/**
 * Connects to a host and port, or to a UNIX socket: the `connect` of the WinterTC proposal.
 *
 * @param address where to: `"example.com:80"`, `{ hostname, port }`, or `{ path }`.
 * @param options TLS, half-open sockets, the loop.
 * @returns the socket, which is not connected yet: see its `opened`.
 * @throws SocketError, which is a TypeError, for an address that is none.
 * @throws TypeError or RangeError for an option of a wrong type or value.
 */
export function connect(address: AnySocketAddress, options: SocketOptions = {}): Socket {
  requireObject('options', options);
  const endpoint = endpointOf(address);
  const settings = clientSettings(options, 'host' in endpoint ? endpoint.host : null);
  const { signal } = options;
  requireSignal(signal);
  const streams = new SocketStreams(socketLoop(options.loop), settings);
  try {
    const connector = streams.on.loop.connect<SocketStreams>({
      ...connectionSettings,
      ...endpoint,
      handlers: { ...socketHandlers, open: (connection) => streams.connected(connection) },
      onError: (error) => streams.failed(error),
    });
    streams.begins(() => connector.cancel());
  } catch (error) {
    streams.failed(error);
    throw socketError(error);
  }
  if (signal !== undefined) closeOnAbort(streams, signal);
  return socketOf(streams);
}

/** Closes the socket of `streams` when `signal` aborts. */
function closeOnAbort(streams: SocketStreams, signal: AbortSignal): void {
  const aborted = (): void => void streams.close(signal.reason);
  if (signal.aborted) {
    aborted();
    return;
  }
  signal.addEventListener('abort', aborted);
  const ended = (): void => signal.removeEventListener('abort', aborted);
  streams.closed.promise.then(ended, ended);
}
