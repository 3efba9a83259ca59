import type { Loop } from '../../loop/loop.ts';
import { adoptOn } from '../stream/adopt.ts';
import type { ConnectionSettings } from '../stream/connection.ts';
import type { AsyncConnection } from './async-connection.ts';
import { asyncSettings } from './settings.ts';

/** The limits of an {@link AsyncConnection} that `EventLoop.adopt` makes. */
export type AsyncAdoptSettings = Omit<
  ConnectionSettings<AsyncConnection>,
  'handlers' | 'chunks' | 'onHandlerError'
> & { readonly handlers?: undefined };

/** Makes the connected socket `fd` a connection for `await`: `EventLoop.adopt`. */
export function adoptAsyncOn(
  loop: Loop,
  fd: number,
  { handlers: _, ...limits }: AsyncAdoptSettings,
): AsyncConnection {
  const own = asyncSettings(loop, limits, () => undefined);
  const connection = adoptOn(loop, fd, own);
  own.handlers.open?.(connection);
  return connection.data;
}
