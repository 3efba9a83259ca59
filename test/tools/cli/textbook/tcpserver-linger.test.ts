// Goal: the textbook's server echoes its one line whole, also to a client that reads late and goes
// on sending: close(2) with input unread would reset the connection.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bigText, bounded, closed, dial, MIB } from '#test/harness/clients.js';
import { start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { loops } from '#test/harness/loops.js';
import { tcpserver } from '#test/harness/programs.js';

const timeout = 60_000;

for (const loop of loops) {
  if (loop.name === 'threads') continue; // The textbook has none.
  const { name, skip } = loop;
  test(`tcpserver, ${name}: who sends more than its line gets all of its echo`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    const words = name === 'blocking' ? ['0'] : ['--loop', name, '0'];
    const command = start(t, tcpserver(...words), { stdio: ['pipe', 'pipe', 'pipe'] });
    const [, port] = await command.until('out', /server listening on port (\d+)\n/);
    const line = Buffer.concat([bigText(5 * MIB), Buffer.from('\n')]);
    const socket = await dial({ port: Number(port) });
    const pieces: Buffer[] = [];
    let failure: Error | null = null;
    socket.on('error', (error) => {
      failure = error;
    });
    const over = new Promise<void>((resolve) => {
      socket.once('end', resolve).once('close', () => resolve());
    });
    socket.pause().write(Buffer.concat([line, bigText(MIB)]));
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece);
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    });
    socket.resume();
    await bounded(over, 'the end');
    assert.equal(failure, null);
    assert.ok(Buffer.concat(pieces).equals(line));
    await closed(socket);
    await command.stop('SIGKILL');
  });
}
