/** Sockets for datagrams of every kind, for the tests of sockets. */

import type { TestContext } from 'node:test';
import { type AddressFamily, Socket } from '#src/socket/index.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import { freshAddress, type Kind, kinds } from './ends.ts';

/** A kind that has an address. */
export type NamedKind = Exclude<Kind, 'pair'>;

/** The kinds that have an address, on this platform. */
export const namedKinds = kinds.filter((kind): kind is NamedKind => kind !== 'pair');

/** A receive that waits longer has failed, also on a busy machine. */
export const WAIT_MS = 20_000;

const familyOf = (kind: Kind): AddressFamily =>
  kind === 'IPv4' || kind === 'IPv6' ? kind : 'UNIX';

/** A socket that is closed after the test, and does not wait for ever. */
export function opened(t: TestContext, family: AddressFamily): Socket {
  const socket = new Socket(family, { type: 'SOCK_DGRAM' });
  t.after(() => socket.close());
  socket.setTimeout(WAIT_MS);
  return socket;
}

/** One with an address of its own: a free port, a new path or name. */
export function bound(t: TestContext, kind: NamedKind): Socket {
  const socket = opened(t, familyOf(kind));
  socket.bind(freshAddress(t, kind));
  return socket;
}

/** Two with addresses, and that of the first. */
export interface Correspondents {
  readonly receiver: Socket;
  readonly sender: Socket;
  readonly to: SocketAddress;
}

/** Two sockets of a kind that can reach each other. */
export function correspondents(t: TestContext, kind: NamedKind): Correspondents {
  const receiver = bound(t, kind);
  return { receiver, sender: bound(t, kind), to: receiver.getSockName() };
}

/** The port of a bound socket. */
export function portOf(socket: Socket): number {
  const name = socket.getSockName();
  return name.family === 'UNIX' ? 0 : name.port;
}

/** The next datagram as text. */
export function textFrom(socket: Socket, room = 64): string {
  const buffer = new Uint8Array(room);
  return new TextDecoder().decode(buffer.subarray(0, socket.recv(buffer)));
}
