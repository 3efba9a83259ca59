/** Ports of UDP on the loopback interface. */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { eventually } from './command.ts';

/**
 * A port of 127.0.0.1 that nobody is bound to, by UDP. It lies below those that systems choose,
 * and so is still free when a program is started there.
 */
export async function freeUdpPort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const socket = createSocket('udp4').bind(port, '127.0.0.1');
    const isFree = await once(socket, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    const gone = once(socket, 'close');
    socket.close();
    await gone;
    return port;
  }
}

/** Waits until a program is bound to a port, as /proc shows it without a datagram. */
export async function boundUdp(port: number): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  await eventually(() => {
    assert.match(readFileSync('/proc/net/udp', 'utf8'), new RegExp(`: [0-9A-F]{8}:${hex} `));
  });
}
