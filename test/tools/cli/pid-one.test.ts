// Goal: as PID 1 of a namespace, where signals have no default action, commands end as elsewhere:
// the first signal stops them, the second one ends them at once with 128 and its number.
// Method: the real programs under unshare(1), signals sent from outside of the namespace.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { bigText, closed, dial } from '#test/harness/clients.js';
import { type Command, eventually, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { sockloop, tcpserver } from '#test/harness/programs.js';

const timeout = 60_000;
const UNSHARE = ['unshare', '-pf', '--mount-proc'];
const refused = spawnSync(UNSHARE[0] ?? '', [...UNSHARE.slice(1), 'true'], { encoding: 'utf8' });
const reason =
  refused.status === 0 ? false : `no PID namespace can be made here: ${refused.stderr}`;

/** Process id of PID 1 inside, as it is seen from here. */
async function insideOf({ pid }: Command): Promise<number> {
  let inside = 0;
  await eventually(() => {
    inside = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]);
    assert.ok(inside > 0);
  });
  return inside;
}

async function endedWith(command: Command, status: number): Promise<void> {
  const outcome = await command.end();
  assert.deepEqual([outcome.status, outcome.signal], [status, null], outcome.err);
}

test('serve as PID 1: one signal ends it', { timeout, skip: reason }, async (t) => {
  leakCheck(t);
  const command = start(t, [...UNSHARE, ...sockloop('serve', '--port', '0')]);
  await command.until('out', /^listening/);
  process.kill(await insideOf(command), 'SIGTERM');
  await endedWith(command, 0);
});

for (const loop of ['poll', 'threads', 'blocking']) {
  test(`serve --loop ${loop} as PID 1: a second signal ends it at once`, {
    timeout,
    skip: reason,
  }, async (t) => {
    leakCheck(t);
    const words = [...UNSHARE, ...sockloop('serve', '--loop', loop, '--port', '0', '--trace')];
    const stuck = start(t, words);
    const port = Number((await stuck.until('out', /:(\d+) \(/))[1]);
    const client = await dial({ port });
    t.after(() => closed(client));
    client.pause();
    client.write(bigText());
    await stuck.until('err', /send\(.*, (\d+), MSG_NOSIGNAL\) = (-1 EAGAIN|(?!\1\n)\d+\n)/);
    const inside = await insideOf(stuck);
    // Two that come too close to each other are one, and the handler is seen by nobody.
    const again = setInterval(() => stuck.child.exitCode ?? process.kill(inside, 'SIGTERM'), 400);
    t.after(() => clearInterval(again));
    process.kill(inside, 'SIGTERM');
    await endedWith(stuck, 143);
    clearInterval(again);
  });
}

test('serve and load as PID 1: SIGQUIT and SIGHUP end them, as they do elsewhere', {
  timeout,
  skip: reason,
}, async (t) => {
  leakCheck(t);
  const { port } = await silentServer(t);
  for (const [name, status] of [
    ['SIGQUIT', 131],
    ['SIGHUP', 129],
  ] as const) {
    for (const loop of ['poll', 'threads', 'blocking']) {
      const words = sockloop('serve', '--loop', loop, '--port', '0');
      const server = start(t, [...UNSHARE, ...words]);
      await server.until('out', /^listening/);
      process.kill(await insideOf(server), name);
      await endedWith(server, status);
    }
    const load = start(t, [
      ...UNSHARE,
      ...sockloop('load', '127.0.0.1', `${port}`, '--duration', '50', '--timeout', '40'),
    ]);
    await load.until('err', /connections/);
    process.kill(await insideOf(load), name);
    await endedWith(load, status);
  }
});

test('tcpserver as PID 1: one signal ends it, as it does elsewhere', {
  timeout,
  skip: reason,
}, async (t) => {
  leakCheck(t);
  for (const words of [['0'], ['--loop', 'poll', '0']]) {
    const command = start(t, [...UNSHARE, ...tcpserver(...words)]);
    await command.until('out', /listening on port/);
    process.kill(await insideOf(command), 'SIGINT');
    await endedWith(command, 130);
  }
});

/** A server that takes connections and says nothing. */
async function silentServer(t: TestContext): Promise<{ port: number; met: () => number }> {
  let met = 0;
  const sockets = new Set<import('node:net').Socket>();
  const server = createServer((socket) => {
    met += 1;
    sockets.add(socket.on('error', () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { port: address.port, met: () => met };
}

test('send as PID 1: a signal ends it while it waits', { timeout, skip: reason }, async (t) => {
  leakCheck(t);
  for (const threads of [[], ['--threads', '2']]) {
    const { port, met } = await silentServer(t);
    const words = sockloop('send', ...threads, '--timeout', '50', '127.0.0.1', `${port}`, 'hello');
    const command = start(t, [...UNSHARE, ...words]);
    await eventually(() => assert.ok(met() > 0));
    process.kill(await insideOf(command), 'SIGTERM');
    await endedWith(command, 143);
  }
});

test('load and compare as PID 1: a second signal ends them at once', {
  timeout,
  skip: reason,
}, async (t) => {
  leakCheck(t);
  const { port } = await silentServer(t);
  for (const words of [
    ['load', '127.0.0.1', `${port}`, '--duration', '50', '--timeout', '40'],
    ['compare', '--no-report', '--loops', 'poll', '--duration', '20'],
  ]) {
    const command = start(t, [...UNSHARE, ...sockloop(...words)]);
    await command.until('err', /connections|starting/);
    const inside = await insideOf(command);
    // Both at once: the command may end by itself soon after the first. Which one Node hears second
    // is up to the threads that the kernel delivers them to.
    process.kill(inside, 'SIGINT');
    process.kill(inside, 'SIGTERM');
    const { status, err } = await command.end();
    assert.ok(status === 130 || status === 143, `status ${status}: ${err}`);
  }
});
