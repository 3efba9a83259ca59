import type { Loop } from '../../loop/loop.ts';
import type { Endpoint } from '../../socket/create.ts';
import { AbortWatch, requireSignal } from '../async/abort.ts';
import type { AsyncConnection } from '../async/async-connection.ts';
import { closedLoopError, type LoopSink, register, unregister } from '../async/loop-end.ts';
import { asyncSettings } from '../async/settings.ts';
import { connectTlsOn, type TlsConnectSettings } from './tls-connector.ts';
import type { AsyncTlsConnection } from './tls-listener.ts';

/** Where and how to connect by TLS: `connectAsync`. */
export type AsyncTlsConnectOptions = Endpoint &
  Omit<TlsConnectSettings<AsyncConnection>, 'handlers' | 'onHandlerError' | 'onError'>;

/** Connects: `connectAsync` of sockloop/tls. */
export function connectTlsAsyncOn(
  loop: Loop,
  { signal, ...options }: AsyncTlsConnectOptions,
): Promise<AsyncTlsConnection> {
  return new Promise((resolve, reject) => {
    requireSignal(signal);
    signal?.throwIfAborted();
    const sink: LoopSink = { place: -1, loopClosed: () => reject(closedLoopError('connect')) };
    const over = (): void => {
      unregister(loop, sink);
      watch?.end();
    };
    const settings = asyncSettings(loop, options, (connection) => {
      over();
      resolve(connection as AsyncTlsConnection);
    });
    const onError = (error: Error): void => {
      over();
      reject(error);
    };
    const connector = connectTlsOn(loop, { ...settings, onError });
    register(loop, sink);
    // A promise may reject outside of a turn, where a handler would have to wait for one.
    const watch =
      signal &&
      new AbortWatch(loop, signal, () => {
        connector.cancel();
        onError(signal.reason);
      });
  });
}
