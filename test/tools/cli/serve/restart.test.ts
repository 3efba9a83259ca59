// Goal: `sockloop serve` restarts at SIGUSR2 without a lost connection, or goes on as it was.
// Method: clients that come and go all the time, and some that stay, while it is restarted on every
// loop; successors that fail, by what NODE_OPTIONS preloads into them. With RESTARTS=50 it restarts
// so often on each, and says how long it takes until the new process has its first connection.

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { Churn, LongClient } from '#test/harness/churn.js';
import { freePort, talk } from '#test/harness/clients.js';
import { type Command, eventually, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { sockloop } from '#test/harness/programs.js';

const timeout = 240_000;
/** How often a server is restarted, if the environment says; its figures are printed then. */
const RESTARTS = Number(process.env['RESTARTS'] ?? 0);
const SERVES = /^sockloop: process (\d+) serves/gm;

const why = (name: string): string | false => {
  const available = backends.find((one) => one.name === name)?.available(nativeSys()) ?? true;
  return available === true ? false : available.reason;
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** A server that is restarted: the process that serves is another one each time. */
class Restarted {
  readonly command: Command;
  pid: number;
  /** From each signal to the first connection of the new process, with --verbose. */
  readonly firstMs: number[] = [];
  #restarts = 0;
  #askedMs = 0;

  constructor(
    t: TestContext,
    words: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
    prefix: readonly string[] = [],
  ) {
    this.command = start(t, [...prefix, ...sockloop('serve', ...words)], { env });
    this.pid = this.command.pid;
    this.command.child.stdout?.on('data', (piece: Buffer) => {
      if (this.#askedMs === 0 || !piece.includes('connection 1 from')) return;
      this.firstMs.push(performance.now() - this.#askedMs);
    });
    t.after(() => {
      if (isAlive(this.pid)) process.kill(this.pid, 'SIGKILL');
    });
  }

  async port(): Promise<number> {
    return Number((await this.command.until('out', /^listening on .*:(\d+) \(/m))[1]);
  }

  /** Restarts it, and waits until its successor serves. */
  async restart(): Promise<void> {
    this.#restarts += 1;
    this.#askedMs = performance.now();
    process.kill(this.pid, 'SIGUSR2');
    await eventually(() => {
      const pids = [...this.command.err.matchAll(SERVES)].map(([, pid]) => Number(pid));
      assert.equal(pids.length, this.#restarts, this.command.err);
      this.pid = pids.at(-1) ?? 0;
    });
  }

  /** Ends the last process, and all others that drain. */
  async end(): Promise<string> {
    process.kill(this.pid, 'SIGTERM');
    const { out } = await this.command.end();
    return out;
  }
}

function figures(ms: readonly number[], clients: number): string {
  const sorted = ms.toSorted((a, b) => a - b);
  const [median = 0, most = 0] = [sorted[sorted.length >> 1], sorted.at(-1)];
  const times = `${median.toFixed()} ms, at most ${most.toFixed()}`;
  return `${clients} connections, none lost; first of the new process: ${times}`;
}

const CASES: readonly (readonly [loop: string, restarts: number, words: string[]])[] = [
  ['epoll', 3, []],
  ['io_uring', 2, []],
  ['epoll', 1, ['--threads', '2']],
  ['io_uring', 1, ['--threads', '2', '--max-connections', '100']],
  ['poll', 1, ['--mode', 'line']],
  ['threads', 1, []],
];

const verbose = RESTARTS > 0 ? ['--verbose'] : [];

for (const [loop, few, words] of CASES) {
  const restarts = RESTARTS > 0 ? RESTARTS : few;
  const skip = loop === 'threads' ? false : why(loop);
  const title = ['no connection is lost:', loop, ...words].join(' ');
  test(title, { skip, timeout }, async (t) => {
    leakCheck(t);
    const flags = ['--port', '0', '--loop', loop, '--drain-timeout', '200', ...words];
    const server = new Restarted(t, [...flags, ...verbose]);
    const port = await server.port();
    const isLine = words.includes('line');
    const churn = isLine ? null : new Churn({ port }, 6);
    const long = Array.from({ length: 3 }, () => new LongClient({ port }));
    t.after(() => {
      for (const client of long) client.close();
    });
    if (churn !== null) await Promise.all(long.map((client) => client.ask()));
    for (let restart = 0; restart < restarts; restart++) {
      await server.restart();
      const before = churn?.served ?? 0;
      if (churn !== null) await eventually(() => assert.ok(churn.served > before + 50));
      else assert.equal(String(await talk({ port }, 'a line\n')), 'a line\n');
    }
    if (churn !== null) {
      await Promise.all(long.map((client) => client.ask()));
      await churn.end();
      assert.deepEqual(churn.lost, []);
    }
    for (const client of long) client.close();
    const out = await server.end();
    const totals = [...out.matchAll(/^served (\d+) connections?:/gm)].map(([, count]) =>
      Number(count),
    );
    assert.equal(totals.length, restarts + 1, out);
    const clients = totals.reduce((sum, count) => sum + count, 0);
    if (churn !== null) assert.equal(clients, churn.served + 3);
    if (RESTARTS > 0) t.diagnostic(figures(server.firstMs, clients));
  });
}

test('blocking: the client that is served is served to its end', { timeout }, async (t) => {
  leakCheck(t);
  const server = new Restarted(t, ['--port', '0', '--loop', 'blocking']);
  const port = await server.port();
  const long = new LongClient({ port });
  await long.ask();
  const first = server.pid;
  await server.restart();
  await long.ask();
  assert.ok(isAlive(first));
  assert.equal(String(await talk({ port }, 'to the successor')), 'to the successor');
  long.close();
  await eventually(() => assert.ok(!isAlive(first)));
  await server.end();
});

test('a drain ends at its deadline; SIGUSR2 twice; the file stays to the end', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const path = join(scratch(t), 'socket');
  const server = new Restarted(t, ['--unix', path, '--loop', 'epoll', '--drain-timeout', '500ms']);
  await server.command.until('out', /^listening/m);
  const long = new LongClient({ path });
  await long.ask();
  const first = server.pid;
  process.kill(first, 'SIGUSR2');
  await server.command.until('err', /starting a successor/);
  process.kill(first, 'SIGUSR2');
  await server.command.until('err', /no restart: a successor is starting already/);
  await server.command.until('err', /serves; connections of this one have 0[.]5 s to end/);
  server.pid = Number([...server.command.err.matchAll(SERVES)][0]?.[1]);
  process.kill(first, 'SIGUSR2');
  await server.command.until('err', /no restart: process \d+ serves, and this one ends/);
  await long.ask();
  // In order: it has nothing under way.
  assert.equal(await long.ended(), null);
  await server.command.until('out', /^served 1 connection: 10 bytes in, 10 out$/m);
  await eventually(() => assert.ok(!isAlive(first)));
  assert.ok(existsSync(path));
  assert.equal(String(await talk({ path }, 'on')), 'on');
  await server.end();
  assert.ok(!existsSync(path));
});

/** What a successor does instead of serving. */
const FAILURES: readonly (readonly [what: string, program: string, RegExp])[] = [
  ['exits at once', "process['exit'](7)", /ended with status 7 before it was ready; this process/],
  ['hangs', 'for (;;);', /was not ready within 1500 ms; this process goes on/],
  [
    'listens elsewhere',
    'delete process.env.LISTEN_FDS; delete process.env.SOCKLOOP_PREDECESSOR;',
    /has taken 0 of 1 sockets: it listens elsewhere; this process goes on/,
  ],
];

for (const [what, program, message] of FAILURES) {
  test(`a successor that ${what}: the old one goes on`, { timeout }, async (t) => {
    leakCheck(t);
    const file = join(scratch(t), 'preloaded.cjs');
    writeFileSync(file, `if (process.env.SOCKLOOP_PREDECESSOR) { ${program} }`);
    const env = { ...process.env, NODE_OPTIONS: `--require=${file}` };
    const words = ['--port', '0', '--loop', 'epoll', '--ready-timeout'];
    const server = new Restarted(t, [...words, what === 'hangs' ? '1500ms' : '30'], env);
    const port = await server.port();
    const churn = new Churn({ port }, 3);
    const long = new LongClient({ port });
    await long.ask();
    process.kill(server.pid, 'SIGUSR2');
    await server.command.until('err', message);
    await long.ask();
    await churn.end();
    assert.deepEqual(churn.lost, []);
    // And may be restarted again.
    writeFileSync(file, '');
    await server.restart();
    assert.equal(String(await talk({ port }, 'on')), 'on');
    long.close();
    await server.end();
  });
}

test('the port of metrics goes to a successor, and comes back if there is none', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const file = join(scratch(t), 'preloaded.cjs');
  writeFileSync(file, "if (process.env.SOCKLOOP_PREDECESSOR) process['exit'](7)");
  const env = { ...process.env, NODE_OPTIONS: `--require=${file}` };
  const metrics = await freePort();
  const words = ['--port', '0', '--loop', 'epoll', '--metrics', `${metrics}`];
  const server = new Restarted(t, words, env);
  await server.port();
  const state = async (): Promise<string> => {
    const headers = { connection: 'close' };
    return (await fetch(`http://127.0.0.1:${metrics}/healthz`, { headers })).text();
  };
  assert.equal(await state(), 'serving\n');
  process.kill(server.pid, 'SIGUSR2');
  await server.command.until('err', /ended with status 7 before it was ready; this process/);
  assert.equal(await state(), 'serving\n');
  writeFileSync(file, '');
  const first = server.pid;
  await server.restart();
  await eventually(() => assert.ok(!isAlive(first)));
  assert.equal(await state(), 'serving\n');
  await server.end();
});

test('a server that is stopped while its successor starts ends both', { timeout }, async (t) => {
  leakCheck(t);
  const file = join(scratch(t), 'preloaded.cjs');
  writeFileSync(file, 'if (process.env.SOCKLOOP_PREDECESSOR) for (;;);');
  const env = { ...process.env, NODE_OPTIONS: `--require=${file}` };
  const server = new Restarted(t, ['--port', '0', '--loop', 'epoll'], env);
  await server.port();
  process.kill(server.pid, 'SIGUSR2');
  await server.command.until('err', /starting a successor/);
  await pause(100);
  const { status } = await server.command.stop();
  assert.equal(status, 0);
});

const notRoot =
  process.getuid?.() === 0 ? reasonWithout('setpriv') : 'only root becomes another user';
test('an unprivileged user restarts a server of its own', { skip: notRoot, timeout }, async (t) => {
  leakCheck(t);
  const nobody = [
    'setpriv',
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    '--bounding-set=-all',
  ];
  const server = new Restarted(t, ['--port', '0', '--loop', 'epoll'], process.env, nobody);
  const port = await server.port();
  await server.restart();
  assert.equal(String(await talk({ port }, 'on')), 'on');
  const other = start(t, [...nobody, 'kill', '-USR2', String(process.pid)]);
  assert.notEqual((await other.end()).status, 0, 'nor one of another user');
  await server.end();
});

test('LISTEN_FDS that lies, flags that it overrides, nobody at NOTIFY_SOCKET', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const lying = start(t, sockloop('serve'), {
    env: { ...process.env, LISTEN_FDS: '1', LISTEN_PID: '1' },
  });
  const { status, err } = await lying.end();
  assert.equal(status, 1);
  assert.match(
    err,
    /^sockloop: cannot take the sockets of LISTEN_FDS=1: LISTEN_PID is 1, and this/,
  );
  const env = { ...process.env, NOTIFY_SOCKET: '/nowhere/notify' };
  const server = new Restarted(t, ['--port', '0', '--loop', 'epoll'], env);
  const port = await server.port();
  await server.command.until('err', /^sockloop: cannot notify \/nowhere\/notify: ENOENT/m);
  assert.equal(String(await talk({ port }, 'on')), 'on');
  await server.end();
});

const skip = reasonWithout('systemd-socket-activate');
for (const words of [[], ['--threads', '2']]) {
  const title = ['sockets of systemd are served, restarted, and kept:', ...words].join(' ');
  test(title, { skip, timeout }, async (t) => {
    leakCheck(t);
    const path = join(scratch(t), 'socket');
    const activate = ['systemd-socket-activate', '--listen', path];
    const serve = sockloop('serve', '--loop', 'epoll', '--port', '1', ...words);
    const command = start(t, [...activate, ...serve]);
    await command.until('err', /Listening on/);
    const client = talk({ path }, 'first');
    await command.until('err', /^sockloop: --port is ignored: LISTEN_FDS says where to listen/m);
    assert.equal(String(await client), 'first');
    // A thread may answer before all of them serve.
    await command.until('out', /^listening on /m);
    process.kill(command.pid, 'SIGUSR2');
    const [, pid] = await command.until('err', /^sockloop: process (\d+) serves/m);
    assert.equal(String(await talk({ path }, 'second')), 'second');
    process.kill(Number(pid), 'SIGTERM');
    await command.end();
    assert.ok(existsSync(path), 'the file is of systemd');
  });
}
