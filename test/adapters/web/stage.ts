/** Sockets of sockloop/web on the loops that are compared, and peers of node:net. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as nodeNet from 'node:net';
import { type TestContext, test } from 'node:test';
import { nativeSys } from 'sockloop';
import { connect, type ListenOptions, listen, type Socket, type SocketOptions } from 'sockloop/web';
import { ThreadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';
import { backends } from '#src/loop/backends.js';
import { leakCheck } from '#test/harness/leaks.js';

const LIMIT_MS = 30_000;

/** Below the five seconds that a socket lingers. */
const LEFT_MS = 4000;

/** Counts what keeps the process alive. */
class CountedLoop extends ThreadLoop {
  holds = 0;

  override hold(): void {
    this.holds += 1;
    super.hold();
  }

  override release(): void {
    this.holds -= 1;
    super.release();
  }
}

/** One test on each loop; sockets use it as that of the thread. */
export function overLoops(
  title: string,
  body: (t: TestContext, thread: ThreadLoop) => Promise<void>,
): void {
  for (const name of ['epoll', 'io_uring', 'poll'] as const) {
    const answer = backends.find((backend) => backend.name === name)?.available(nativeSys());
    const skip = answer === true ? false : (answer?.reason ?? 'no such loop');
    test(`web: ${title} (${name})`, { skip, timeout: LIMIT_MS }, async (t) => {
      leakCheck(t);
      const thread = new CountedLoop({ backend: name });
      useThreadLoop(thread);
      t.after(() => {
        useThreadLoop(null);
        thread.loop.close();
      });
      await body(t, thread);
      if (thread.loop.closed) return;
      // Nothing may stay open behind the test's back, nor a timer of some seconds.
      await until(() => !thread.loop.alive, 'every socket is closed', LEFT_MS);
      assert.equal(thread.holds, 0, 'and none keeps the process alive');
    });
  }
}

/** Both ends of a connection. */
export interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** A connection between two sockets of sockloop/web. */
export async function pair(
  clientOptions: SocketOptions = {},
  serverOptions: ListenOptions = { allowHalfOpen: clientOptions.allowHalfOpen ?? false },
): Promise<Pair> {
  const listener = listen({ hostname: '127.0.0.1', port: 0 }, serverOptions);
  const client = connect(`127.0.0.1:${listener.port}`, clientOptions);
  const server = await listener.accept();
  await Promise.all([client.opened, listener.close()]);
  return { client, server };
}

/** A connection from a socket of sockloop/web to one of node:net. */
export async function withNode(
  options: SocketOptions = {},
): Promise<{ socket: Socket; peer: nodeNet.Socket }> {
  const server = nodeNet.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({ hostname: '127.0.0.1', port: portOf(server) }, options);
  const [peer] = (await once(server, 'connection')) as [nodeNet.Socket];
  server.close();
  await socket.opened;
  return { socket, peer };
}

/** The port on which `server` listens. */
export function portOf(server: nodeNet.Server): number {
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

/** Waits until `done`, in turns of the process. */
export async function until(
  done: () => boolean,
  what: string | (() => string),
  limitMs = LIMIT_MS / 3,
): Promise<void> {
  const endMs = process.uptime() * 1000 + limitMs;
  while (!done()) {
    if (process.uptime() * 1000 > endMs) {
      assert.fail(`waited in vain until ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** What `promise` rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const [result] = await Promise.allSettled([promise]);
  assert.ok(result?.status === 'rejected', 'the promise is rejected');
  return result.reason;
}

/** All that `readable` brings. */
export async function bytesOf(readable: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readable) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** All that `readable` brings, as text. */
export async function textOf(readable: ReadableStream<Uint8Array>): Promise<string> {
  return new TextDecoder().decode(await bytesOf(readable));
}

/** Bytes that differ from their neighbours and from those a block away. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >> 8)) & 0xff;
  return bytes;
}
