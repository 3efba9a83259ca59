// Goal: `sockloop serve --threads N` serves on N event loops, and ends as well as with one.
// Method: the real program on several loops, with clients of Node's own net.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nativeSys } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { dial, dismissed, heard, talk } from '#test/harness/clients.js';
import { eventually, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
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

test('serve --threads: the totals have what a thread that fails has served', {
  timeout,
  skip: reasonWithout('strace'),
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serve(t, '--threads', '2', '--loop', 'poll', '--mode', 'line');
  const open = await Promise.all(Array.from({ length: 8 }, () => dial({ port })));
  for (const client of open) client.write('a line\n');
  for (const client of open) assert.equal(`${await heard(client)}`, 'a line\n');
  // Without -f: the threads that take the place of these are not traced.
  const threads = readdirSync(`/proc/${command.pid}/task`).flatMap((tid) => ['-p', tid]);
  const fails = ['-e', 'trace=accept4', '-e', 'inject=accept4:error=EINVAL:when=1'];
  const tracer = start(t, ['strace', ...fails, ...threads]);
  await eventually(() => assert.match(tracer.err, /strace: Process \d+ attached/));
  let served = open.length;
  for (let tries = 0; !/takes its place: .*EINVAL/.test(command.err); tries += 1) {
    assert.ok(tries < 1000, command.err);
    // Whom the failing thread had in its queue is not accepted.
    const answer = await talk({ port }, 'later\n').then(String, () => '');
    if (answer === 'later\n') served += 1;
  }
  for (const client of open) client.destroy();
  const { status, out } = await command.stop('SIGTERM');
  assert.equal(status, 0);
  const [, connections, received, sent] =
    /served (\d+) connections.*?: (\d+) bytes in, (\d+) out/.exec(out) ?? [];
  const bytes = open.length * 7 + (served - open.length) * 6;
  assert.deepEqual([connections, received, sent].map(Number), [served, bytes, bytes]);
});

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
