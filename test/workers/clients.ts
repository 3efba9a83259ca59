import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Connections that stay open. */
interface HeldClients {
  /** How many have heard of an end. */
  ended(): number;
  close(): void;
}

function connected(to: number | string): Promise<Socket> {
  const socket = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to);
  return once(socket, 'connect').then(() => socket);
}

/** `count` clients of an echo server, each with one message echoed. */
export async function heldClients(to: number | string, count: number): Promise<HeldClients> {
  const sockets: Socket[] = [];
  let ended = 0;
  for (let client = 0; client < count; client++) {
    const socket = await connected(to);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      ended += 1;
    });
    sockets.push(socket);
    socket.write('hello');
    await once(socket, 'data');
    socket.resume();
  }
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return { ended: () => ended, close };
}

/** `count` clients at a time, each with one message echoed. Throws where one is not served. */
export async function echoed(to: number | string, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = await connected(to);
      socket.setTimeout(30_000, () => socket.destroy(new Error('not served within 30 s')));
      socket.write('hello');
      await once(socket, 'data');
      socket.destroy();
    }),
  );
}
