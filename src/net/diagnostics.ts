import { channel } from 'node:diagnostics_channel';
import type { SysError } from '../sys/sys-error.ts';
import type { Connection } from './stream/connection.ts';
import type { Listener } from './stream/listener.ts';

// Channels of node:diagnostics_channel. Each is published on only while somebody subscribes: it is
// asked once for a connection or listener, never for a message.

/** Published on `sockloop.connection.open`, before the `open` handler. */
export interface ConnectionOpenMessage {
  readonly connection: Connection<unknown>;
  /** The listener that has accepted it; null for one that was connected or adopted. */
  readonly listener: Listener<unknown> | null;
}

/** Published on `sockloop.connection.close`, before the `close` handler. */
export interface ConnectionCloseMessage {
  readonly connection: Connection<unknown>;
  /** What broke it; null if nothing did. */
  readonly error: SysError | null;
}

/** Published on `sockloop.listener.listen`. */
export interface ListenerListenMessage {
  readonly listener: Listener<unknown>;
}

/** Published on `sockloop.listener.close`, once it accepts no more. */
export interface ListenerCloseMessage {
  readonly listener: Listener<unknown>;
  /** What has ended accepting; null if it was closed. */
  readonly error: Error | null;
}

/** Published on `sockloop.listener.shed`: connections were turned away. */
export interface ListenerShedMessage {
  readonly listener: Listener<unknown>;
  /** How many. */
  readonly count: number;
  /** Why: out of descriptors, say. */
  readonly error: Error;
}

const connectionOpen = channel('sockloop.connection.open');
const connectionClose = channel('sockloop.connection.close');
const listenerListen = channel('sockloop.listener.listen');
const listenerClose = channel('sockloop.listener.close');
const listenerShed = channel('sockloop.listener.shed');

/** What a subscriber throws is an uncaught exception: Node calls it behind a guard of its own. */
export function publishOpen<Data>(
  connection: Connection<Data>,
  listener: Listener<Data> | null,
): void {
  if (connectionOpen.hasSubscribers) connectionOpen.publish({ connection, listener });
}

export function publishClose<Data>(connection: Connection<Data>, error: SysError | null): void {
  if (connectionClose.hasSubscribers) connectionClose.publish({ connection, error });
}

export function publishListen<Data>(listener: Listener<Data>): void {
  if (listenerListen.hasSubscribers) listenerListen.publish({ listener });
}

export function publishListenerClose<Data>(listener: Listener<Data>, error: Error | null): void {
  if (listenerClose.hasSubscribers) listenerClose.publish({ listener, error });
}

export function publishShed<Data>(listener: Listener<Data>, count: number, error: Error): void {
  if (count > 0 && listenerShed.hasSubscribers) listenerShed.publish({ listener, count, error });
}
