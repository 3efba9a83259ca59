import {
  requireFlag,
  requireFunction,
  requireObject,
  requireTimeout,
  wrongValue,
} from '../../base/arguments.ts';
import type { Backend } from '../../loop/backend.ts';
import { mayBePromise } from '../../loop/callbacks.ts';
import type { Loop } from '../../loop/loop.ts';
import type { SysError } from '../../sys/sys-error.ts';
import { publishClose } from '../diagnostics.ts';
import { QUEUE_BYTES_HIGH, QUEUE_BYTES_MAX, TIMEOUT_MS_MAX } from '../limits.ts';
import type { Connection, ConnectionHandlers, ConnectionSettings } from './connection.ts';
import type { StreamConnection } from './stream-connection.ts';

/** Hears of the end of a connection, and of what broke it. */
type ConnectionClosed<Data> = (connection: StreamConnection<Data>, error: SysError | null) => void;

/** State shared by the connections of one listener or connect operation. */
export class ConnectionGroup<Data> {
  readonly loop: Loop;
  /** The loop's own, one step nearer to every message. */
  readonly backend: Backend;
  readonly handlers: ConnectionHandlers<Data>;
  /** True for TCP, false for UNIX sockets. */
  readonly tcp: boolean;
  /** TCP_NODELAY. Accepted sockets inherit it from the listener. */
  readonly noDelay: boolean;
  readonly idleTimeoutMs: number | null;
  /** Whether chunks are copied for the program: `chunks` is `owned`. */
  readonly copies: boolean;
  readonly queueBytesHigh: number;
  readonly queueBytesMax: number;
  /** Called before the `close` handler. */
  readonly #onClosed: ConnectionClosed<Data> | null;
  /** Whether its bytes go elsewhere: see {@link forOther}. */
  isOther = false;
  /** Whether another process may have its sockets as well: they were adopted. */
  inherited = false;
  /** Called when one is closed for being idle. */
  onIdle: (() => void) | null = null;
  readonly #onHandlerError: ConnectionSettings<Data>['onHandlerError'];

  constructor(
    loop: Loop,
    settings: ConnectionSettings<Data>,
    tcp: boolean,
    onClosed: ConnectionClosed<Data> | null,
  ) {
    checkHandlers(settings.handlers);
    requireFunction('onHandlerError', settings.onHandlerError);
    requireFlag('noDelay', settings.noDelay);
    this.loop = loop;
    this.copies = copiesChunks(settings.chunks);
    this.backend = loop.backend;
    this.handlers = settings.handlers;
    this.tcp = tcp;
    this.noDelay = this.tcp && (settings.noDelay ?? true);
    this.idleTimeoutMs = checkedTimeout(settings.idleTimeoutMs ?? null, 'an idle timeout');
    this.queueBytesMax = settings.queueBytesMax ?? QUEUE_BYTES_MAX;
    this.queueBytesHigh = settings.queueBytesHigh ?? Math.min(QUEUE_BYTES_HIGH, this.queueBytesMax);
    this.#onClosed = onClosed;
    this.#onHandlerError = settings.onHandlerError?.bind(settings);
    checkBytes('queueBytesMax', this.queueBytesMax);
    checkBytes('queueBytesHigh', this.queueBytesHigh);
  }

  /** The group of one of its connections whose bytes go elsewhere now: to a stream, to TLS. */
  forOther(
    handlers: ConnectionHandlers<Data>,
    chunks: 'owned' | 'borrowed',
  ): ConnectionGroup<Data> {
    const { loop, noDelay, tcp } = this;
    const onHandlerError = this.#onHandlerError;
    const heard = onHandlerError === undefined ? {} : { onHandlerError };
    // It waits for an empty queue, and queues little by itself.
    const marks = { queueBytesHigh: 0, queueBytesMax: Number.MAX_SAFE_INTEGER };
    const settings = { handlers, chunks, noDelay, ...marks, ...heard };
    const group = new ConnectionGroup(loop, settings, tcp, this.#onClosed);
    group.isOther = true;
    return group;
  }

  /** The descriptor of a connection is closed; its handler is called next. */
  closed(connection: StreamConnection<Data>, error: SysError | null): void {
    this.#onClosed?.(connection, error);
    publishClose(connection, error);
  }

  /** A handler has returned `result`. A promise is watched; anything else is ignored. */
  returned(result: unknown, connection: Connection<Data>): void {
    if (!mayBePromise(result)) return;
    this.loop.callbacks.watch(result, (error) => this.failed(error, connection));
  }

  /** A handler has failed with `error`. Throws where nobody is to hear of it. */
  failed(error: unknown, connection: Connection<Data>): void {
    connection.close();
    if (this.#onHandlerError === undefined) this.loop.callbacks.failed(error, connection);
    else this.#onHandlerError(error, connection);
  }
}

/** Returns `timeoutMs`, or throws an error that names it `what`. */
export function checkedTimeout(timeoutMs: number | null, what: string): number | null {
  if (timeoutMs !== null) requireTimeout(what, timeoutMs, TIMEOUT_MS_MAX);
  return timeoutMs;
}

/** Checks the handlers at the call: an error in a later turn would be far from its cause. */
function checkHandlers<Data>(handlers: ConnectionHandlers<Data>): void {
  requireObject('handlers', handlers);
  for (const name of ['open', 'data', 'drain', 'end', 'close'] as const) {
    requireFunction(`the handler ${name}`, handlers[name]);
  }
}

function copiesChunks(chunks: ConnectionSettings['chunks'] = 'owned'): boolean {
  if (chunks === 'owned' || chunks === 'borrowed') return chunks === 'owned';
  throw wrongValue(chunks, "chunks is 'owned' or 'borrowed'");
}

function checkBytes(name: string, bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0) return;
  throw wrongValue(bytes, `${name} is a number of bytes, 0 and up`);
}
