// Goal: the guards of a server of blocking calls keep their limits and deadlines, alone and in
// a pool of threads, whose limits are those of all threads together.
// Method: the real program on both loops, with clients of Node's own net.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { bounded, closed, dial, dismissed, MIB, talk } from '#test/harness/clients.js';
import { leakCheck } from '#test/harness/leaks.js';
import { kinds } from '#test/harness/loops.js';
import { serve } from '#test/harness/programs.js';

const timeout = 60_000;

/** The loops of blocking calls. */
const blocking = kinds.filter(({ shared }) => !shared);

interface Event {
  readonly event: string;
  readonly durationMs: number;
  readonly reason: string;
  readonly failure?: { readonly message: string };
  readonly totals: { readonly refused: Readonly<Record<string, number>> };
}

function eventsIn(out: string): Event[] {
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** What was refused, without kinds that were not. */
function refusedIn(out: string): Record<string, number> {
  const refused = eventsIn(out).at(-1)?.totals.refused ?? {};
  return Object.fromEntries(Object.entries(refused).filter(([, count]) => count > 0));
}

/** Checks that one connection was closed with `reason`, `deadlineMs` after its start or later. */
function checkEnd(out: string, deadlineMs: number, reason: RegExp): void {
  const ends = eventsIn(out).filter(({ event }) => event === 'closed');
  assert.deepEqual(
    ends.map((end) => end.reason),
    ['timeout'],
  );
  assert.match(ends[0]?.failure?.message ?? '', reason);
  const durationMs = ends[0]?.durationMs ?? 0;
  // Both clocks are read a moment beside the deadline.
  assert.ok(durationMs >= deadlineMs - 5, `${durationMs} ms of ${deadlineMs}`);
}

/** A client that was answered, or null for one that was reset instead. */
async function answered(t: TestContext, port: number, from = '127.0.0.1'): Promise<Socket | null> {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from });
  t.after(() => closed(socket));
  // The reset may come as early as the connection.
  const reset = new Promise<null>((resolve) => socket.once('error', () => resolve(null)));
  const answer = new Promise<Socket>((resolve) => socket.once('data', () => resolve(socket)));
  socket.write('hello');
  return await bounded(Promise.race([reset, answer]), 'an answer');
}

/** Sends a byte now and then until the server has ended the connection. */
async function trickle(socket: Socket): Promise<void> {
  const over = dismissed(socket);
  while (!socket.readableEnded && !socket.destroyed) {
    socket.write('.');
    await pause(20);
  }
  await over;
}

for (const { name } of blocking) {
  const served = (t: TestContext, ...words: string[]) =>
    serve(t, '--loop', name, '--json', ...words);

  test(`serve --loop ${name} --lifetime: also of a client that never rests`, {
    timeout,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await served(t, '--lifetime', '700ms');
    await trickle(await dial({ port }));
    const { out } = await command.stop();
    checkEnd(out, 700, /cannot keep the connection with 127.*\(it was open for 700 ms/);
    assert.deepEqual(refusedIn(out), { lifetime: 1 });
  });

  test(`serve --loop ${name} --write-timeout: a client that takes nothing`, {
    timeout,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await served(t, '--write-timeout', '600ms');
    const socket = await dial({ port });
    socket.pause();
    socket.write(Buffer.alloc(32 * MIB));
    // Not once(): the reset is an error as well.
    await new Promise((resolve) => socket.once('close', resolve));
    const { out } = await command.stop();
    checkEnd(out, 600, /the peer took nothing of its queue within 600 ms/);
    assert.deepEqual(refusedIn(out), { writeStall: 1 });
  });

  test(`serve --loop ${name} --write-timeout: not a client that is slow`, {
    timeout,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await served(t, '--write-timeout', '1s');
    const socket = await dial({ port });
    const bytes = 24 * MIB;
    socket.end(Buffer.alloc(bytes));
    let length = 0;
    let pauses = 0;
    socket.on('data', (piece: Buffer) => {
      length += piece.length;
      if (length < ++pauses * 4 * MIB) return;
      socket.pause();
      void pause(250).then(() => socket.resume());
    });
    await once(socket, 'end');
    await closed(socket);
    assert.equal(length, bytes);
    const { out } = await command.stop();
    assert.deepEqual(refusedIn(out), {});
  });

  test(`serve --loop ${name} --accept-rate: a burst, and then the rate`, {
    timeout,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await served(t, '--accept-rate', '0.01');
    const first = await answered(t, port);
    assert.ok(first !== null);
    await closed(first);
    for (let more = 0; more < 3; more++) assert.equal(await answered(t, port), null);
    const { out } = await command.stop();
    assert.deepEqual(refusedIn(out), { acceptRate: 3 });
  });
}

test('serve --loop blocking, threads: the place of a client is free once it has left', {
  timeout,
}, async (t) => {
  leakCheck(t);
  for (const { name } of blocking) {
    const words = ['--loop', name, '--max-per-address', '1', '--mode', 'once', '--json'];
    const { command, port } = await serve(t, ...words);
    for (let client = 0; client < 3; client++) {
      assert.equal(`${await talk({ port }, 'hello\n')}`, 'hello\n');
      await command.until('out', new RegExp(`"closed","connection":${client + 1}`));
    }
    const { out } = await command.stop();
    assert.deepEqual(refusedIn(out), {});
  }
});

test('serve --loop threads --max-per-address: of all threads together', { timeout }, async (t) => {
  leakCheck(t);
  const words = ['--loop', 'threads', '--max-per-address', '3', '--json'];
  const { command, port } = await serve(t, ...words);
  const answers = await Promise.all(Array.from({ length: 8 }, () => answered(t, port)));
  assert.equal(answers.filter((client) => client !== null).length, 3);
  assert.ok((await answered(t, port, '127.0.0.2')) !== null);
  const { out } = await command.stop();
  assert.deepEqual(refusedIn(out), { perAddress: 5 });
});
