// Goal: `sockloop serve --loop threads` serves many clients at a time, each by a thread that
// blocks, and ends well although threads cannot be interrupted.
// Method: the real program with clients of Node's own net, polite ones and rude ones; /proc says
// how many threads there are.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  bigText,
  closed,
  dial,
  dismissed,
  heard,
  rudeClients,
  talk,
} from '#test/harness/clients.js';
import { type Command, closeReader, eventually, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { catches, cpuTicksOf, openFdsOf } from '#test/harness/process-state.js';
import { type Listening, quoted, serve, sockloop } from '#test/harness/programs.js';

const timeout = 60_000;

const serveThreads = (t: TestContext, ...words: string[]): Promise<Listening> =>
  serve(t, '--loop', 'threads', ...words);

const threadsOf = (pid: number): number => readdirSync(`/proc/${pid}/task`).length;

/** Clients that have each got an answer and stay, so each has a thread of its own. */
async function held(t: TestContext, port: number, count: number): Promise<Socket[]> {
  const sockets = await Promise.all(Array.from({ length: count }, () => dial({ port })));
  t.after(() => Promise.all(sockets.map(closed)).then(() => undefined));
  await Promise.all(sockets.map((socket) => answered(socket)));
  return sockets;
}

async function answered(socket: Socket, line = 'a line\n'): Promise<void> {
  socket.write(line);
  assert.equal((await heard(socket)).toString(), line);
}

/** Waits until a server has noticed its first signal: a second one finds no handler then. */
async function noticed({ pid }: Command): Promise<void> {
  await eventually(() => assert.ok(!catches(pid, constants.signals.SIGTERM)));
}

test('threads: 60 clients at once share 8 threads', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveThreads(t, '--mode', 'line', '--threads', '8');
  const lines = Array.from({ length: 60 }, (_, index) => `client ${index}\n`);
  const replies = await Promise.all(lines.map((line) => talk({ port }, line)));
  assert.deepEqual(replies.map(String), lines);
  const { status, out, err } = await command.stop();
  assert.deepEqual([status, err], [0, '']);
  const bytes = lines.join('').length;
  assert.match(out, new RegExp(`\nserved 60 connections: ${bytes} bytes in, ${bytes} out\n$`));
});

test('threads: the pool grows on demand, up to its bound', {
  timeout,
  skip: process.platform === 'linux' ? false : 'counts threads in /proc',
}, async (t) => {
  leakCheck(t);
  const one = await serveThreads(t, '--threads', '1');
  await held(t, one.port, 1);
  const { command, port } = await serveThreads(t, '--threads', '6');
  const [first] = await held(t, port, 6);
  assert.ok(first !== undefined);
  assert.equal(threadsOf(command.pid) - threadsOf(one.command.pid), 5);
  const late = await dial({ port });
  late.write('late\n');
  await answered(first);
  assert.equal(late.bytesRead, 0, 'nobody is left for a seventh client');
  await closed(first);
  assert.equal((await heard(late)).toString(), 'late\n');
  assert.equal(threadsOf(command.pid) - threadsOf(one.command.pid), 5);
  await closed(late);
  assert.equal((await command.stop()).status, 0);
});

test('threads: --max-connections bounds the pool as well', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveThreads(t, '--max-connections', '2');
  const [first, second] = await held(t, port, 2);
  assert.ok(first !== undefined && second !== undefined);
  const third = await dial({ port });
  third.write('third\n');
  for (let round = 0; round < 50; round++) await answered(first);
  assert.equal(third.bytesRead, 0);
  await closed(second);
  assert.equal((await heard(third)).toString(), 'third\n');
  await closed(third);
  assert.equal((await command.stop()).status, 0);
});

for (const words of [['0'], ['1025'], ['few'], ['1', '--max-connections', '0']]) {
  test(`threads: --threads ${words.join(' ')} is wrong usage`, { timeout }, async (t) => {
    leakCheck(t);
    const { status, err } = await sockloopHere('serve', '--loop', 'threads', '--threads', ...words);
    assert.equal(status, 2);
    assert.match(err, /^sockloop: --(threads|max-connections) takes a number from 1 to /);
  });
}

test('threads: --threads max starts', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveThreads(t, '--threads', 'max');
  assert.equal((await talk({ port }, 'hello')).toString(), 'hello');
  assert.equal((await command.stop('SIGINT')).status, 0);
});

