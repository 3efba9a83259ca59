// Goal: `sockloop serve` ends well on a signal on every loop, whatever its clients do; on an event
// loop of each kind it keeps its bounds and survives a lack of descriptors.
// Method: the real program, where signals and descriptors are its own; prlimit takes descriptors
// away while it runs. The rest runs in this process.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { constants } from 'node:os';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { bigText, closed, dial, dismissed, heard, peer, talk } from '#test/harness/clients.js';
import { type Command, eventually, run, start } from '#test/harness/command.js';
import { serveHere, sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { autoLoop, type LoopUnderTest, loops, serveOn, sharedKinds } from '#test/harness/loops.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { catches, cpuTicksOf, openFdsOf } from '#test/harness/process-state.js';
import { type Listening, refusingRings, sockloop, tcpserver } from '#test/harness/programs.js';

const timeout = 60_000;

const noIPv6 = await new Promise<string | false>((resolve) => {
  const server = createServer();
  server.once('error', (error) => resolve(`no IPv6 loopback here: ${error.message}`));
  server.listen(0, '::1', () => server.close(() => resolve(false)));
});

/** Clients that have each had an answer, and stay. */
async function held(t: TestContext, port: number, count: number): Promise<Socket[]> {
  const sockets = await Promise.all(Array.from({ length: count }, () => dial({ port })));
  t.after(() => Promise.all(sockets.map(closed)).then(() => undefined));
  for (const socket of sockets) socket.write('hello\n');
  await Promise.all(sockets.map(heard));
  return sockets;
}

/** A line of 10 MB whose answer nobody reads, with the server waiting for room to send it. */
async function stuck(t: TestContext, { port, command }: Listening): Promise<Socket> {
  const socket = await dial({ port });
  t.after(() => closed(socket));
  socket.pause();
  socket.write(Buffer.concat([bigText(), Buffer.from('\n')]));
  // It took a part.
  await command.until('err', /send\(.*, (\d+), MSG_NOSIGNAL\) = (-1 EAGAIN|(?!\1\n)\d+\n)/);
  return socket;
}

/** Waits until a server has noticed its first signal: a second one finds no handler then. */
async function noticed({ pid }: Command, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  await eventually(() => assert.ok(!catches(pid, constants.signals[signal])));
}

async function limit(t: TestContext, pid: number, soft: number): Promise<void> {
  const { status, err } = await run(t, ['prlimit', `--pid=${pid}`, `--nofile=${soft}:`]);
  assert.equal(status, 0, err);
}

/** Enough for Node to start with, and soon taken by clients. */
const FEW_FDS = ['prlimit', '--nofile=128:128'];

/** As many clients as a server takes; the next one was turned away. */
async function filled(t: TestContext, port: number): Promise<Socket[]> {
  const clients: Socket[] = [];
  t.after(() => Promise.all(clients.map(closed)).then(() => undefined));
  for (;;) {
    const client = await dial({ port });
    // Who is turned away sees an end, or a reset where its bytes have come before.
    client.once('end', () => client.destroy());
    client.write('hello\n');
    const answer = await heard(client).catch(() => null);
    if (answer === null) return clients;
    clients.push(client);
    assert.ok(clients.length < 128, 'it takes more than it can have descriptors');
  }
}

for (const loop of loops) {
  const { name, skip, oneByOne } = loop;
  test(`serve --loop ${name}: signals end it, whoever is connected`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop, '--mode', 'line');
    const sockets = await held(t, port, oneByOne ? 1 : 5);
    // The answer says that the half line was read too: unread input would be waited out.
    const answers = sockets.map(heard);
    for (const socket of sockets) socket.write('a line\nhalf a li');
    await Promise.all(answers);
    const startMs = performance.now();
    // SIGTERM ends all the others of these servers.
    const { status, out, err } = await command.stop('SIGINT');
    assert.deepEqual([status, err], [0, '']);
    assert.ok(performance.now() - startMs < 4000, 'there is nothing to wait for');
    assert.match(out, new RegExp(`\nserved ${sockets.length} connections?: \\d+ bytes in, `));
    await Promise.all(sockets.map(dismissed));
  });
}

