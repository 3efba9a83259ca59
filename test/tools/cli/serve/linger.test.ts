// Goal: a client gets every byte that the server has answered, also where the server hangs up
// first: at a signal, behind a line that is too long, and in the mode `once` with more input.
// Method: the real program on a loop of each kind; clients that read slowly and go on sending.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { bigText, bounded, closed, dial, MIB } from '#test/harness/clients.js';
import { type Command, eventually } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { kinds, serveOn } from '#test/harness/loops.js';
import { reasonWithoutProc } from '#test/harness/other-programs.js';
import { catches } from '#test/harness/process-state.js';

const timeout = 120_000;
const LINE_BYTES = 65_536;

/** Lines of 64 KiB, in which a lost or doubled piece shows. */
function lines(bytes: number): Buffer {
  const text = bigText(bytes);
  for (let end = LINE_BYTES; end <= bytes; end += LINE_BYTES) text[end - 1] = 10;
  return text;
}

/** What the server never reads: the client is in the middle of sending when it hangs up. */
const MORE = Buffer.alloc(200_000, 'x');

/** Reads slowly to the end, and then ends its own side. Fails where a reset came first. */
async function readSlowly(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let failure: Error | null = null;
  socket.on('error', (error) => {
    failure = error;
  });
  const over = new Promise<void>((resolve) => {
    socket.once('end', resolve).once('close', () => resolve());
  });
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece);
    socket.pause();
    void delay(1).then(() => socket.resume());
  });
  socket.resume();
  await bounded(over, 'the end');
  assert.equal(failure, null);
  await closed(socket);
  return Buffer.concat(pieces);
}

/** Waits until nothing more of what a client writes is taken. */
async function stalled(socket: Socket): Promise<void> {
  for (let same = 0, before = -1; same < 10; before = socket.bytesWritten - socket.writableLength) {
    await delay(20);
    same = socket.bytesWritten - socket.writableLength === before ? same + 1 : 0;
  }
}

/** The events of a server with --json, once it has stopped. */
async function stopped(command: Command): Promise<Record<string, unknown>[]> {
  const { status, out } = await command.stop();
  assert.equal(status, 0);
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

for (const loop of kinds) {
  const { name } = loop;
  const skip = loop.skip || reasonWithoutProc;
  test(`serve --loop ${name}: who reads slowly gets every answer, whoever hangs up`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    const [{ port, command }, single] = await Promise.all([
      serveOn(t, loop, '--mode', 'line', '--max-line', '100000', '--json'),
      serveOn(t, loop, '--mode', 'once', '--json'),
    ]);

    const answers = lines(3 * MIB);
    const overlong = await dial({ port });
    overlong.pause().write(Buffer.concat([answers, MORE, MORE]));
    const got = await readSlowly(overlong);
    assert.ok(got.equals(answers), `${got.length} of ${answers.length} before a line too long`);

    const line = Buffer.concat([bigText(3 * MIB), Buffer.from('\n')]);
    const talkative = await dial({ port: single.port });
    talkative.pause().write(Buffer.concat([line, MORE]));
    const echo = await readSlowly(talkative);
    assert.ok(echo.equals(line), `${echo.length} of ${line.length} in the mode once`);

    const client = await dial({ port });
    const many = lines(16 * MIB);
    client.pause().write(Buffer.concat([many, MORE]));
    // Its answers fill every buffer on the way, until the server stops taking more of it.
    await stalled(client);
    const ended = stopped(command);
    await eventually(() => assert.ok(!catches(command.pid, constants.signals.SIGTERM)));
    const rest = await readSlowly(client);
    const totals = (await ended).at(-1)?.['totals'] as Record<string, number>;
    assert.ok(rest.length > MIB, `${rest.length} bytes`);
    assert.ok(rest.equals(many.subarray(0, rest.length)));
    assert.equal(totals['sentBytes'], answers.length + rest.length);
    assert.equal(totals['unacknowledgedBytes'], 0);
    assert.equal(totals['failed'], 1, 'the line that was too long');
    const last = (await stopped(single.command)).at(-1)?.['totals'] as Record<string, number>;
    assert.deepEqual([last['failed'], last['sentBytes']], [0, line.length]);
  });
}