test('threads: SIGTERM at any moment of its beginning', { timeout }, async (t) => {
  leakCheck(t);
  for (let round = 0; round < 3; round++) {
    const { command, port } = await serveThreads(t, '--threads', '8');
    // So that threads are about to start, or have just started, when the signal comes.
    const clients = await Promise.all(Array.from({ length: 4 * round }, () => dial({ port })));
    for (const socket of clients) socket.write('hello\n');
    if (round > 1) await Promise.all(clients.slice(0, 2 * round).map(heard));
    const { status, err } = await command.stop();
    assert.deepEqual([status, err], [0, '']);
    await Promise.all(clients.map(closed));
  }
});

/** A line of 10 MB whose answer fills every buffer, because nobody reads it. */
async function stuckClient(t: TestContext, { port, command }: Listening) {
  const socket = await dial({ port });
  t.after(() => closed(socket));
  const line = Buffer.concat([bigText(), Buffer.from('\n')]);
  socket.pause();
  socket.write(line);
  await command.until('err', /send\(.*\) = -1 EAGAIN/);
  return { socket, line };
}

test('threads: a client that reads again gets the rest after the signal', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const server = await serveThreads(t, '--mode', 'line', '--trace');
  const { socket, line } = await stuckClient(t, server);
  server.command.child.kill('SIGTERM');
  await noticed(server.command);
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  assert.ok(Buffer.concat(pieces).equals(line), 'the answer that was on its way comes whole');
  const { status, out } = await server.command.end();
  assert.equal(status, 0);
  assert.match(out, new RegExp(`\nserved 1 connection: ${line.length} bytes in, ${line.length} `));
});

test('threads: a client that never reads cannot keep it from ending', { timeout }, async (t) => {
  leakCheck(t);
  const server = await serveThreads(t, '--mode', 'line', '--trace');
  await stuckClient(t, server);
  const { status, out, err } = await server.command.stop();
  assert.equal(status, 0);
  assert.match(
    out,
    /\nserved 1 connection \(1 broken\): \d+ bytes in, \d+ out, \d+ of them not ack/,
  );
  assert.match(err, /: the client did not take its answer within 5000 ms\n/);
});

test('threads: a second signal ends it while threads block', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const server = await serveThreads(t, '--mode', 'line', '--trace');
  await stuckClient(t, server);
  server.command.child.kill('SIGTERM');
  await noticed(server.command);
  const sentMs = performance.now();
  const { signal } = await server.command.stop();
  assert.equal(signal, 'SIGTERM');
  assert.ok(performance.now() - sentMs < 1000, 'it waits for nobody');
});

test('threads: rude clients harm nobody and leave nothing open', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  // Two threads are what it starts with: no new ones open descriptors of their own meanwhile.
  const { command, port } = await serveThreads(t, '--mode', 'line', '--threads', '2');
  const polite = await held(t, port, 2);
  await Promise.all(polite.map(closed));
  await talk({ port }, 'both are there\n');
  await eventually(() => assert.equal(sockets(command).length, 1, 'only the listener'));
  const before = openFdsOf(command.pid);
  for (let round = 0; round < 2; round++) {
    await Promise.all(rudeClients.map((client) => client.run({ port })));
  }
  assert.equal((await talk({ port }, 'still there\n')).toString(), 'still there\n');
  await eventually(() => assert.deepEqual(openFdsOf(command.pid), before));
  const { status, out } = await command.stop();
  assert.equal(status, 0);
  assert.match(out, /\nserved 20 connections \(\d+ broken\): /);
});

/** Those of its own; standard streams may be sockets as well. */
const sockets = ({ pid }: Command): string[] =>
  openFdsOf(pid).filter((fd) => fd.includes(' socket:') && Number.parseInt(fd, 10) > 2);

test('threads: 10 MB in one line come back, from several clients at a time', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveThreads(t, '--mode', 'line');
  const line = Buffer.concat([bigText(), Buffer.from('\n')]);
  const replies = await Promise.all([1, 2].map(() => talk({ port }, line)));
  assert.ok(replies.every((reply) => reply.equals(line)));
  assert.equal((await command.stop()).status, 0);
});

test('threads: a line beyond --max-line ends its client alone', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveThreads(t, '--mode', 'line', '--max-line', '100');
  const [other] = await held(t, port, 1);
  const socket = await dial({ port });
  socket.write('x'.repeat(200_000));
  await dismissed(socket);
  await command.until('err', /: a line is longer than 100 bytes\n/);
  assert.ok(other !== undefined);
  await answered(other);
  assert.equal((await command.stop()).status, 0);
});

test('threads: --idle-timeout ends the silent client alone', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveThreads(t, '--idle-timeout', '0.5', '--json');
  const silent = await dial({ port });
  const startMs = performance.now();
  const busy = await dial({ port });
  let isOver = false;
  const end = dismissed(silent).then(() => {
    isOver = true;
  });
  while (!isOver) await answered(busy);
  await end;
  assert.ok(performance.now() - startMs >= 495, 'not before its time');
  await command.until(
    'out',
    /"reason":"timeout","failure":\{"message":"the client was idle for 500 ms"/,
  );
  await answered(busy);
  await closed(busy);
  assert.equal((await command.stop()).status, 0);
});