// What --loop threads and --loop blocking do is shown in threads.test.ts and in words.test.ts.
for (const loop of sharedKinds) {
  const { name, skip } = loop;
  const here = ['--loop', name];
  const unfit = skip || reasonWithoutProc;
  const withoutPrlimit = unfit || reasonWithout('prlimit');
  // An accept that is under way keeps to the limit that held when it was submitted.
  const keepsLimit = name === 'io_uring' ? 'keeps to the limit of its start: the next test' : false;
  const withoutLowering = withoutPrlimit || keepsLimit;
  const withoutIPv6 = skip || noIPv6;

  test(`serve --loop ${name}: a client that reads again gets the rest after the signal`, {
    timeout,
    skip: unfit,
  }, async (t) => {
    leakCheck(t);
    const server = await serveOn(t, loop, '--mode', 'line', '--trace');
    const socket = await stuck(t, server);
    server.command.child.kill('SIGTERM');
    await noticed(server.command, 'SIGTERM');
    const pieces: Buffer[] = [];
    for await (const piece of socket) pieces.push(piece as Buffer);
    const { status, out } = await server.command.end();
    assert.equal(status, 0);
    const { length } = Buffer.concat(pieces);
    assert.match(out, new RegExp(`\nserved 1 connection: ${length} bytes in, ${length} out\n$`));
  });

  test(`serve --loop ${name}: --idle-timeout ends the silent client`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    const server = await serveHere(t, ...here, '--idle-timeout', '0.4', '--verbose');
    const { port } = server;
    const startMs = performance.now();
    const silent = await dial({ port });
    await dismissed(silent);
    const afterMs = performance.now() - startMs;
    assert.ok(afterMs >= 395, `${afterMs} ms: not before its time`);
    const told = /^sockloop: connection 1 \(127\.0\.0\.1:\d+\): .* 400 ms\)?\n$/;
    await eventually(() => assert.match(server.err, told));
    assert.equal((await talk({ port }, 'hello')).toString(), 'hello');
    assert.equal((await server.stop()).status, 0);
  });

  test(`serve --loop ${name}: --max-connections lets the next one wait`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop, '--max-connections', '2');
    const [first, second] = await held(t, port, 2);
    assert.ok(first !== undefined && second !== undefined);
    const third = await dial({ port });
    third.write('third\n');
    for (let round = 0; round < 50; round++) {
      first.write('again\n');
      await heard(first);
    }
    assert.equal(third.bytesRead, 0);
    await closed(second);
    assert.equal((await heard(third)).toString(), 'third\n');
    await closed(third);
    assert.equal((await command.stop()).status, 0);
  });

  test(`serve --loop ${name}: without descriptors it sheds, says so, and recovers`, {
    timeout,
    skip: withoutLowering,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop);
    const { pid } = command;
    const before = openFdsOf(pid);
    const [client] = await held(t, port, 1);
    assert.ok(client !== undefined);
    // Standard streams and what Node opens late may lie above: the first free number is the limit.
    const open = new Set(openFdsOf(pid).map((fd) => Number.parseInt(fd, 10)));
    let lowest = 0;
    while (open.has(lowest)) lowest += 1;
    await limit(t, pid, lowest);
    const ticks = cpuTicksOf(pid);
    const quiet = delay(1200);
    for (let shed = 0; shed < 10; shed++) await dismissed(await dial({ port }));
    await quiet;
    assert.ok(cpuTicksOf(pid) - ticks < 40, 'less than 0.4 s in 1.2 s, shedding included');
    client.write('still here\n');
    assert.equal((await heard(client)).toString(), 'still here\n');
    await limit(t, pid, 1024);
    await eventually(() => assert.match(command.err, /EMFILE/));
    assert.equal((await talk({ port }, 'again')).toString(), 'again');
    await closed(client);
    await eventually(() => assert.deepEqual(openFdsOf(pid), before));
    const { status, err } = await command.stop();
    assert.equal(status, 0);
    const told =
      /^(sockloop: cannot accept a connection on 127.*: EMFILE \(too many open files\)\n)/;
    assert.match(err, told);
    assert.ok(err.split('\n').length <= 4, `once a second: ${err}`);
  });

  test(`serve --loop ${name}: full of clients it turns others away, and is quiet otherwise`, {
    timeout,
    skip: withoutPrlimit,
  }, async (t) => {
    leakCheck(t);
    const command = start(t, [...FEW_FDS, ...sockloop('serve', '--loop', name, '--port', '0')]);
    const [, digits] = await command.until('out', /:(\d+) \(/);
    const port = Number(digits);
    const clients = await filled(t, port);
    const told = /^sockloop: cannot accept a connection on 127.*: EMFILE \(too many open files\)\n/;
    const [first] = await command.until('err', told);
    const ticks = cpuTicksOf(command.pid);
    await delay(1200);
    assert.equal(command.err, first, 'nobody was turned away, so that there is nothing to tell');
    for (let turnedAway = 0; turnedAway < 5; turnedAway++) await dismissed(await dial({ port }));
    assert.ok(cpuTicksOf(command.pid) - ticks < 30, 'less than 0.3 s in more than 1.2 s');
    for (const client of clients) {
      client.write('still here\n');
      assert.equal((await heard(client)).toString(), 'still here\n');
    }
    const full = openFdsOf(command.pid).length;
    await Promise.all(clients.slice(0, 5).map(closed));
    await eventually(() => assert.ok(openFdsOf(command.pid).length <= full - 5));
    assert.equal((await talk({ port }, 'again')).toString(), 'again');
    const { status, err } = await command.stop();
    assert.equal(status, 0);
    assert.match(err.slice(first.length), told);
  });

  test(`serve --loop ${name}: listens on what it is told to`, { timeout, skip }, async (t) => {
    leakCheck(t);
    const path = `${scratch(t)}/echo`;
    const unix = await serveHere(t, ...here, '--unix', path);
    assert.equal(unix.out, `listening on ${path} (${name}, echo)\n`);
    assert.equal((await talk({ path }, 'hello')).toString(), 'hello');
    assert.equal((await unix.stop()).status, 0);
    assert.ok(!existsSync(path), 'the name is gone with the server');
    const port = await peer(t, (socket) => socket.end());
    const taken = await sockloopHere('serve', ...here, '--port', `${port}`);
    assert.deepEqual([taken.status, taken.out], [1, '']);
    const why = 'EADDRINUSE (address already in use)';
    assert.equal(taken.err, `sockloop: cannot listen on 127.0.0.1:${port}: ${why}\n`);
  });

  test(`serve --loop ${name}: over IPv6, --verbose tells of each connection`, {
    timeout,
    skip: withoutIPv6,
  }, async (t) => {
    leakCheck(t);
    const server = await serveHere(t, ...here, '--host', '::1', '--verbose');
    const { port } = server;
    assert.equal((await talk({ host: '::1', port }, 'hello\n')).toString(), 'hello\n');
    const { out } = await server.stop();
    const lines = [
      `listening on \\[::1\\]:${port} \\(${name}, echo\\)`,
      'connection 1 from \\[::1\\]:\\d+',
      'connection 1 closed: 6 bytes in, 6 out',
      'served 1 connection: ',
    ];
    assert.match(out, new RegExp(`^${lines.join('\n')}`));
  });

  test(`serve --loop ${name}: --json tells of each connection`, { timeout, skip }, async (t) => {
    leakCheck(t);
    const server = await serveHere(t, ...here, '--json', '--mode', 'line', '--max-line', '10');
    const { port } = server;
    await talk({ port }, 'hello\nyou\nrest');
    const greedy = await dial({ port });
    greedy.write('far more than ten bytes\n');
    await dismissed(greedy);
    const documents = (await server.stop()).out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [listening, accepted, ...rest] = documents;
    assert.deepEqual([listening.loop, listening.mode, accepted.event], [name, 'line', 'accepted']);
    assert.equal(accepted.address.address, '127.0.0.1');
    const failure = { message: 'a line is longer than 10 bytes' };
    const all = { unacknowledgedBytes: 0 };
    const ended = rest.filter(({ event }) => event === 'closed');
    const much = { receivedBytes: 24, sentBytes: 0 };
    for (const { address, durationMs } of ended) {
      assert.equal(address.address, '127.0.0.1');
      assert.ok(durationMs > 0, `${durationMs} ms`);
    }
    const facts = ended.map(({ address: _address, durationMs: _durationMs, ...rest }) => rest);
    assert.deepEqual(facts, [
      {
        event: 'closed',
        connection: 1,
        receivedBytes: 14,
        sentBytes: 14,
        lines: 2,
        ...all,
        reason: 'done',
      },
      { event: 'closed', connection: 2, ...much, lines: 0, ...all, reason: 'refused', failure },
    ]);
    const sums = { connections: 2, failed: 1, turnedAway: 0, receivedBytes: 38, sentBytes: 14 };
    const totals = { ...sums, ...all };
    assert.deepEqual(documents.at(-1), { event: 'stopped', totals });
  });
}

