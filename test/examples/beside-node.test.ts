// Goal: examples/beside-node.ts does what it says: HTTP, a timer, a client of redis and a listener
// of a loop in one thread.
// Method: as its user would: a redis server and the program are started, it is asked by HTTP and by
// lines over TCP, and ended by Ctrl-C.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '#test/adapters/programs/servers.js';
import { freePort } from '#test/harness/clients.js';
import { start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';

const timeout = 120_000;
const file = `${root}build/examples/beside-node.js`;

/** The line that the server at `port` answers `line` with. */
async function answerTo(port: number, line: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(`${line}\n`);
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  await once(socket, 'close');
  return answer;
}

async function visit(port: string): Promise<string> {
  const headers = { connection: 'close' };
  return (await fetch(`http://127.0.0.1:${port}`, { headers })).text();
}

const skip = reasonWithout('redis-server');

test('examples/beside-node.ts: HTTP, a timer, redis and a loop', { skip, timeout }, async (t) => {
  leakCheck(t);
  // redis takes no port 0.
  const redisPort = await freePort();
  await startRedis(t, redisPort);
  const program = start(t, [process.execPath, file, `${redisPort}`]);
  const ports = /^HTTP on port (\d+), lines on port (\d+)$/m;
  const [, http = '', lines = ''] = await program.until('out', ports);

  assert.equal(await visit(http), 'visit 1\n');
  assert.equal(await visit(http), 'visit 2\n');
  assert.equal(await answerTo(Number(lines), 'visits'), '2\n');
  assert.equal(await answerTo(Number(lines), 'no such key'), 'nothing\n');
  let uptime = '';
  for (const deadlineMs = performance.now() + 45_000; performance.now() < deadlineMs; ) {
    uptime = await answerTo(Number(lines), 'uptime');
    if (uptime !== 'nothing\n') break;
    await delay(50);
  }
  assert.match(uptime, /^\d+ s\n$/);

  // One that has sent no line yet gets the end.
  const idle = connect(Number(lines), '127.0.0.1');
  t.after(() => idle.destroy());
  await once(idle, 'connect');
  const ended = once(idle.resume(), 'end');
  const { status, out, err } = await program.stop('SIGINT');
  await ended;
  assert.equal(status, 0, err);
  assert.match(out, /^nothing is left: the process ends$/m);
  assert.equal(err, '');
});

test('examples/beside-node.ts: no redis server is there', { timeout }, async (t) => {
  leakCheck(t);
  const program = start(t, [process.execPath, file, '1']);
  const { status, err } = await program.end();
  assert.equal(status, 1);
  assert.match(err, /ECONNREFUSED/);
});
