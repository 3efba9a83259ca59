/** The event loops that this machine has, and what most tests of connections begin with. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  type Connection,
  type ConnectionHandlers,
  EventLoop,
  type LoopName,
  nativeSys,
} from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { leakCheck } from '#test/harness/leaks.js';

/** Nothing here takes longer, by far. */
const LIMIT_MS = 10_000;

/** One test for each event loop; the loop is closed and looked through for leaks at the end. */
export function overPollers(
  title: string,
  body: (t: TestContext, loop: EventLoop, name: LoopName) => void | Promise<void>,
): void {
  for (const { name, available } of backends) {
    const here = available(nativeSys());
    const skip = here === true ? false : here.reason;
    test(`tcp: ${title} (${name})`, { skip, timeout: 2 * LIMIT_MS }, async (t) => {
      leakCheck(t);
      using loop = new EventLoop({ backend: name });
      await body(t, loop, name);
    });
  }
}

/** Runs the loop until nothing is left, and not for ever. */
export async function run(loop: EventLoop): Promise<void> {
  let late = false;
  const guard = setTimeout(() => {
    late = true;
    loop.stop();
  }, LIMIT_MS);
  try {
    await loop.run();
  } finally {
    clearTimeout(guard);
  }
  assert.equal(late, false, `the loop had not ended after ${LIMIT_MS} ms`);
}

/** A path for a UNIX socket, gone after the test. */
export function unixPath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'socket');
}

/** Where {@link connectPair} listens. */
export type Place = { host: string; port: number } | { path: string };

/** One connection, with a handler object for each end; the listener is closed once it stands. */
export function connectPair(
  loop: EventLoop,
  server: ConnectionHandlers,
  client: ConnectionHandlers,
  settings: { place?: Place; queueBytesMax?: number; queueBytesHigh?: number } = {},
): void {
  const { place = { host: '127.0.0.1', port: 0 }, ...limits } = settings;
  const listener = loop.listen({
    ...place,
    ...limits,
    handlers: {
      ...server,
      open: (connection) => {
        listener.close();
        server.open?.(connection);
      },
    },
  });
  const { address } = listener;
  const to =
    address.family === 'UNIX'
      ? { path: address.path }
      : { host: address.address, port: address.port };
  loop.connect({ ...to, ...limits, handlers: client });
}

/** Writes down, in words, what happens to one end, and then does what `handlers` say. */
export function recorded(
  name: string,
  log: string[],
  handlers: ConnectionHandlers = {},
): ConnectionHandlers {
  return {
    open: (connection) => {
      log.push(`${name} open`);
      handlers.open?.(connection);
    },
    data: (connection, chunk) => {
      log.push(`${name} data ${new TextDecoder().decode(chunk)}`);
      handlers.data?.(connection, chunk);
    },
    drain: (connection) => {
      log.push(`${name} drain`);
      handlers.drain?.(connection);
    },
    end: (connection) => {
      log.push(`${name} end`);
      if (handlers.end === undefined) connection.end();
      else handlers.end(connection);
    },
    close: (connection, error) => {
      log.push(`${name} close ${error?.code ?? null}`);
      handlers.close?.(connection, error);
    },
  };
}

/** What `log` says of one end. */
export function linesOf(name: string, log: readonly string[]): string[] {
  return log
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => line.slice(name.length + 1));
}

/** `text` as bytes. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes that differ from their neighbours and from those a block away. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >> 8)) & 0xff;
  return bytes;
}

/** Nothing: for handlers that only have to be there. */
export function ignore(_connection: Connection): void {
  // A handler that is there changes what happens, as with `end`.
}
