import type { Loop } from '../../loop/loop.ts';
import type { Endpoint } from '../../socket/create.ts';
import { type ConnectSettings, connectOn } from '../stream/connector.ts';
import { AbortWatch, requireSignal } from './abort.ts';
import type { AsyncConnection } from './async-connection.ts';
import { closedLoopError, type LoopSink, register, unregister } from './loop-end.ts';
import { type AsyncParts, asyncSettings } from './settings.ts';

/** Where and how to connect: `EventLoop.connectAsync`. */
export type AsyncConnectOptions = Endpoint & AsyncConnectSettings;

/** How to connect with {@link AsyncConnection}. */
export type AsyncConnectSettings = Omit<
  ConnectSettings<AsyncConnection>,
  'handlers' | 'chunks' | 'onHandlerError' | 'onError'
>;

/** Connects: `EventLoop.connectAsync`. */
export function connectAsyncOn(loop: Loop, options: AsyncConnectOptions): Promise<AsyncConnection> {
  return connectAsyncBy(loop, options, (settings) => connectOn(loop, settings));
}

/** Connects by `begin`, which gets the settings of an {@link AsyncConnection} and an `onError`. */
export function connectAsyncBy<Options extends { readonly signal?: AbortSignal }>(
  loop: Loop,
  { signal, ...options }: Options,
  begin: (settings: AsyncBeginning<Options>) => { cancel(): void },
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
    // A rest of a union of endpoints is known as their common part alone.
    const connector = begin({ ...settings, onError } as unknown as AsyncBeginning<Options>);
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

/** What {@link connectAsyncBy} begins with. */
type AsyncBeginning<Options> = Options & AsyncParts & { readonly onError: (error: Error) => void };
