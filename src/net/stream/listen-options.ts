import type { Endpoint } from '../../socket/create.ts';
import type { AsyncConnection } from '../async/async-connection.ts';
import type { ListenSettings } from './listener.ts';
import type { InheritedEndpoint } from './listening-socket.ts';

/** Where and how to listen. */
export type ListenOptions<Data = undefined> = (Endpoint | InheritedEndpoint) & ListenSettings<Data>;

/** Where and how to listen without handlers: iterating over the listener gives its connections. */
export type AsyncListenOptions = (Endpoint | InheritedEndpoint) & AsyncListenSettings;

/** How to listen without handlers. */
export type AsyncListenSettings = Omit<
  ListenSettings<AsyncConnection>,
  'handlers' | 'chunks' | 'onHandlerError'
> & { readonly handlers?: undefined };
