// Goal: what `sockloop serve --loop blocking` prints can be read, by people and by programs, and
// its bounds hold.
// Method: the real program with --verbose, --json, --trace and with each bound, line by line.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { closed, dial, dismissed, heard, talk } from '#test/harness/clients.js';
import { closeReader, eventually } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { serveBlocking } from '#test/harness/programs.js';

const timeout = 60_000;

test('serve --verbose: a line when a client comes and when it goes', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--verbose');
  for (const line of ['hello\n', 'more\n']) await talk({ port }, line);
  const { status, out, err } = await command.stop('SIGINT');
  assert.deepEqual([status, err], [0, '']);
  const client = '127\\.0\\.0\\.1:\\d+';
  const lines = [
    `listening on ${client} \\(blocking, echo\\)`,
    `connection 1 from ${client}`,
    'connection 1 closed: 6 bytes in, 6 out',
    `connection 2 from ${client}`,
    'connection 2 closed: 5 bytes in, 5 out',
    'served 2 connections: 11 bytes in, 11 out',
  ];
  assert.match(out, new RegExp(`^${lines.join('\n')}\n$`));
});

test('serve --json: one document for each event, nothing else', { timeout }, async (t) => {
  leakCheck(t);
  const words = ['--json', '--mode', 'line', '--max-line', '10', '--trace', '--verbose'];
  const { command, port } = await serveBlocking(t, ...words);
  await talk({ port }, 'hello\nyou\n');
  const greedy = await dial({ port });
  greedy.write('far more than ten bytes\n');
  await dismissed(greedy);
  const { status, out } = await command.stop();
  assert.equal(status, 0);
  const documents = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const address = { family: 'IPv4', address: '127.0.0.1' };
  const ports = documents.map((document) => document.address?.port);
  const endOf = (place: number, reason: string): object => {
    const { durationMs } = documents[place];
    assert.ok(durationMs > 0, `${durationMs} ms`);
    const from = { ...address, port: ports[place - 1] };
    return { unacknowledgedBytes, address: from, durationMs, reason };
  };
  const unacknowledgedBytes = 0;
  const sums = { connections: 2, failed: 1, turnedAway: 0, receivedBytes: 34, sentBytes: 10 };
  const totals = { ...sums, unacknowledgedBytes };
  const failure = { message: 'a line is longer than 10 bytes' };
  const [none, ten, many] = [0, 10, 24].map((receivedBytes) => ({ receivedBytes, sentBytes: 0 }));
  assert.deepEqual(none, { receivedBytes: 0, sentBytes: 0 });
  assert.deepEqual(documents, [
    { event: 'listening', address: { ...address, port }, loop: 'blocking', mode: 'line' },
    { event: 'accepted', connection: 1, address: { ...address, port: ports[1] } },
    { event: 'closed', connection: 1, ...ten, sentBytes: 10, lines: 2, ...endOf(2, 'done') },
    { event: 'accepted', connection: 2, address: { ...address, port: ports[3] } },
    { event: 'closed', connection: 2, ...many, lines: 0, ...endOf(4, 'refused'), failure },
    { event: 'stopped', totals },
  ]);
});

test('serve --json: a broken connection has its code', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--json');
  const socket = await dial({ port });
  socket.write('x');
  await heard(socket);
  socket.resetAndDestroy();
  const [line = ''] = await command.until('out', /^.*"closed".*$/m);
  const address = addressIn(command.out);
  const peerName = `127.0.0.1:${address.port}`;
  const { durationMs, ...facts } = JSON.parse(line);
  assert.ok(durationMs > 0);
  assert.deepEqual(facts, {
    event: 'closed',
    connection: 1,
    receivedBytes: 1,
    sentBytes: 1,
    lines: 0,
    unacknowledgedBytes: 0,
    address,
    reason: 'reset',
    failure: {
      message: `cannot receive from ${peerName}: ECONNRESET (connection reset by peer)`,
      code: 'ECONNRESET',
    },
  });
});

/** The address of the client in the document that says it was accepted. */
function addressIn(out: string): { port: number } {
  return JSON.parse(/^.*"accepted".*$/m.exec(out)?.[0] ?? '').address;
}

