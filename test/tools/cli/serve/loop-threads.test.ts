// Goal: `sockloop serve --threads N` serves on N event loops, and ends as well as with one.
// Method: the real program on several loops, with clients of Node's own net.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nativeSys } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { dial, dismissed, heard, talk } from '#test/harness/clients.js';
import { start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';
import { serve, sockloop } from '#test/harness/programs.js';

const timeout = 60_000;
const available = backends.filter((one) => one.available(nativeSys()) === true);

for (const { name } of available) {
  test(`serve --threads: ${name}: clients, totals, a signal`, { timeout }, async (t) => {
    leakCheck(t);
    const words = ['--loop', name, '--threads', '2', '--mode', 'line'];
    const { command, port } = await serve(t, ...words);
    assert.match(command.out, new RegExp(`\\(2 threads of ${name}, line\\)\n$`));
    const lines = Array.from({ length: 20 }, (_, index) => `client ${index}\n`);
    const replies = await Promise.all(lines.map((line) => talk({ port }, line)));
    assert.deepEqual(replies.map(String), lines);
    // One client holds an answer, and another one half a line.
    const clients = await Promise.all([dial({ port }), dial({ port })]);
    for (const client of clients) client.write('a line\nhalf');
    for (const client of clients) assert.equal(`${await heard(client)}`, 'a line\n');
    const ended = command.stop('SIGTERM');
    await Promise.all(clients.map(dismissed));
    const { status, out, err } = await ended;
    assert.equal(status, 0, err);
    const [, connections = ''] = /served (\d+) connections/.exec(out) ?? [];
    assert.equal(connections, '22');
    const [, ...counts] = /connections by thread: (\d+), (\d+)\n$/.exec(out) ?? [];
    assert.equal(Number(counts[0]) + Number(counts[1]), 22);
  });
}

test('serve --threads: --max-connections is that of all threads', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serve(t, '--threads', '4', '--max-connections', '3', '--json');
  assert.match(command.out, /"threads":3/);
  const clients = await Promise.all([1, 2, 3].map(() => dial({ port })));
  for (const client of clients) {
    client.write('x');
    assert.equal(`${await heard(client)}`, 'x');
  }
  const fourth = await dial({ port });
  fourth.write('y');
  clients[1]?.destroy();
  assert.equal(`${await heard(fourth)}`, 'y');
  const ended = command.stop();
  for (const client of [...clients, fourth]) client.destroy();
  const { status, out } = await ended;
  assert.equal(status, 0);
  assert.match(out, /"balance":\[\d,\d,\d\]/);
});

test('serve --threads: a UNIX socket, a port in use', { timeout }, async (t) => {
  leakCheck(t);
  const path = join(scratch(t), 'echo');
  const command = start(t, sockloop('serve', '--threads', '2', '--unix', path));
  await command.until('out', /^listening on .*echo \(2 threads of /m);
  assert.equal(`${await talk({ path }, 'hello\n')}`, 'hello\n');
  const { status } = await command.stop();
  assert.equal(status, 0);
  assert.equal(existsSync(path), false);
  const { command: first, port } = await serve(t);
  const outcome = await sockloopHere('serve', '--threads', '2', '--port', `${port}`);
  assert.equal(outcome.status, 1);
  assert.match(
    outcome.err,
    /cannot listen on 127.0.0.1:\d+: EADDRINUSE \(address already in use\)/,
  );
  await first.stop();
});