test('threads: what happens comes as JSON, in order for each connection', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveThreads(t, '--json', '--mode', 'once');
  await Promise.all(Array.from({ length: 20 }, () => talk({ port }, 'a line\n', 'stay')));
  const { status, out } = await command.stop();
  assert.equal(status, 0);
  const events = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(events.at(0).loop, 'threads');
  assert.deepEqual(events.at(-1), {
    event: 'stopped',
    totals: {
      connections: 20,
      failed: 0,
      turnedAway: 0,
      receivedBytes: 140,
      sentBytes: 140,
      unacknowledgedBytes: 0,
    },
  });
  for (let connection = 1; connection <= 20; connection++) {
    const own = events.filter((event) => event.connection === connection);
    assert.deepEqual(
      own.map(({ event }) => event),
      ['accepted', 'closed'],
    );
    const { receivedBytes, sentBytes, lines, failure } = own[1];
    assert.deepEqual([receivedBytes, sentBytes, lines, failure], [7, 7, 1, undefined]);
  }
});

test('threads: over a UNIX socket, whose name is gone afterwards', { timeout }, async (t) => {
  leakCheck(t);
  const path = `${scratch(t)}/echo`;
  const command = start(t, sockloop('serve', '--loop', 'threads', '--unix', path, '--trace'));
  await command.until('out', /^listening on .*\n/);
  assert.equal((await talk({ path }, 'hello')).toString(), 'hello');
  assert.equal((await command.stop()).status, 0);
  assert.match(command.err, /^\[thread \d+\] recv\(\d+, "hello", 65536, 0\) = 5$/m);
  assert.match(command.err, /^unlink\(.*\) = 0$/m);
});

test('threads: whoever reads its output may leave', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveThreads(t, '--verbose');
  await closeReader(command);
  assert.equal((await talk({ port }, 'hello')).toString(), 'hello');
  assert.equal((await talk({ port }, 'again')).toString(), 'again');
  const { status, err } = await command.stop();
  assert.deepEqual([status, err], [0, '']);
});

test('threads: without descriptors for another thread, the others go on', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const words = sockloop('serve', '--port', '0', '--loop', 'threads');
  const command = start(t, ['sh', '-c', `ulimit -n 60; exec ${quoted(words)}`]);
  const port = Number((await command.until('out', /^listening on .*:(\d+) \(/))[1]);
  const clients = await Promise.all(Array.from({ length: 12 }, () => dial({ port })));
  t.after(() => Promise.all(clients.map(closed)).then(() => undefined));
  const hearing = Promise.all(clients.map(heard));
  for (const socket of clients) socket.write('hello\n');
  await command.until('err', /^sockloop: cannot start another thread: .*EMFILE/m);
  for (const socket of clients) socket.end();
  const replies = await hearing;
  assert.ok(replies.every((reply) => reply.toString() === 'hello\n'));
  const { status, out } = await command.stop();
  assert.equal(status, 0);
  assert.match(out, /\nserved 12 connections: 72 bytes in, 72 out\n$/);
});

test('threads: out of descriptors it says so, does not spin, and recovers', {
  timeout,
  skip: reasonWithout('prlimit') || reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveThreads(t, '--threads', '4');
  const first = await held(t, port, 4);
  await Promise.all(first.map(closed));
  await eventually(() => assert.equal(sockets(command).length, 1));
  const { pid } = command;
  const limit = (soft: number): void => {
    const words = [`--pid=${pid}`, `--nofile=${soft}:`];
    assert.equal(spawnSync('prlimit', words, { timeout }).status, 0);
  };
  // Below what is open. Threads that wait in accept(2) have a descriptor set aside already.
  limit(20);
  const clients = await Promise.all(Array.from({ length: 12 }, () => dial({ port })));
  t.after(() => Promise.all(clients.map(closed)).then(() => undefined));
  for (const socket of clients) socket.end('hello\n');
  await command.until('err', /^sockloop: cannot accept a connection on .*: EMFILE /m);
  const ticks = cpuTicksOf(pid);
  await delay(1000);
  assert.ok(cpuTicksOf(pid) - ticks < 30, 'it spins');
  limit(1024);
  const replies = await Promise.all(clients.map(heard));
  assert.ok(replies.every((reply) => reply.toString() === 'hello\n'));
  const { status, err } = await command.stop();
  assert.equal(status, 0);
  assert.ok(err.split('\n').length < 20, `one report a second at the most: ${err}`);
});