test('serve --trace: each call as strace would print it', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--trace', '--backlog', '7', '--mode', 'once');
  await talk({ port }, 'gr\u{fc}\u{df}e\0"\n');
  await command.until('err', /^accept4\(.* = -1 .*\n/m);
  const { status, err, out } = await command.stop();
  assert.equal(status, 0);
  assert.match(out, /^listening on .*\nserved 1 connection: 10 bytes in, 10 out\n$/);
  const self = `{AF_INET, 127.0.0.1:${port}}`;
  const bytes = '"gr\\303\\274\\303\\237e\\0\\"\\n"';
  const forms = [
    'getaddrinfo("127.0.0.1", "0", {AI_PASSIVE|AI_NUMERICSERV, AF_UNSPEC, SOCK_STREAM}, ' +
      '[{AF_INET, 127.0.0.1:0}]) = 0',
    /^socket\(AF_INET, SOCK_STREAM\|SOCK_CLOEXEC, IPPROTO_IP\) = \d+$/,
    /^setsockopt\(\d+, SOL_SOCKET, SO_REUSEADDR, \[1\], 4\) = 0$/,
    /^bind\(\d+, \{AF_INET, 127\.0\.0\.1:0\}, 16\) = 0$/,
    /^listen\(\d+, 7\) = 0$/,
    `getsockname(N, ${self}) = 0`,
    /^accept4\(\d+, \{AF_INET, 127\.0\.0\.1:\d+\}, SOCK_CLOEXEC\) = \d+$/,
    `recv(N, ${bytes}, 65536, 0) = 10`,
    `send(N, ${bytes}, 10, MSG_NOSIGNAL) = 10`,
    /^close\(\d+\) = 0$/,
    'accept4(N, ?, SOCK_CLOEXEC) = -1 EAGAIN (Resource temporarily unavailable)',
  ];
  const lines = err.trimEnd().split('\n');
  const plain = lines.map((line) => line.replace(/^(\w+\()\d+,/, '$1N,'));
  for (const form of forms) {
    const found = typeof form === 'string' ? plain.includes(form) : lines.some((x) => form.test(x));
    assert.ok(found, `${form}\n${err}`);
  }
  for (const line of lines) assert.match(line, /^[a-z0-9_]+\(.*\) = (\d+|-1 E[A-Z]+ \(.+\))$/);
});

test('serve --max-line: the newline counts, a rest without one too', { timeout }, async (t) => {
  leakCheck(t);
  for (const mode of ['line', 'once']) {
    const { command, port } = await serveBlocking(t, '--mode', mode, '--max-line', '6');
    assert.equal((await talk({ port }, 'hello\n')).toString(), 'hello\n');
    assert.equal((await talk({ port }, 'hello!')).toString(), 'hello!');
    for (const sent of ['hello!\n', 'hello!!', 'x'.repeat(100_000)]) {
      const reply = await talk({ port }, sent).catch(() => Buffer.from(''));
      assert.equal(reply.toString(), '', sent.slice(0, 10));
    }
    const { status, out, err } = await command.stop();
    assert.equal(status, 0);
    assert.match(out, /\nserved 5 connections \(3 broken\): \d+ bytes in, 12 out\n$/);
    const why = 'a line is longer than 6 bytes';
    // A line a second, which counts the others.
    const line = `sockloop: connection \\d \\(127\\.0\\.0\\.1:\\d+\\): ${why}`;
    assert.match(err, new RegExp(`^(${line}(; 1 more since the last line)?\n){1,3}$`));
  }
});

test('serve --max-line does not bound the bytes of mode echo', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = await serveBlocking(t, '--max-line', '6');
  assert.equal((await talk({ port }, 'a longer line\n')).toString(), 'a longer line\n');
});

test('serve: a silent client delays the others, --idle-timeout frees them', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--idle-timeout', '0.2', '--verbose');
  const silent = await dial({ port });
  assert.equal((await talk({ port }, 'next\n')).toString(), 'next\n');
  await dismissed(silent);
  assert.match(command.err, /^sockloop: connection 1 \(.*\): the client was idle for 200 ms\n$/);
  assert.match(command.out, /connection 1 closed: 0 bytes in, 0 out\nconnection 2 from/);
});

test('serve --idle-timeout: closes a client that does not read', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--idle-timeout', '0.3');
  const stuck = await dial({ port });
  stuck.pause();
  const writing = setInterval(() => stuck.write(Buffer.alloc(1_000_000)), 1);
  try {
    await command.until('err', /connection 1 \(.*\): the client was idle for 300 ms\n$/);
  } finally {
    clearInterval(writing);
    await closed(stuck);
  }
});

test('serve --idle-timeout: a pause that is shorter than it is no reason to close', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--idle-timeout', '2');
  const socket = await dial({ port });
  // Each pause is longer than the second after which the server looks around, and all together
  // are longer than the bound.
  for (const word of ['one', 'two']) {
    socket.write(word);
    assert.equal((await heard(socket)).toString(), word);
    await delay(1200);
  }
  socket.end();
  await dismissed(socket);
  const { status, err } = await command.stop();
  assert.deepEqual([status, err], [0, '']);
});

test('serve: a reader of its output that leaves does not hang it', { timeout }, async (t) => {
  leakCheck(t);
  const quiet = await serveBlocking(t);
  await closeReader(quiet.command);
  assert.equal((await talk({ port: quiet.port }, 'on\n')).toString(), 'on\n');
  const end = await quiet.command.stop();
  assert.deepEqual([end.status, end.err], [0, '']);

  const verbose = await serveBlocking(t, '--verbose');
  await closeReader(verbose.command);
  for (let clients = 0; clients < 3; clients++) {
    assert.equal((await talk({ port: verbose.port }, 'on\n')).toString(), 'on\n');
  }
  const { status, err } = await verbose.command.stop();
  assert.deepEqual([status, err], [0, '']);
});

test('serve --backlog: how many may wait', { timeout }, async (t) => {
  leakCheck(t);
  const { command } = await serveBlocking(t, '--trace', '--backlog', '0');
  await eventually(() => assert.match(command.err, /^listen\(\d+, 0\) = 0$/m));
});
