import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Scope } from '#test/harness/command.js';

/** Answers each datagram with its bytes. Returns its port. */
export async function datagramPeer(scope: Scope): Promise<number> {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => socket.send(message, port, address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  scope.after(() => void socket.close());
  return socket.address().port;
}
