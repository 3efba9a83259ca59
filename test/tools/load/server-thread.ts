/** The server of the load tests, on a thread of its own: it echoes, or misbehaves as asked. */

import { parentPort, workerData } from 'node:worker_threads';
import { EventLoop } from '#src/net/event-loop.js';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import type { Behaviour, ServerTask, ServerWords } from './servers.ts';

type Handlers = ConnectionHandlers;

const task = workerData as ServerTask;
const loop = new EventLoop();
const words = new Int32Array(task.memory);
/** The time of each message in this server, if it delays them. */
const delaysMs: number[] = [];

/** Of the plans in `servers.ts`. */
const MESSAGE_BYTES = 64;

function echo(connection: Connection, chunk: Uint8Array): void {
  connection.write(chunk);
}

/** Sends the bytes one by one, each in a turn of its own. */
function trickle(connection: Connection, bytes: Uint8Array): void {
  if (bytes.length === 0 || !connection.isOpen) return;
  connection.write(bytes, 0, 1);
  loop.setTimer(0, () => trickle(connection, bytes.subarray(1)));
}

/** Answers each connection with the bytes of the one before. */
function swapper(): Handlers {
  let held: { readonly connection: Connection; readonly bytes: Uint8Array } | null = null;
  return {
    data: (connection, chunk) => {
      if (held === null || held.connection === connection) {
        held = { connection, bytes: chunk.slice() };
        return;
      }
      connection.write(held.bytes);
      held.connection.write(chunk);
      held = null;
    },
  };
}

/** After so many chunks the listener is closed, and every connection is reset. */
function mortal(chunksMax: number): Handlers {
  let chunks = 0;
  const connections = new Set<Connection>();
  return {
    open: (connection) => connections.add(connection),
    close: (connection) => connections.delete(connection),
    data: (connection, chunk) => {
      chunks += 1;
      if (chunks < chunksMax) {
        echo(connection, chunk);
        return;
      }
      for (const listener of listeners) listener.close();
      for (const open of connections) open.reset();
    },
  };
}

/** Answers at once, except for one stall of the whole server. */
function staller(afterMs: number, stallMs: number): Handlers {
  let firstMs: number | null = null;
  let stalled = false;
  return {
    data: (connection, chunk) => {
      firstMs ??= loop.nowMs;
      if (!stalled && loop.nowMs - firstMs >= afterMs) {
        stalled = true;
        Atomics.wait(words, 1, 0, stallMs);
      }
      echo(connection, chunk);
    },
  };
}

/** Nine of ten messages take 2 ms, the tenth 20 ms, and the time of each is recorded. */
function delayer(): Handlers {
  let messages = 0;
  const heldOf = new WeakMap<Connection, HeldMessage[]>();
  return {
    data: (connection, chunk) => {
      const held = heldOf.get(connection) ?? [];
      heldOf.set(connection, held);
      const cameMs = loop.nowMs;
      // A busy machine may bring several messages at once.
      for (let at = 0; at < chunk.length; at += MESSAGE_BYTES) {
        const bytes = chunk.slice(at, at + MESSAGE_BYTES);
        messages += 1;
        const delayMs = messages % 10 === 0 ? 20 : 2;
        held.push({ bytes, cameMs, dueMs: cameMs + delayMs });
        loop.setTimer(delayMs, () => answerDue(connection, held));
      }
    },
  };
}

/** A message that the server has not answered yet. */
interface HeldMessage {
  readonly bytes: Uint8Array;
  readonly cameMs: number;
  readonly dueMs: number;
}

/** Replies keep the order of their messages: one that is due waits for those before it. */
function answerDue(connection: Connection, held: HeldMessage[]): void {
  const nowMs = loop.nowMs;
  for (let first = held[0]; first !== undefined && first.dueMs <= nowMs; first = held[0]) {
    held.shift();
    if (!connection.isOpen) continue;
    connection.write(first.bytes);
    delaysMs.push(nowMs - first.cameMs);
  }
}

/** Echoes for a while, and leaves. */
function leaver(afterMs: number, how: 'reset' | 'close'): Handlers {
  const left = new WeakSet<Connection>();
  return {
    data: (connection, chunk) => {
      if (!left.has(connection)) connection.write(chunk);
    },
    open: (connection) => {
      loop.setTimer(afterMs, () => {
        left.add(connection);
        if (how === 'reset') connection.reset();
        else connection.end();
      });
    },
  };
}

/**
 * Changes the first byte of a message now and then, once for each connection: on a busy machine a
 * second one may be under way when the client closes the connection.
 */
function flipper(every: number, most: number): Handlers {
  const offsets = new WeakMap<Connection, number>();
  const flipped = new WeakSet<Connection>();
  let messages = 0;
  return {
    data: (connection, chunk) => {
      const bytes = chunk.slice();
      const offset = offsets.get(connection) ?? 0;
      offsets.set(connection, offset + bytes.length);
      for (let at = (64 - (offset % 64)) % 64; at < bytes.length; at += 64) {
        messages += 1;
        const isDue = messages >= every && !flipped.has(connection) && delaysMs.length < most;
        if (!isDue) continue;
        messages = 0;
        flipped.add(connection);
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        delaysMs.push(0);
      }
      connection.write(bytes);
    },
  };
}

function handlersOf(behaviour: Behaviour): Handlers {
  switch (behaviour.kind) {
    case 'echo':
      return { data: echo };
    case 'other':
      return {
        data: (connection, chunk) => {
          const lie = chunk.slice();
          lie[lie.length - 1] = (lie.at(-1) ?? 0) ^ 1;
          connection.write(lie);
        },
      };
    case 'more':
      return {
        data: (connection, chunk) => {
          connection.write(Uint8Array.of(...chunk, 0));
        },
      };
    case 'swap':
      return swapper();
    case 'trickle':
      return { data: (connection, chunk) => trickle(connection, chunk.slice()) };
    case 'half':
      return {
        data: (connection, chunk) => connection.end(chunk.subarray(0, chunk.length >> 1)),
      };
    case 'once':
      return { data: (connection, chunk) => connection.end(chunk) };
    case 'silent':
      return { data: () => undefined };
    case 'mortal':
      return mortal(behaviour.chunksMax);
    case 'reset':
      return { open: (connection) => connection.reset() };
    case 'stall':
      return staller(behaviour.afterMs, behaviour.stallMs);
    case 'delay':
      return delayer();
    case 'leave':
      return leaver(behaviour.afterMs, behaviour.how);
    case 'flip':
      return flipper(behaviour.every, behaviour.most);
  }
}

const listeners = task.behaviours.map((behaviour) =>
  loop.listen({ host: '127.0.0.1', port: 0, handlers: handlersOf(behaviour) }),
);

/** Stops the loop once the test asks for it. The timer keeps a loop without a listener running. */
function lookForTheEnd(): void {
  if (Atomics.load(words, 0) !== 0) loop.stop();
  else loop.setTimer(20, lookForTheEnd);
}

const ports = listeners.map(({ address }) => {
  if (address.family === 'UNIX') throw new Error('not a port');
  return address.port;
});
const ready: ServerWords = { kind: 'ready', ports };
parentPort?.postMessage(ready);
lookForTheEnd();
await loop.run();
loop.close();
const ended: ServerWords = { kind: 'ended', delaysMs };
parentPort?.postMessage(ended);
