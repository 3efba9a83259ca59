import type { Loop } from '../../loop/loop.ts';
import type { Endpoint } from '../../socket/create.ts';
import type { AsyncConnection } from '../async/async-connection.ts';
import { connectAsyncBy } from '../async/connect-async.ts';
import { connectTlsOn, type TlsConnectSettings } from './tls-connector.ts';
import type { AsyncTlsConnection } from './tls-listener.ts';

/** Where and how to connect by TLS: `connectAsync`. */
export type AsyncTlsConnectOptions = Endpoint &
  Omit<TlsConnectSettings<AsyncConnection>, 'handlers' | 'onHandlerError' | 'onError'>;

/** Connects: `connectAsync` of sockloop/tls. */
export function connectTlsAsyncOn(
  loop: Loop,
  options: AsyncTlsConnectOptions,
): Promise<AsyncTlsConnection> {
  const connection = connectAsyncBy(loop, options, (settings) => connectTlsOn(loop, settings));
  return connection as Promise<AsyncTlsConnection>;
}
