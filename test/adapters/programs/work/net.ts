/** What a program of a library is given: node:net or sockloop/net, and where the servers are. */

import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import type { Server, Socket } from 'node:net';
import * as tls from 'node:tls';

/** Where a server is. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

/** What the programs use of either module. */
export interface Net {
  connect(place: Place & { readonly noDelay?: boolean }): Socket;
  readonly Socket: new () => Socket;
  /** Feeds a server of Node's with the connections to a free port. */
  serveOn(server: EventEmitter): Server;
}

/** A key and a certificate for `localhost` and 127.0.0.1, in PEM. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

export async function portOf(listener: Server): Promise<number> {
  if (!listener.listening) await once(listener, 'listening');
  const address = listener.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

/** Stops `listener` and waits until its last connection is closed. */
export async function closed(listener: Server): Promise<void> {
  await new Promise<void>((resolve) => void listener.close(() => resolve()));
}

/** TLS on a connection of `net`. */
export function secure(net: Net, port: number, options: tls.ConnectionOptions): tls.TLSSocket {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
  const secured = tls.connect({ servername: 'localhost', ...options, socket });
  return secured;
}

/** More than all buffers on the way hold, where no other size is asked for; no two blocks alike. */
export const BODY: Buffer = Buffer.alloc(Number(process.env['BODY_BYTES'] ?? 5_000_000));
for (let at = 0; at < BODY.length; at += 4) BODY.writeInt32LE((at * 0x9e37_79b1) | 0, at);

export function assertBody(bytes: Uint8Array): void {
  assert.ok(BODY.equals(bytes), `${bytes.length} bytes, of ${BODY.length}`);
}

export async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
