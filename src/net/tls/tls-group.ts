import { requireFunction } from '../../base/arguments.ts';
import { mayBePromise } from '../../loop/callbacks.ts';
import type { Loop } from '../../loop/loop.ts';
import { TIMEOUT_MS_MAX } from '../limits.ts';
import type { ConnectionHandlers, ConnectionSettings } from '../stream/connection.ts';
import { ConnectionGroup, checkedTimeout } from '../stream/connection-group.ts';
import { HANDSHAKE_TIMEOUT_MS } from './limits.ts';
import type { TlsConnectionHandlers, TlsConnectionSettings } from './tls-connection.ts';
import type { TlsStreamConnection } from './tls-stream-connection.ts';

/** What began a connection, and hears what becomes of it. Called in turns of the loop. */
export interface HandshakeSink<Data> {
  /** The handshake is done; `open` of the handlers follows. */
  secured(connection: TlsStreamConnection<Data>): void;
  /** The handshake has failed; called at most once. */
  failed(error: Error, connection: TlsStreamConnection<Data>): void;
  /** The descriptor is closed; `close` of the handlers follows, if it was open. */
  closed(connection: TlsStreamConnection<Data>): void;
}

/** State shared by the TLS connections of one listener or connect operation. */
export class TlsGroup<Data> {
  readonly loop: Loop;
  readonly handlers: TlsConnectionHandlers<Data>;
  readonly handshakeTimeoutMs: number;
  readonly queueBytesHigh: number;
  readonly queueBytesMax: number;
  readonly #onHandlerError: TlsConnectionSettings<Data>['onHandlerError'];

  constructor(loop: Loop, settings: TlsConnectionSettings<Data>) {
    // The rules of the settings, and their defaults, are those of plain connections.
    const plain = new ConnectionGroup(loop, settings as ConnectionSettings<Data>, true, null);
    requireFunction('the handler session', settings.handlers.session);
    const timeoutMs = settings.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    checkedTimeout(timeoutMs, 'handshakeTimeoutMs');
    this.loop = loop;
    this.handlers = settings.handlers;
    this.handshakeTimeoutMs = Math.min(timeoutMs, TIMEOUT_MS_MAX);
    this.queueBytesHigh = plain.queueBytesHigh;
    this.queueBytesMax = plain.queueBytesMax;
    this.#onHandlerError = settings.onHandlerError?.bind(settings);
  }

  /** A handler has returned `result`. A promise is watched; anything else is ignored. */
  returned(result: unknown, connection: TlsStreamConnection<Data>): void {
    if (!mayBePromise(result)) return;
    this.loop.callbacks.watch(result, (error) => this.failed(error, connection));
  }

  /** A handler has failed with `error`. Throws where nobody is to hear of it. */
  failed(error: unknown, connection: TlsStreamConnection<Data>): void {
    connection.abandon();
    if (this.#onHandlerError === undefined) this.loop.callbacks.failed(error, connection);
    else this.#onHandlerError(error, connection);
  }
}

/** The settings of the connections below TLS: node:tls copies what it gets, and holds no queue. */
export function plainSettings<Settings extends object>(
  settings: Settings,
): Without<Settings> & PlainSettings {
  const { handlers, onHandlerError, tls, ...rest } = settings as Settings & TlsParts;
  const marks = { queueBytesHigh: 0, queueBytesMax: Number.MAX_SAFE_INTEGER };
  return { ...(rest as Without<Settings>), chunks: 'borrowed', ...marks };
}

/** The settings without what TLS keeps, of each kind of endpoint. */
type Without<Settings> = Settings extends unknown ? Omit<Settings, keyof TlsParts> : never;

interface TlsParts {
  readonly handlers?: unknown;
  readonly onHandlerError?: unknown;
  readonly tls?: unknown;
}

interface PlainSettings {
  readonly chunks: 'borrowed';
  readonly queueBytesHigh: number;
  readonly queueBytesMax: number;
}

/** The handlers of a connection below TLS, which has it as its `data`. */
export function transportHandlers<Data>(): ConnectionHandlers<TlsStreamConnection<Data>> {
  return {
    data: ({ data }, chunk) => data.receive(chunk),
    drain: ({ data }) => data.transportDrained(),
    end: ({ data }) => data.transportEnded(),
    close: ({ data }, error) => data.transportClosed(error),
  };
}
