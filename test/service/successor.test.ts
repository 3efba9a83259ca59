// Goal: a successor takes over, or it is ended and nothing has changed.
// Method: programs that do what a successor should do, and each thing that it should not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer } from 'sockloop';
import { startSuccessor } from 'sockloop/service';
import { talk } from '#test/harness/clients.js';
import { eventually, type Scope } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';

/** A program of these modules. */
const program = (text: string): [string, ...string[]] => [
  process.execPath,
  '--input-type=module',
  '--eval',
  `import { listenFds, notify } from 'sockloop/service';
   import { EventLoop } from 'sockloop'; ${text}`,
];

/** Serves one client, and says who it is. */
const GOOD = `
  const sockets = listenFds();
  const loop = new EventLoop();
  const handlers = {
    open: (client) => client.end(
      sockets.map((one) => one.name) + ' ' + process.env.COLOUR +
        (process.env.WATCHDOG_PID === undefined ? '' : ', watched')),
    close: () => listeners.map((one) => one.close()),
  };
  const listeners = sockets.map(({ fd }) => loop.listen({ fd, handlers }));
  notify({ ready: true });
  await loop.run();
`;

function socketsOf(scope: Scope, count: number) {
  const servers = Array.from({ length: count }, () => createServer({ host: '127.0.0.1', port: 0 }));
  scope.after(() => {
    for (const server of servers) server.close();
  });
  const address = servers[0]?.getSockName();
  assert.ok(address?.family === 'IPv4');
  return { sockets: servers.map((server) => ({ fd: server.fileno() })), port: address.port };
}

const gone = (pid: number) => () => assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });

test('a successor serves on the sockets, with their names and its environment', async (t) => {
  leakCheck(t);
  const { sockets, port } = socketsOf(t, 3);
  const named = sockets.map((socket, index) => ({ ...socket, name: `web${index}` }));
  const environment = { COLOUR: 'blue' };
  // That of this process, whose watchdog is not for another.
  process.env['WATCHDOG_PID'] = String(process.pid);
  t.after(() => delete process.env['WATCHDOG_PID']);
  const { pid } = await startSuccessor({ sockets: named, command: program(GOOD), environment });
  assert.equal(String(await talk({ port }, '')), 'web0,web1,web2 blue');
  await eventually(gone(pid));
});

/** Says by itself how many sockets it has taken. */
const TELLS = `
  const { writeSync } = await import('node:fs');
  const tell = (words) => writeSync(Number(process.env.SOCKLOOP_READY_FD), words);
`;

const FAILURES: readonly (readonly [what: string, text: string, RegExp])[] = [
  ['ends at once', 'process.exitCode = 3;', /^the successor \(process \d+\) ended with status 3 /],
  ['is killed', 'process.kill(process.pid, "SIGKILL");', /ended by SIGKILL before it was ready$/],
  [
    'listens elsewhere',
    'notify({ ready: true }); setInterval(() => 0, 1000);',
    /has taken 0 of 2 sockets: it listens elsewhere$/,
  ],
  [
    'takes one of two',
    `${TELLS} tell('READY=1\\n'); setInterval(() => 0, 1000);`,
    /has taken 1 of 2 sockets: it listens elsewhere$/,
  ],
  [
    'hangs, and ends only if it is killed',
    'process.on("SIGTERM", () => 0); listenFds(); for (;;);',
    /was not ready within 1500 ms$/,
  ],
];

for (const [what, text, message] of FAILURES) {
  test(`a successor that ${what} is ended`, async (t) => {
    leakCheck(t);
    const { sockets, port } = socketsOf(t, 2);
    const hangs = what.startsWith('hangs');
    const starting = startSuccessor({
      sockets,
      command: program(text),
      ...(hangs ? { readyTimeoutMs: 1500 } : {}),
    });
    let error: unknown;
    await starting.catch((reason) => {
      error = reason;
    });
    assert.ok(error instanceof Error);
    assert.match(error.message, message);
    gone(Number(/process (\d+)/.exec(error.message)?.[1]))();
    // The sockets listen as before.
    const good = startSuccessor({ sockets, command: program(GOOD) });
    const { pid } = await good;
    assert.equal(String(await talk({ port }, '')), 'unknown,unknown undefined');
    await eventually(gone(pid));
  });
}

test('what cannot be started, or is not wanted any more', async (t) => {
  leakCheck(t);
  const { sockets } = socketsOf(t, 1);
  await assert.rejects(startSuccessor({ sockets, command: ['/nowhere/program'] }), {
    message: 'cannot start a successor: spawn /nowhere/program ENOENT',
  });
  const signal = AbortSignal.timeout(300);
  const hanging = startSuccessor({ sockets, command: program('for (;;);'), signal });
  await assert.rejects(hanging, { name: 'TimeoutError' });
  await assert.rejects(startSuccessor({ sockets, signal }), { name: 'TimeoutError' });
  for (const wrong of [
    { sockets: [] },
    { sockets: [{ fd: -1 }] },
    { sockets: [{ fd: 1, name: 'a:b' }] },
    { sockets, readyTimeoutMs: 0 },
    { sockets, command: [] },
  ]) {
    await assert.rejects(startSuccessor(wrong as never), /RangeError|TypeError/);
  }
});

test('a successor is heard in pieces, and the first reason to end it counts', async (t) => {
  leakCheck(t);
  const { sockets } = socketsOf(t, 2);
  const inPieces = `${TELLS} tell('REA');
    setTimeout(() => tell('DY=2\\n'), 20); setTimeout(() => 0, 40);`;
  const { pid } = await startSuccessor({ sockets, command: program(inPieces) });
  await eventually(gone(pid));
  const controller = new AbortController();
  process.once('SIGWINCH', () => controller.abort());
  const ending = `${TELLS} process.once('SIGTERM', () => {
    process.kill(process.ppid, 'SIGWINCH');
    setTimeout(() => process.exit(), 50);
  });
  setInterval(() => 0, 1000);
  tell('READY=1\\n');`;
  const starting = startSuccessor({
    sockets,
    command: program(ending),
    signal: controller.signal,
  });
  await assert.rejects(starting, /has taken 1 of 2 sockets/);
  // It was aborted meanwhile.
  await eventually(() => assert.equal(controller.signal.aborted, true));
});
