/** Connected sockets of every kind, for the tests of sockets. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type AddressFamily, type AddressInput, Socket, SysError } from '#src/socket/index.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import type { Sys } from '#src/sys/sys.js';

/** A way to be connected: an address to listen at, or a pair. */
export type Kind = 'IPv4' | 'IPv6' | 'UNIX path' | 'abstract name' | 'pair';

const LISTENING: readonly Exclude<Kind, 'pair'>[] = ['IPv4', 'IPv6', 'UNIX path', 'abstract name'];

/** The kinds that have an address, on this platform. */
export const listeningKinds = LISTENING.filter((kind) => {
  return kind !== 'abstract name' || process.platform === 'linux';
});

/** All kinds of this platform. */
export const kinds: readonly Kind[] = [...listeningKinds, 'pair'];

/** The address family of a kind. */
export function familyOf(kind: Kind): AddressFamily {
  return kind === 'IPv4' || kind === 'IPv6' ? kind : 'UNIX';
}

let names = 0;

/** Where a socket of a kind can listen: a free port, a new path, a new name. */
export function freshAddress(t: TestContext, kind: Exclude<Kind, 'pair'>): AddressInput {
  switch (kind) {
    case 'IPv4':
      return { address: '127.0.0.1', port: 0 };
    case 'IPv6':
      return { address: '::1', port: 0 };
    case 'UNIX path':
      return { path: join(temporaryDirectory(t), 'socket') };
    case 'abstract name':
      return { path: `\0sockloop-${process.pid}-${names++}` };
  }
}

/** A directory that is removed after the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The socket itself, closed after the test. */
export function closing(t: TestContext, socket: Socket): Socket {
  t.after(() => socket.close());
  return socket;
}

/** A socket that listens. */
export function listening(
  t: TestContext,
  kind: Exclude<Kind, 'pair'>,
  options: { readonly sys?: Sys; readonly backlog?: number } = {},
): Socket {
  const { sys, backlog } = options;
  const server = closing(t, new Socket(familyOf(kind), sys === undefined ? {} : { sys }));
  server.bind(freshAddress(t, kind));
  server.listen(backlog);
  return server;
}

/** Two ends of one connection. */
export interface Ends {
  readonly client: Socket;
  readonly accepted: Socket;
  /** The address that accept(2) returned; undefined in a pair. */
  readonly address: SocketAddress | null;
}

/** A connection of a kind. */
export function connected(t: TestContext, kind: Kind, sys?: Sys): Ends {
  const options = sys === undefined ? {} : { sys };
  if (kind === 'pair') {
    const [left, right] = Socket.pair(options);
    return { client: closing(t, left), accepted: closing(t, right), address: null };
  }
  const server = listening(t, kind, options);
  const client = closing(t, new Socket(familyOf(kind), options));
  client.connect(server.getSockName());
  const [accepted, address] = server.accept();
  return { client, accepted: closing(t, accepted), address };
}

/** The text of the next `recv`. */
export function received(socket: Socket, room = 64): string {
  const buffer = new Uint8Array(room);
  return new TextDecoder().decode(buffer.subarray(0, socket.recv(buffer)));
}

/** The SysError that `call` throws. */
export function failureOf(call: () => unknown): SysError {
  try {
    call();
  } catch (error) {
    if (error instanceof SysError) return error;
    throw error;
  }
  assert.fail('it did not throw');
}

/** Bytes for `send`. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
