import type { Backend } from '../loop/backend.ts';
import type { Loop } from '../loop/loop.ts';
import type { ConnectionHandlers, ConnectionSettings } from './connection.ts';
import { QUEUE_BYTES_HIGH, QUEUE_BYTES_MAX, TIMEOUT_MS_MAX } from './limits.ts';
import type { StreamConnection } from './stream-connection.ts';

/** What the connections of one listener, or of one connect, share. */
export class ConnectionGroup<Data> {
  readonly loop: Loop;
  /** The loop's own, one step nearer to every message. */
  readonly backend: Backend;
  readonly handlers: ConnectionHandlers<Data>;
  /** Whether its connections are TCP and not UNIX sockets. */
  readonly tcp: boolean;
  /** Whether they have TCP_NODELAY. What a listener accepts has it from the listener. */
  readonly noDelay: boolean;
  readonly idleTimeoutMs: number | null;
  readonly queueBytesHigh: number;
  readonly queueBytesMax: number;
  /** Hears first that a descriptor is closed. */
  readonly onClosed: ((connection: StreamConnection<Data>) => void) | null;

  constructor(
    loop: Loop,
    settings: ConnectionSettings<Data>,
    onClosed: ((connection: StreamConnection<Data>) => void) | null,
  ) {
    this.loop = loop;
    this.backend = loop.backend;
    this.handlers = settings.handlers;
    this.tcp = !('path' in settings);
    this.noDelay = this.tcp && (settings.noDelay ?? true);
    this.idleTimeoutMs = checkedTimeout(settings.idleTimeoutMs ?? null, 'an idle timeout');
    this.queueBytesMax = settings.queueBytesMax ?? QUEUE_BYTES_MAX;
    this.queueBytesHigh = settings.queueBytesHigh ?? Math.min(QUEUE_BYTES_HIGH, this.queueBytesMax);
    this.onClosed = onClosed;
    checkHandlers(settings.handlers);
    checkBytes('queueBytesMax', this.queueBytesMax);
    checkBytes('queueBytesHigh', this.queueBytesHigh);
  }
}

/** Returns `timeoutMs`, or throws a RangeError that calls it `what`. */
export function checkedTimeout(timeoutMs: number | null, what: string): number | null {
  if (timeoutMs === null) return null;
  if (typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX) {
    return timeoutMs;
  }
  throw new RangeError(`${what} is above 0 and at most ${TIMEOUT_MS_MAX} ms, not ${timeoutMs}`);
}

/** What is no function would be found out in a turn, far from the call that gave it. */
function checkHandlers<Data>(handlers: ConnectionHandlers<Data>): void {
  if (typeof handlers !== 'object' || handlers === null) {
    throw new TypeError('handlers is an object with functions: open, data, drain, end, close');
  }
  for (const name of ['open', 'data', 'drain', 'end', 'close'] as const) {
    const handler: unknown = handlers[name];
    if (handler === undefined || typeof handler === 'function') continue;
    throw new TypeError(`the handler ${name} is a function, not ${typeof handler}`);
  }
}

function checkBytes(name: string, bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0) return;
  throw new RangeError(`${name} is a number of bytes, 0 and up, not ${bytes}`);
}