/** One client that never reads, and one signal or two. */
async function stopStuck(t: TestContext, loop: LoopUnderTest): Promise<void> {
  const server = await serveOn(t, loop, '--mode', 'line', '--trace');
  const hasty = await serveOn(t, loop, '--mode', 'line', '--trace');
  await Promise.all([stuck(t, server), stuck(t, hasty)]);
  const ended = server.command.stop();
  hasty.command.child.kill('SIGINT');
  await noticed(hasty.command, 'SIGINT');
  const sentMs = performance.now();
  assert.equal((await hasty.command.stop('SIGINT')).signal, 'SIGINT');
  assert.ok(performance.now() - sentMs < 2000, 'it waits for nobody');
  const { status, out, err } = await ended;
  assert.equal(status, 0);
  assert.match(
    out,
    /\nserved 1 connection \(1 broken\): \d+ bytes in, \d+ out, \d+ of them not ack/,
  );
  assert.match(err, /: the client did not take its answer within 5000 ms\n/);
}

test('serve, an event loop of each kind: a client that never reads, and a second signal', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  // At the same time: each takes the five seconds that such a client is given.
  const here = sharedKinds.filter(({ skip }) => skip === false);
  await Promise.all(here.map((loop) => stopStuck(t, loop)));
});

test('serve --loop auto: says what it came to', { timeout }, async (t) => {
  leakCheck(t);
  const { out } = await serveHere(t, '--loop', 'auto', '--json');
  assert.equal(JSON.parse(out).loop, autoLoop);
});

