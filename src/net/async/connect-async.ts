import type { Loop } from '../../loop/loop.ts';
import type { Endpoint } from '../../socket/create.ts';
import { type ConnectSettings, connectOn } from '../stream/connector.ts';
import { AbortWatch, requireSignal } from './abort.ts';
import type { AsyncConnection } from './async-connection.ts';
import { closedLoopError, type LoopSink, register, unregister } from './loop-end.ts';
import { asyncSettings } from './settings.ts';

/** Where and how to connect: `EventLoop.connectAsync`. */
export type AsyncConnectOptions = Endpoint & AsyncConnectSettings;

/** How to connect with {@link AsyncConnection}. */
export type AsyncConnectSettings = Omit<
  ConnectSettings<AsyncConnection>,
  'handlers' | 'chunks' | 'onHandlerError' | 'onError'
>;

/** Connects: `EventLoop.connectAsync`. */
export function connectAsyncOn(
  loop: Loop,
  { signal, ...options }: AsyncConnectOptions,
): Promise<AsyncConnection> {
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
      resolve(connection);
    });
    const onError = (error: Error): void => {
      over();
      reject(error);
    };
    const connector = connectOn(loop, { ...settings, onError });
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
