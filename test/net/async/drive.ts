/** What the tests of the asynchronous face begin with: turns, and two ends. */

import assert from 'node:assert/strict';
import { setImmediate as turnOfNode } from 'node:timers/promises';
import type { AsyncConnection, EventLoop, Listener } from 'sockloop';

/** Nothing here takes longer, by far. */
const LIMIT_MS = 60_000;

/** The longest wait of a turn. */
const TURN_MS = 1;

/** Turns `loop` until `done`, with the promise jobs in between. */
export async function until(loop: EventLoop, done: () => boolean, what: string): Promise<void> {
  const endMs = loop.nowMs + LIMIT_MS;
  while (!done()) {
    assert.ok(loop.nowMs < endMs, `waited in vain until ${what}`);
    loop.turn(TURN_MS);
    await turnOfNode();
  }
}

/** Turns `loop` until `promise` is settled, and gives its value or throws its error. */
export async function settled<Value>(loop: EventLoop, promise: Promise<Value>): Promise<Value> {
  let isSettled = false;
  const mark = (): void => {
    isSettled = true;
  };
  promise.then(mark, mark);
  await until(loop, () => isSettled, 'a promise is settled');
  return await promise;
}

/** A few turns, in which nothing is expected. */
export async function turnOn(loop: EventLoop, turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    loop.turn(TURN_MS);
    await turnOfNode();
  }
}

/** The port of a TCP listener. */
export function portOf({ port }: Pick<Listener, 'port'>): number {
  assert.ok(port !== null);
  return port;
}

export interface Ends {
  readonly server: AsyncConnection;
  readonly client: AsyncConnection;
}

/** The limits of a pair. */
interface Limits {
  readonly queueBytesHigh?: number;
  readonly queueBytesMax?: number;
}

/** One connection, both ends of which are asynchronous; the listener is closed. */
export async function pairOn(loop: EventLoop, limits: Limits = {}): Promise<Ends> {
  const host = '127.0.0.1';
  const listener = loop.listen({ host, port: 0, ...limits });
  const connections = listener[Symbol.asyncIterator]();
  const accepted = connections.next();
  const client = await settled(
    loop,
    loop.connectAsync({ host, port: portOf(listener), ...limits }),
  );
  const { value: server } = await settled(loop, accepted);
  assert.ok(server !== undefined);
  listener.close();
  return { server, client };
}

/** All that comes. */
export async function textOf(connection: AsyncConnection): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of connection) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** How a promise is after a while: its value or error in words, or `pending`. */
export class Outcome {
  state = 'pending';

  constructor(promise: Promise<unknown>) {
    promise.then(
      (value) => {
        this.state = `resolved ${JSON.stringify(value)}`;
      },
      (error: unknown) => {
        this.state = error instanceof Error ? `rejected ${error.message}` : `rejected ${error}`;
      },
    );
  }
}
