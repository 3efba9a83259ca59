/** Clients and servers inside the test, written with Node's own net: polite ones and rude ones. */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Scope, WAIT_MS } from './command.ts';

/** Where a server listens. */
export type Target =
  | { readonly host?: string; readonly port: number; readonly localAddress?: string }
  | { readonly path: string };

/** `promise`, or a failure when it takes too long. */
export async function bounded<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  const waiting = new AbortController();
  const late = delay(WAIT_MS, undefined, { signal: waiting.signal }).then(
    () => assert.fail(`${what} took more than ${WAIT_MS} ms`),
    () => promise,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    waiting.abort();
  }
}

/** A connection to `target`. Its errors surface in the functions that wait for data. */
export async function dial(target: Target): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', allowHalfOpen: true, ...target });
  await bounded(once(socket, 'connect'), 'connecting');
  socket.on('error', () => undefined);
  return socket;
}

/** A connection that the server turns away, perhaps by a reset before it is told to be there. */
export async function turnedAway(target: Target): Promise<void> {
  const socket = connect({ host: '127.0.0.1', allowHalfOpen: true, ...target });
  const codes: (string | undefined)[] = [];
  socket.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code));
  await dismissed(socket);
  assert.ok(
    codes.every((code) => code === 'ECONNRESET'),
    `${codes}`,
  );
}

/** Sends `bytes` and returns all that comes back until the server closes. */
export async function talk(
  target: Target,
  bytes: string | Uint8Array,
  finish: 'half-close' | 'stay' = 'half-close',
): Promise<Buffer> {
  const socket = await dial(target);
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  const ended = once(socket, 'end');
  if (finish === 'half-close') socket.end(bytes);
  else socket.write(bytes);
  await bounded(ended, 'the reply');
  await closed(socket);
  return Buffer.concat(pieces);
}

/** Waits for the end of a connection, also by an error, at which once() would throw. */
async function over(socket: Socket): Promise<void> {
  if (socket.closed) return;
  await bounded(new Promise<void>((resolve) => socket.once('close', () => resolve())), 'the end');
}

/** Waits until the server has ended or reset a connection, and closes it. */
export async function dismissed(socket: Socket): Promise<void> {
  const end = new Promise<void>((resolve) => {
    socket
      .resume()
      .once('end', resolve)
      .once('close', () => resolve());
  });
  if (!socket.closed && !socket.readableEnded) await bounded(end, 'the end');
  await closed(socket);
}

/** Closes a connection. */
export async function closed(socket: Socket): Promise<void> {
  socket.destroy();
  await over(socket);
}

/** Ends a connection with a reset: SO_LINGER with a time of 0. */
export async function reset(socket: Socket): Promise<void> {
  socket.resetAndDestroy();
  await over(socket);
}

/** Waits for the next bytes. Later ones are kept for the next call. */
export function heard(socket: Socket): Promise<Buffer> {
  const next = new Promise<Buffer>((resolve, reject) => {
    const left = (): void => reject(new Error('closed without an answer'));
    socket.once('close', left);
    socket.once('data', (piece: Buffer) => {
      socket.off('close', left);
      socket.pause();
      resolve(piece);
    });
  });
  socket.resume();
  return bounded(next, 'an answer');
}

export const MIB = 1024 * 1024;

/** 10 MB without a newline, in which a lost or repeated piece is detected. */
export function bigText(bytes: number = 10 * MIB): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  // Every 8 bytes are their number: 20 ms for what takes Buffer.write() 400.
  for (let index = 0; index < words.length; index += 2) {
    words[index] = letters(index);
    words[index + 1] = letters(index >>> 16);
  }
  return Buffer.from(words.buffer, 0, bytes);
}

/** The low 16 bits of a number in four letters, from @ to O. */
function letters(number: number): number {
  const bytes = ((number & 0xff00) << 8) | (number & 0xff);
  return (((bytes << 4) | bytes) & 0x0f0f0f0f) | 0x40404040;
}

/** A misbehaving client. */
export interface RudeClient {
  readonly name: string;
  run(target: Target): Promise<void>;
}

const big = bigText();

export const rudeClients: readonly RudeClient[] = [
  { name: 'connects and leaves', run: async (target) => closed(await dial(target)) },
  { name: 'resets at once', run: async (target) => reset(await dial(target)) },
  {
    name: 'sends half a line and leaves',
    run: async (target) => {
      const socket = await dial(target);
      await new Promise((resolve) => socket.write('half a li', resolve));
      await closed(socket);
    },
  },
  {
    name: 'resets in the middle of a line',
    run: async (target) => {
      const socket = await dial(target);
      await new Promise((resolve) => socket.write('half a li', resolve));
      await reset(socket);
    },
  },
  {
    name: 'resets behind its line',
    run: async (target) => {
      const socket = await dial(target);
      await new Promise((resolve) => socket.write('a line\n', resolve));
      await reset(socket);
    },
  },
  {
    name: 'leaves without reading its reply',
    run: async (target) => {
      const socket = await dial(target);
      socket.pause();
      await new Promise((resolve) => socket.write('a line\n', resolve));
      await closed(socket);
    },
  },
  {
    name: 'leaves bytes behind its line',
    run: async (target) => {
      const socket = await dial(target);
      socket.write('a line\n');
      socket.end(big.subarray(0, MIB));
      await over(socket.resume());
    },
  },
  {
    name: 'resets in the middle of its reply',
    run: async (target) => {
      const socket = await dial(target);
      socket.end(big);
      const first = await heard(socket);
      assert.ok(first.length < big.length);
      await reset(socket);
    },
  },
];

/** A server in the test that calls `serve` with each connection. Returns its port. */
export async function peer(
  scope: Scope,
  serve: (socket: Socket) => void,
  target: { host?: string; path?: string } = {},
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  scope.after(async () => {
    const gone = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await bounded(gone, 'closing a server');
  });
  if (target.path === undefined) server.listen(0, target.host ?? '127.0.0.1');
  else server.listen(target.path);
  await bounded(once(server, 'listening'), 'listening');
  return portOf(server);
}

/** A {@link peer} that sends back what comes. */
export function echoPeer(scope: Scope): Promise<number> {
  return peer(scope, (socket) => socket.pipe(socket));
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/**
 * A port without a listener. It lies below those that systems give to connections, and so is still
 * free when a server is started there, or started again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    const gone = once(server, 'close');
    server.close();
    await bounded(gone, 'closing a server');
    return port;
  }
}
