// Goal: Ctrl-C and SIGTERM end `sockloop serve --loop blocking` well, whatever it waits for; a
// second one at once.
// Method: the real program, brought into each kind of wait before the signal.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { type TestContext, test } from 'node:test';
import { bigText, closed, dial, heard } from '#test/harness/clients.js';
import { type Command, eventually, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { catches } from '#test/harness/process-state.js';
import { quoted, serveBlocking, sockloop } from '#test/harness/programs.js';

const timeout = 60_000;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Waits until a server has noticed its first signal: a second one finds no handler then. */
async function noticed(command: Command, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  await eventually(() => assert.ok(!catches(command.pid, constants.signals[signal])));
}

for (const signal of SIGNALS) {
  test(`serve: ${signal} while nobody is there`, { timeout }, async (t) => {
    leakCheck(t);
    const { command } = await serveBlocking(t);
    const { status, out, err } = await command.stop(signal);
    assert.deepEqual([status, err], [0, '']);
    assert.match(out, /^listening on .*\nserved 0 connections: 0 bytes in, 0 out\n$/);
  });

  test(`serve: ${signal} while a silent client is served`, { timeout }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveBlocking(t, '--mode', 'line');
    const socket = await dial({ port });
    socket.write('a line\nhalf');
    await heard(socket);
    const { status, out, err } = await command.stop(signal);
    assert.deepEqual([status, err], [0, '']);
    assert.match(out, /\nserved 1 connection: 11 bytes in, 7 out\n$/);
    await closed(socket);
  });
}

test('serve: a signal ends a wait for datagrams', { timeout }, async (t) => {
  leakCheck(t);
  const words = ['serve', '--udp', '--port', '0', '--loop', 'blocking', '--trace'];
  const command = start(t, sockloop(...words));
  await command.until('err', /^recvfrom\(.*\) = -1 EAGAIN/m);
  const { status, err } = await command.stop();
  assert.equal(status, 0);
  // Not another second behind the interrupted call, in which no handler runs.
  assert.doesNotMatch(err, /EINTR.*\n(?:.*\n)*(recvfrom|poll)\(/);
});

/** A client that has sent far more than it reads, with the server stuck in send(2). */
async function stuckClient(t: TestContext, port: number, command: Command) {
  const socket = await dial({ port });
  socket.pause();
  socket.write(bigText());
  await command.until('err', /^send\(.*\) = \d+\n(.*\n)*?send\(.*\) = -1 EAGAIN/m);
  t.after(() => closed(socket));
  return socket;
}

test('serve: a client that reads again gets the rest after the signal', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--mode', 'line', '--trace');
  const socket = await dial({ port });
  const line = Buffer.concat([bigText(), Buffer.from('\n')]);
  socket.pause();
  socket.write(line);
  await command.until('err', /^send\(.*\) = -1 EAGAIN/m);
  command.child.kill('SIGTERM');
  await noticed(command, 'SIGTERM');
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  assert.ok(Buffer.concat(pieces).equals(line), 'the answer that was on its way comes whole');
  const { status, out } = await command.end();
  assert.equal(status, 0);
  assert.match(out, new RegExp(`\nserved 1 connection: ${line.length} bytes in, ${line.length} `));
});

test('serve: a client that never reads cannot keep it from ending', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--trace');
  await stuckClient(t, port, command);
  const { status, out, err } = await command.stop('SIGTERM');
  assert.equal(status, 0);
  assert.match(
    out,
    /\nserved 1 connection \(1 broken\): \d+ bytes in, \d+ out, \d+ of them not ack/,
  );
  assert.match(err, /: the client did not take its answer within 5000 ms\n/);
});

test('serve: a second signal ends it at once', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--trace');
  await stuckClient(t, port, command);
  command.child.kill('SIGINT');
  await noticed(command, 'SIGINT');
  const { status, signal } = await command.stop('SIGINT');
  assert.deepEqual([status, signal], [null, 'SIGINT']);
});

test('serve: lines that have come are answered after the signal', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--mode', 'line', '--trace');
  const socket = await dial({ port });
  socket.write('first\n');
  assert.equal((await heard(socket)).toString(), 'first\n');
  // So many lines in one piece that the server looks for signals in between.
  const lines = 'x\n'.repeat(10_000);
  socket.write(lines);
  await command.until('err', /^send\(\d+, "x/m);
  command.child.kill('SIGTERM');
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  const { status, out } = await command.end();
  assert.equal(status, 0);
  const [, received, sent] = /served 1 connection: (\d+) bytes in, (\d+) out\n$/.exec(out) ?? [];
  assert.equal(received, sent, 'each line that was received was answered');
  assert.equal('first\n'.length + Buffer.concat(pieces).length, Number(sent));
});

test('serve: a signal right behind the line that says it listens', {
  timeout,
  skip: reasonWithout('strace'),
}, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const [path, printed] = [`${directory}/socket`, `${directory}/printed`];
  writeFileSync(printed, '');
  // Half a second between the line and the next step of the server.
  const slow = ['-e', 'trace=write', '-P', printed, '-e', 'inject=write:delay_exit=500000'];
  // With -D the server is the child of this test, and strace that of nobody.
  const tracer = ['strace', '-D', '-qq', '-o', '/dev/null', ...slow];
  const server = quoted(sockloop('serve', '--unix', path));
  const shell = `exec ${server} > ${quoted([printed])}`;
  const command = start(t, [...tracer, 'sh', '-c', shell]);
  await eventually(() => assert.match(readFileSync(printed, 'utf8'), /^listening/));
  assert.equal((await command.stop('SIGTERM')).status, 0);
  assert.match(readFileSync(printed, 'utf8'), /\nserved 0 connections: 0 bytes in, 0 out\n$/);
  assert.ok(!existsSync(path), 'the name of its socket is gone');
});
