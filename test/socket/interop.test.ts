// Goal: datagrams and records of a Socket are those of other programs.
// Method: socat at the other end, over UDP and over UNIX sockets.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Socket, type SocketType } from '#src/socket/index.js';
import { type Command, eventually, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { boundUdp, freeUdpPort } from '#test/harness/udp.js';
import { WAIT_MS } from './datagram-ends.ts';

const skip = reasonWithoutProc || reasonWithout('socat');
const timeout = 60_000;

function socket(t: TestContext, family: 'IPv4' | 'IPv6' | 'UNIX', type: SocketType): Socket {
  const opened = new Socket(family, { type });
  t.after(() => opened.close());
  opened.setTimeout(WAIT_MS);
  return opened;
}

/** Sends records and asserts that each comes back. */
function assertEchoes(connected: Socket, records: readonly string[]): void {
  const bytes = new Uint8Array(2 ** 16);
  for (const record of records) {
    connected.send(record);
    const { length, truncated } = connected.recvMsg(bytes);
    assert.equal(new TextDecoder().decode(bytes.subarray(0, length)), record);
    assert.equal(truncated, false);
  }
}

async function ended(command: Command): Promise<void> {
  await command.stop('SIGTERM');
}

for (const [family, address, listens] of [
  ['IPv4', '127.0.0.1', 'UDP4-RECVFROM'],
  ['IPv6', '::1', 'UDP6-RECVFROM'],
] as const) {
  test(`socat echoes datagrams over ${family}`, { skip, timeout }, async (t) => {
    leakCheck(t);
    const port = await freeUdpPort();
    const bind = family === 'IPv4' ? address : `[${address}]`;
    const echo = start(t, ['socat', `${listens}:${port},bind=${bind},fork`, 'PIPE']);
    if (family === 'IPv4') await boundUdp(port);
    const client = socket(t, family, 'SOCK_DGRAM');
    client.connect({ address, port });
    client.setTimeout(200);
    // Until it is bound, datagrams are refused.
    await eventually(() => assertEchoes(client, ['ready?']));
    client.setTimeout(WAIT_MS);
    assertEchoes(client, ['one', 'x'.repeat(8000)]);
    await ended(echo);
  });
}

test('socat echoes the records of SOCK_SEQPACKET', { skip, timeout }, async (t) => {
  leakCheck(t);
  const path = join(scratch(t), 'records');
  const listen = `UNIX-LISTEN:${path},socktype=5,fork`;
  const echo = start(t, ['socat', listen, 'EXEC:cat']);
  const client = socket(t, 'UNIX', 'SOCK_SEQPACKET');
  await eventually(() => client.connect({ path }));
  assertEchoes(client, ['one', 'two', 'x'.repeat(4000)]);
  // The process that serves it ends with it.
  client.close();
  await ended(echo);
});

test('socat sends to a UNIX socket of datagrams', { skip, timeout }, async (t) => {
  leakCheck(t);
  const path = join(scratch(t), 'datagrams');
  const receiver = socket(t, 'UNIX', 'SOCK_DGRAM');
  receiver.bind({ path });
  const sender = start(t, ['socat', '-u', '-', `UNIX-SENDTO:${path}`]);
  sender.child.stdin?.end('from socat');
  const bytes = new Uint8Array(64);
  const [length, from] = receiver.recvFrom(bytes);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, length)), 'from socat');
  assert.deepEqual(from, { family: 'UNIX', path: '' });
  assert.equal((await sender.end()).status, 0);
});
