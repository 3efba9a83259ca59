// Goal: `sockloop send --threads` ends, whatever its threads wait for: a server that dies, answers
// never or takes no connection, Ctrl-C at any moment, a system that is short of descriptors.
// Method: the real client, brought into each kind of wait.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from '#src/socket/create.js';
import { Socket } from '#src/socket/socket.js';
import { assertStopped, TIME } from '#test/harness/client-threads.js';
import { echoPeer, peer } from '#test/harness/clients.js';
import { eventually, run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { quoted, send, serve, sockloop } from '#test/harness/programs.js';

const timeout = 60_000;
const LOCAL = '127.0.0.1';
/** The last call of two threads before connect(2), as --trace shows it. */
const CONNECTING = /SO_SNDTIMEO[\s\S]*SO_SNDTIMEO/;
const FOREVER = ['--count', '1000000'];

/** Only Linux lets a client wait for a place in a full queue. */
const reasonWithoutQueue =
  process.platform === 'linux' ? false : 'only Linux lets a client wait for a full queue';

/** A listener whose queue is full: whoever connects waits. */
function fullListener(): { listener: Socket; port: number; first: Socket } {
  const listener = new Socket('IPv4');
  listener.bind({ address: LOCAL, port: 0 });
  listener.listen(0);
  const name = listener.getSockName();
  assert.ok(name.family !== 'UNIX');
  return { listener, port: name.port, first: createConnection({ host: LOCAL, port: name.port }) };
}

test('send --threads: a server that dies in the middle', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serve(t, '--mode', 'line');
  const words = ['--threads', '2', ...FOREVER, LOCAL, `${port}`, 'hello'];
  const client = start(t, sockloop('send', ...words));
  for (const thread of [1, 2]) await client.until('out', new RegExp(`^thread ${thread}: `, 'm'));
  assert.equal((await command.stop('SIGKILL')).signal, 'SIGKILL');
  const { status, out, err } = await client.end();
  assert.equal(status, 1);
  assert.ok(out.endsWith('\n') && /^(thread [12]: hello\n)+$/.test(out), 'whole lines only');
  const lines = err.trimEnd().split('\n');
  const why = /^thread (\d): (the server closed the connection|cannot (send to|receive from) .*)/;
  const failed = lines.slice(0, 2).map((line) => why.exec(line)?.[1]);
  assert.deepEqual(failed.sort(), ['1', '2']);
  assert.match(lines[2] ?? '', /^2 threads \(2 failed\), \d+ of 2000000 messages, \d+ replies, /);
});

test('send --threads: a server that never takes a connection', {
  timeout,
  skip: reasonWithoutQueue,
}, async (t) => {
  leakCheck(t);
  const { listener, port, first } = fullListener();
  using _listener = listener;
  using _first = first;
  const words = ['--threads', '2', '--timeout', '0.3', LOCAL, `${port}`, 'x'];
  const { status, out, err } = await send(t, words);
  assert.deepEqual([status, out], [1, '']);
  const why = `: cannot connect to ${LOCAL}:${port}: ETIMEDOUT (no answer within 300 ms)\n`;
  assert.equal(err.split(why).length, 3, err);
  const totals = '\n2 threads \\(2 failed\\), 0 of 2 messages, 0 replies, 0 bytes back, ';
  assert.match(err, new RegExp(`${totals}${TIME.source}\n$`));
});

test('send --threads: Ctrl-C while threads connect', {
  timeout,
  skip: reasonWithoutQueue,
}, async (t) => {
  leakCheck(t);
  const { listener, port, first } = fullListener();
  using _listener = listener;
  using _first = first;
  const words = ['--trace', '--threads', '2', LOCAL, `${port}`, 'x'];
  const command = start(t, sockloop('send', ...words));
  await command.until('err', CONNECTING);
  const startMs = performance.now();
  const { signal, err } = await command.stop('SIGINT');
  assert.ok(performance.now() - startMs < 1000, 'within a second');
  assert.equal(signal, 'SIGINT');
  const woken = err.match(/^\[thread \d\] connect\(.*\) = -1 E/gm) ?? [];
  assert.equal(woken.length, 2, 'each was woken, none given up');
  assert.match(err, /\n2 threads \(2 stopped\), 0 of 2 messages, 0 replies, 0 bytes back, .*\n$/);
});

