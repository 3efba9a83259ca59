/**
 * TLS by node:tls over connections of a loop: {@link listen}, {@link connect},
 * {@link connectAsync}, and {@link startTls} on a connection that is open.
 *
 * @module sockloop/tls
 */

import { requireObject, shown } from '../../base/arguments.ts';
import type { Loop } from '../../loop/loop.ts';
import type { AsyncConnection } from '../async/async-connection.ts';
import { EventLoop, loopOf } from '../event-loop.ts';
import { type AsyncTlsConnectOptions, connectTlsAsyncOn } from './tls-async.ts';
import { connectTlsOn, type TlsConnectOptions, type TlsConnector } from './tls-connector.ts';
import {
  type AsyncTlsConnection,
  type AsyncTlsListenOptions,
  listenTls,
  type TlsListener,
  type TlsListenOptions,
} from './tls-listener.ts';

export type {
  StartTlsAsClient,
  StartTlsAsServer,
  StartTlsOptions,
  StartTlsSettings,
} from './start-tls.ts';
export { startTls } from './start-tls.ts';
export type { AsyncTlsConnectOptions } from './tls-async.ts';
export type { ClientTls } from './tls-client.ts';
export type {
  TlsConnection,
  TlsConnectionHandlers,
  TlsConnectionSettings,
} from './tls-connection.ts';
export type { TlsConnectOptions, TlsConnectSettings } from './tls-connector.ts';
export { TlsConnector } from './tls-connector.ts';
export { TlsError } from './tls-error.ts';
export type {
  AsyncTlsConnection,
  AsyncTlsListenOptions,
  TlsListenerStats,
  TlsListenOptions,
  TlsListenSettings,
} from './tls-listener.ts';
export { TlsListener } from './tls-listener.ts';
export type { NewSession, ResumeSession, ServerTls } from './tls-server.ts';

/**
 * Listens for TLS connections, as `loop.listen` does for plain ones. `open` is called when the
 * handshake is done.
 *
 * @param loop the event loop.
 * @param options where to listen, what node:tls takes, the limits, and the handlers.
 * @returns the listener, which listens already.
 * @throws what `loop.listen` throws, and what node:tls throws for wrong keys and certificates.
 */
export function listen<Data = undefined>(
  loop: EventLoop,
  options: TlsListenOptions<Data>,
): TlsListener<Data>;
/**
 * Listens without handlers: `for await` over the listener gives the connections.
 *
 * @param loop the event loop.
 * @param options where to listen, what node:tls takes, and the limits.
 * @returns the listener, which listens already, and accepts once it is iterated over.
 * @throws as with handlers.
 */
export function listen(
  loop: EventLoop,
  options: AsyncTlsListenOptions,
): TlsListener<AsyncConnection>;
export function listen<Data>(
  loop: EventLoop,
  options: TlsListenOptions<Data> | AsyncTlsListenOptions,
): TlsListener<Data> {
  const own = opened(loop, 'listen');
  requireObject('options', options);
  requireObject('tls', options.tls);
  return listenTls(own, options);
}

/**
 * Connects by TLS, as `loop.connect` does without it. `open` is called when the handshake is done.
 *
 * @param loop the event loop.
 * @param options where to connect, what node:tls takes, for how long, and the handlers.
 * @returns the connect operation, which can be cancelled until `open`.
 * @throws what `loop.connect` throws, and what node:tls throws for wrong keys and certificates. All
 *   other failures go to `onError`.
 */
export function connect<Data = undefined>(
  loop: EventLoop,
  options: TlsConnectOptions<Data>,
): TlsConnector<Data> {
  const own = opened(loop, 'connect');
  requireObject('options', options);
  return connectTlsOn(own, options);
}

/**
 * Connects as {@link connect} does, for `await`.
 *
 * @param loop the event loop.
 * @param options where to connect, what node:tls takes, for how long.
 * @returns a promise of the connection. It rejects with what `onError` of {@link connect} would
 *   get, with the reason of `signal`, and with what {@link connect} throws.
 */
export function connectAsync(
  loop: EventLoop,
  options: AsyncTlsConnectOptions,
): Promise<AsyncTlsConnection> {
  try {
    const own = opened(loop, 'connect');
    requireObject('options', options);
    return connectTlsAsyncOn(own, options);
  } catch (error) {
    return Promise.reject(error);
  }
}

function opened(eventLoop: EventLoop, attempt: string): Loop {
  if (!(eventLoop instanceof EventLoop)) {
    throw new TypeError(`loop is an EventLoop, not ${shown(eventLoop)}`);
  }
  const loop = loopOf(eventLoop);
  loop.begin(attempt);
  return loop;
}