/** Why a kernel that refuses its rings cannot be had here, or false. */
const withoutFilter = reasonWithoutProc || reasonWithout('python3');

test('serve where io_uring is forbidden: says who forbids it, and auto takes the next loop', {
  timeout,
  skip: withoutFilter,
}, async (t) => {
  leakCheck(t);
  for (const [errno, words] of [
    ['EPERM', 'EPERM (operation not permitted); a seccomp filter forbids it, as in containers'],
    ['ENOSYS', 'ENOSYS (function not implemented); a seccomp filter is in force, as in containers'],
  ] as const) {
    const { status, out, err } = await run(t, [
      ...refusingRings(errno),
      ...sockloop('serve', '--loop', 'io_uring', '--port', '0'),
    ]);
    assert.deepEqual([status, out], [1, '']);
    const begin = 'sockloop: cannot use the loop io_uring: cannot set up an io_uring: ';
    assert.ok(err.startsWith(begin + words), err);
    assert.equal(err.split('\n').length, 2, 'one line');
    // The others say the same of either.
    if (errno === 'ENOSYS') continue;

    const command = start(t, [...refusingRings(errno), ...sockloop('serve', '--port', '0')]);
    const [, port] = await command.until('out', /^listening on 127.*:(\d+) \(epoll, echo\)\n$/);
    assert.equal((await talk({ port: Number(port) }, 'hello')).toString(), 'hello');
    const ended = await command.stop();
    assert.deepEqual([ended.status, ended.err], [0, '']);

    const textbook = [...refusingRings(errno), ...tcpserver('--loop', 'io_uring', '0')];
    const refused = await run(t, textbook);
    assert.deepEqual([refused.status, refused.out], [1, '']);
    assert.match(
      refused.err,
      /^ERROR, no io_uring here: cannot set up an io_uring: E.*filter.*\n$/,
    );
  }
});

test('serve --loop kqueue: says why where there is none', {
  timeout,
  skip: loops.some(({ name, skip }) => name === 'kqueue' && skip !== false)
    ? false
    : 'there is a kqueue here',
}, async (t) => {
  leakCheck(t);
  const { status, out, err } = await sockloopHere('serve', '--loop', 'kqueue');
  assert.deepEqual([status, out], [1, '']);
  assert.match(err, /^sockloop: .*kqueue.* could not be loaded: .*\n$/);
});