test('send --threads: Ctrl-C while threads wait for a place at a UNIX server', {
  timeout,
  skip: reasonWithoutQueue,
}, async (t) => {
  leakCheck(t);
  const path = `${scratch(t)}/socket`;
  using listener = new Socket('UNIX');
  listener.bind({ path });
  listener.listen(0);
  using _first = createConnection({ path });
  const words = ['--trace', '--threads', '2', '--unix', path, 'x'];
  const command = start(t, sockloop('send', ...words));
  await command.until('err', CONNECTING);
  const startMs = performance.now();
  // Nothing ends that wait but its time: the threads are given up.
  const { signal, err } = await command.stop('SIGINT');
  assert.ok(performance.now() - startMs < 2000, 'within a second, and some for a busy machine');
  assert.equal(signal, 'SIGINT');
  assert.match(err, /\n2 threads \(2 stopped\), 0 of 2 messages, 0 replies, 0 bytes back, .*\n$/);
});

test('send --threads: Ctrl-C while threads start', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const command = start(t, sockloop('send', '--threads', '64', LOCAL, `${port}`, 'x'));
  // Node itself has a dozen.
  await eventually(() => assert.ok(readdirSync(`/proc/${command.pid}/task`).length > 16));
  assertStopped(await command.stop('SIGINT'), 64);
  assert.equal(command.out, '');
});

test('send --threads: Ctrl-C while threads are busy leaves whole lines', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const command = start(t, sockloop('send', '--threads', '3', ...FOREVER, LOCAL, `${port}`, 'hi'));
  await command.until('out', /(thread \d: hi\n){100}/);
  const startMs = performance.now();
  const outcome = await command.stop('SIGINT');
  assert.ok(performance.now() - startMs < 1000, 'within a second');
  assertStopped(outcome, 3);
  assert.match(outcome.out, /^(thread [1-3]: hi\n)+$/);
  const [, replies] = / messages, (\d+) replies, /.exec(outcome.err) ?? [];
  assert.equal(outcome.out.split('\n').length - 1, Number(replies), 'what is printed is counted');
});

test('send --threads: Ctrl-C while nobody reads what it prints', { timeout }, async (t) => {
  leakCheck(t);
  let served = 0;
  const port = await peer(t, (socket) => {
    socket.on('data', () => served++);
    socket.pipe(socket);
  });
  const words = ['--threads', '3', ...FOREVER, LOCAL, `${port}`, 'x'.repeat(1000)];
  const command = start(t, sockloop('send', ...words));
  command.child.stdout?.pause();
  for (let before = -1; before !== served || served === 0; await delay(200)) before = served;
  const startMs = performance.now();
  const stopping = command.stop('SIGINT');
  command.child.once('exit', () => command.child.stdout?.resume());
  assertStopped(await stopping, 3);
  assert.ok(performance.now() - startMs < 2000, 'within a second, and some for a busy machine');
});

test('send --threads --json: Ctrl-C, and the document says so', { timeout }, async (t) => {
  leakCheck(t);
  let came = 0;
  const port = await peer(t, (socket) => void socket.once('data', () => came++));
  const words = ['--json', '--trace', '--threads', '2', LOCAL, `${port}`, 'x'];
  const command = start(t, sockloop('send', ...words));
  await eventually(() => assert.equal(came, 2));
  const { signal, out, err } = await command.stop('SIGTERM');
  assert.equal(signal, 'SIGTERM');
  const woken = err.match(/^\[thread \d\] recv\(\d+, "", 65536, 0\) = 0$/gm) ?? [];
  assert.equal(woken.length, 2, 'each was woken, none given up');
  const { threads, totals } = JSON.parse(out);
  assert.deepEqual(
    threads.map(({ outcome, messages }: Record<string, unknown>) => [outcome, messages]),
    [
      ['stopped', 1],
      ['stopped', 1],
    ],
  );
  assert.deepEqual([totals.stopped, totals.messages, totals.replies], [2, 2, 0]);
});

test('send --threads: without descriptors for all threads, those that start go on', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const port = await echoPeer(t);
  const words = sockloop('send', '--threads', '12', LOCAL, `${port}`, 'hello');
  const { status, out, err } = await run(t, ['sh', '-c', `ulimit -n 80; exec ${quoted(words)}`]);
  assert.equal(status, 1);
  assert.match(out, /^(thread \d+: hello\n)+$/);
  const replies = out.split('\n').length - 1;
  const refused = err.match(/^thread \d+: cannot start: EMFILE \(.*$/gm) ?? [];
  assert.equal(replies + refused.length, 12, err);
  const totals = `${replies} of 12 messages, ${replies} repl`;
  assert.match(err, new RegExp(`\n12 threads \\(${refused.length} failed\\), ${totals}`));
});
