// Goal: a server whose output nobody reads serves on, and ends on the first SIGTERM; a reader that
// comes back learns how much it has missed. A row of resets is a line a second.
// Method: the real program on a loop of each kind, with a FIFO as a standard stream that is opened
// and not read.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { nativeSys } from '#src/sys/native.js';
import { dial, heard, reset, talk } from '#test/harness/clients.js';
import { type Command, eventually, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { kinds, loops, serveOn } from '#test/harness/loops.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { sockloop, tcpserver } from '#test/harness/programs.js';

const timeout = 60_000;
const CLIENTS = 60;

/** A pipe of the smallest size (4 KiB), whose reader can be asked for what has come. */
class UnreadPipe {
  readonly path: string;
  readonly #reader: number;

  constructor(t: TestContext, size = 4096) {
    this.path = `${scratch(t)}/pipe`;
    execFileSync('mkfifo', [this.path]);
    this.#reader = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    // F_SETPIPE_SZ, for a full pipe after a few lines.
    if (process.platform === 'linux') nativeSys().fcntl(this.#reader, 1031, size);
    t.after(() => closeSync(this.#reader));
  }

  /** What has come and was not read yet. */
  read(): string {
    let text = '';
    const piece = Buffer.alloc(65_536);
    for (;;) {
      let length = 0;
      try {
        length = readSync(this.#reader, piece);
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error && error.code === 'EAGAIN');
      }
      if (length === 0) return text;
      text += piece.subarray(0, length).toString();
    }
  }
}

function onPipe(
  t: TestContext,
  words: readonly string[],
  fd: 1 | 2,
  { path }: UnreadPipe,
): Command {
  return start(t, ['sh', '-c', `exec "$@" ${fd}> ${path}`, 'sh', ...words]);
}

/** Reads until `pattern` has come, and returns all that was read. */
async function readUntil(pipe: UnreadPipe, pattern: RegExp): Promise<string> {
  let text = '';
  await eventually(() => {
    text += pipe.read();
    assert.match(text, pattern);
  });
  return text;
}

for (const { name, skip } of kinds) {
  test(`serve --loop ${name}: --verbose into a pipe that nobody reads`, {
    timeout,
    skip: skip || reasonWithout('mkfifo'),
  }, async (t) => {
    leakCheck(t);
    const pipe = new UnreadPipe(t);
    const words = sockloop('serve', '--port', '0', '--loop', name, '--verbose');
    const command = onPipe(t, words, 1, pipe);
    const begun = await readUntil(pipe, /listening on .*:\d+ \(.*\n/);
    const port = Number(/:(\d+) \(/.exec(begun)?.[1]);
    for (let n = 0; n < CLIENTS; n++) {
      assert.equal((await talk({ port }, `${n}\n`)).toString(), `${n}\n`);
    }
    // The reader comes back: all of it waits for him, in order.
    const text = await readUntil(pipe, new RegExp(`connection ${CLIENTS} closed`));
    const opened = [...text.matchAll(/^connection (\d+) from/gm)].map(([, n]) => Number(n));
    assert.deepEqual(
      opened,
      Array.from({ length: CLIENTS }, (_, n) => n + 1),
    );
    for (let n = 0; n < CLIENTS; n++) await talk({ port }, 'x');
    const { status, err } = await command.stop('SIGTERM');
    assert.deepEqual([status, err], [0, ''], 'the first signal ends it, though the pipe is full');
  });
}

for (const words of [[], ['--loop', 'poll'], ['--loop', 'io_uring']]) {
  const named = loops.find(({ name }) => name === words[1]);
  test(`tcpserver ${words.join(' ')}: into a pipe that nobody reads`, {
    timeout,
    skip: named?.skip || reasonWithout('mkfifo'),
  }, async (t) => {
    leakCheck(t);
    const pipe = new UnreadPipe(t);
    const command = onPipe(t, tcpserver(...words, '0'), 1, pipe);
    const begun = await readUntil(pipe, /listening on port \d+\n/);
    const port = Number(/port (\d+)/.exec(begun)?.[1]);
    for (let n = 0; n < CLIENTS; n++) {
      assert.equal((await talk({ port }, `${n}\n`)).toString(), `${n}\n`);
      // The keyboard of a loop answers into the same pipe.
      if (words.length > 0) command.child.stdin?.write('c\n');
    }
    const last =
      words.length > 0 ? 'connection requests' : `server received 3 bytes: ${CLIENTS - 1}`;
    await readUntil(pipe, new RegExp(last));
    const { signal } = await command.stop('SIGTERM');
    assert.equal(signal, 'SIGTERM');
  });
}

test('serve --trace: a standard error that nobody reads, and SIGTERM', {
  timeout,
  skip: reasonWithout('mkfifo'),
}, async (t) => {
  leakCheck(t);
  for (const loop of ['poll', 'threads', 'blocking']) {
    const pipe = new UnreadPipe(t);
    const words = sockloop('serve', '--port', '0', '--loop', loop, '--trace');
    const command = onPipe(t, words, 2, pipe);
    const port = Number((await command.until('out', /:(\d+) \(/))[1]);
    const client = await dial({ port });
    for (let n = 0; n < 100; n++) {
      client.write('hello\n');
      assert.equal((await heard(client)).toString(), 'hello\n');
    }
    client.destroy();
    assert.equal((await command.stop('SIGTERM')).status, 0, loop);
  }
});

for (const loop of kinds) {
  test(`serve --loop ${loop.name}: a row of resets is a line a second, with an address`, {
    timeout,
    skip: loop.skip,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop);
    const startMs = performance.now();
    for (let n = 0; n < 40; n++) {
      const client = await dial({ port });
      client.write('x');
      await heard(client);
      await reset(client);
    }
    await command.until('err', /ECONNRESET/);
    const seconds = Math.ceil((performance.now() - startMs) / 1000);
    const { status, out, err } = await command.stop('SIGTERM');
    assert.equal(status, 0);
    const lines = err.trimEnd().split('\n');
    assert.ok(lines.length <= seconds + 2, err);
    let broken = 0;
    for (const line of lines) {
      assert.match(line, /^sockloop: connection \d+ \(127.*:\d+\): .*ECONNRESET \(/);
      broken += 1 + Number(/; (\d+) more since the last line$/.exec(line)?.[1] ?? 0);
    }
    assert.match(out, new RegExp(`\nserved 40 connections \\(${broken} broken\\): `));
  });
}
