// Goal: no client, however rude, ends `sockloop serve --loop blocking`, costs it a descriptor or
// makes it spin.
// Method: rude clients against the real program in each mode; descriptors and processor time are
// read from /proc.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { bigText, closed, dial, heard, rudeClients, talk } from '#test/harness/clients.js';
import { eventually, run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { cpuTicksOf, openFdsOf, stateOf } from '#test/harness/process-state.js';
import { serveBlocking } from '#test/harness/programs.js';

const timeout = 60_000;

for (const mode of ['echo', 'line', 'once']) {
  test(`serve --mode ${mode}: no client ends it, and none leaves a descriptor`, {
    timeout,
    skip: reasonWithoutProc,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveBlocking(t, '--mode', mode, '--verbose');
    // Before the first client: a connection may stay open for a moment behind its last answer.
    const before = openFdsOf(command.pid);
    for (const rude of rudeClients) {
      await t.test(rude.name, { timeout }, async (each) => {
        leakCheck(each);
        await rude.run({ port });
        assert.equal((await talk({ port }, 'still there\n')).toString(), 'still there\n');
        await eventually(() => assert.deepEqual(openFdsOf(command.pid), before));
      });
    }
    const { status, out, err } = await command.stop();
    assert.equal(status, 0);
    const connections = 2 * rudeClients.length;
    assert.match(out, new RegExp(`\nserved ${connections} connections \\(\\d+ broken\\): .*\n$`));
    assert.equal(out.match(/ closed: /g)?.length, connections);
    const known =
      /^sockloop: connection \d+ \(.*\): cannot (send to|receive from) .*: E\w+ \(.*\)$/;
    // A line a second, which counts the others.
    const lines = err.trimEnd().replace(/; \d+ more since the last line$/gm, '');
    for (const line of lines.split('\n')) assert.match(line, known);
  });
}

test('serve: 100 clients, one after another', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--mode', 'line');
  const before = openFdsOf(command.pid);
  for (let count = 0; count < 100; count++) {
    const line = `client ${count}\n`;
    assert.equal((await talk({ port }, line)).toString(), line);
  }
  await eventually(() => assert.deepEqual(openFdsOf(command.pid), before));
  const { status, out, err } = await command.stop();
  assert.deepEqual([status, err], [0, '']);
  assert.match(out, /\nserved 100 connections: \d+ bytes in, \d+ out\n$/);
});

test('serve: a stop and a continuation in the middle do no harm', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--mode', 'line');
  const pause = async (): Promise<void> => {
    command.child.kill('SIGSTOP');
    await eventually(() => assert.equal(stateOf(command.pid), 'T'));
    command.child.kill('SIGCONT');
    await eventually(() => assert.notEqual(stateOf(command.pid), 'T'));
  };
  await pause(); // While it waits in accept(2).
  const socket = await dial({ port });
  socket.write('half');
  await pause(); // While it waits for the rest of the line.
  socket.write(' a line\n');
  assert.equal((await heard(socket)).toString(), 'half a line\n');
  await closed(socket);
  const big = Buffer.concat([bigText(), Buffer.from('\n')]);
  const answer = talk({ port }, big);
  await pause(); // While it receives or sends.
  await pause();
  assert.ok((await answer).equals(big));
  const { status, err } = await command.stop();
  assert.deepEqual([status, err], [0, '']);
});

test('serve: an idle server uses no processor time to speak of', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t);
  const silent = await dial({ port });
  const before = cpuTicksOf(command.pid);
  await delay(1000);
  assert.ok(cpuTicksOf(command.pid) - before < 20, 'less than 0.2 s in a second');
  await closed(silent);
});

test('serve: out of descriptors it says so, waits without spinning, and goes on', {
  timeout,
  skip: reasonWithoutProc || reasonWithout('prlimit'),
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveBlocking(t, '--json');
  assert.equal((await talk({ port }, 'before\n')).toString(), 'before\n');
  const open = openFdsOf(command.pid).map((fd) => Number.parseInt(fd, 10));
  const free = open.findIndex((fd, index) => fd !== index);
  const lowest = free < 0 ? open.length : free;
  const limit = async (soft: string): Promise<void> => {
    const words = ['prlimit', `--pid=${command.pid}`, `--nofile=${soft}:`];
    const { status, err } = await run(t, words);
    assert.equal(status, 0, err);
  };
  await limit(`${lowest}`);
  const answer = talk({ port }, 'patience\n');
  const [line = ''] = await command.until('out', /^.*"acceptFailed".*$/m);
  assert.deepEqual(JSON.parse(line), {
    event: 'acceptFailed',
    failure: {
      message: `cannot accept a connection on 127.0.0.1:${port}: EMFILE (too many open files)`,
      code: 'EMFILE',
    },
  });
  const before = cpuTicksOf(command.pid);
  const linesBefore = command.out.split('\n').length;
  await delay(1000);
  assert.ok(cpuTicksOf(command.pid) - before < 20, 'less than 0.2 s in a second');
  assert.ok(command.out.split('\n').length - linesBefore <= 11, 'ten lines in a second at most');
  await limit(`${open.length + 100}`);
  assert.equal((await answer).toString(), 'patience\n');
  assert.equal((await command.stop()).status, 0);
});
