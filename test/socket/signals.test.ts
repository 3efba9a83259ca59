// Goal: a signal neither ends nor lengthens a wait, unless the socket is interruptible, and SIGPIPE
// never ends the process.
// Method: child processes that block and print their system calls as they return; signals come
// until the child has said what was to be seen.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Socket } from '#src/socket/index.js';
import { leakCheck } from '#test/harness/leaks.js';
import {
  bytesOf,
  closing,
  freshAddress,
  listening,
  type listeningKinds,
  received,
} from './ends.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const SIGNAL_EVERY_MS = 10;
const RUN_TIMEOUT_MS = 30_000;

/** Common to all children: what they are told, a traced Sys, and a handler for the signal. */
const PRELUDE = `
import { writeSync } from 'node:fs';
import { nativeSys, TracingSys } from 'sockloop/sys';
import { Socket } from 'sockloop/socket';
const told = JSON.parse(process.argv[1]);
const sys = new TracingSys(nativeSys(), (line) => writeSync(2, line + '\\n'));
let signals = 0;
// A signal that does no harm to a process without a handler, at its beginning and end.
process.on('SIGWINCH', () => { signals += 1; });
const report = (facts) => writeSync(1, JSON.stringify(facts));
const measured = (call) => {
  const start = performance.now();
  let code = null;
  let value;
  try { value = call(); } catch (error) { code = error.code; }
  return { value, code, passedMs: performance.now() - start };
};
const text = (socket) => {
  const buffer = new Uint8Array(64);
  return new TextDecoder().decode(buffer.subarray(0, socket.recv(buffer)));
};
`;

interface Report {
  readonly value?: string;
  readonly code: string | null;
  readonly passedMs: number;
  readonly signals?: number;
}

class Child {
  readonly process: ChildProcess;
  /** The system calls so far. */
  trace = '';
  #output = '';
  readonly #ended: Promise<unknown>;

  constructor(program: string, told: object) {
    const script = ['--input-type=module', '-e', PRELUDE + program, JSON.stringify(told)];
    const child = spawn(process.execPath, script, { cwd: root, timeout: RUN_TIMEOUT_MS });
    this.process = child;
    this.#ended = once(child, 'close');
    child.stdout.on('data', (bytes) => {
      this.#output += bytes;
    });
    child.stderr.on('data', (bytes) => {
      this.trace += bytes;
    });
  }

  /** Sends signals until the trace matches `pattern`, or to the end where there is none. */
  async interruptUntil(pattern: RegExp | null): Promise<void> {
    const timer = setInterval(() => this.process.kill('SIGWINCH'), SIGNAL_EVERY_MS);
    try {
      if (pattern === null) await this.#ended;
      else while (!pattern.test(this.trace)) await this.#news();
    } finally {
      clearInterval(timer);
    }
  }

  async #news(): Promise<void> {
    const ended = this.#ended.then(() => 'ended');
    const { stderr } = this.process;
    assert.ok(stderr);
    if ((await Promise.race([once(stderr, 'data'), ended])) === 'ended') {
      assert.fail(`the child has ended: ${this.trace}${this.#output}`);
    }
  }

  async report(): Promise<Report> {
    await this.#ended;
    assert.equal(this.process.exitCode, 0, `${this.process.signalCode} ${this.trace}`);
    return JSON.parse(this.#output) as Report;
  }
}

function start(t: TestContext, program: string, told: object = {}): Child {
  const child = new Child(program, told);
  t.after(() => child.process.kill('SIGKILL'));
  return child;
}

const limits = { timeout: 4 * RUN_TIMEOUT_MS };

const RECEIVING = `
const client = new Socket(told.family, { sys });
client.connect(told.address);
client.interruptible = told.interruptible ?? false;
client.setTimeout(told.timeoutMs);
report({ ...measured(() => text(client)), signals });
`;

const ACCEPTING = `
const server = new Socket(told.family, { sys });
server.bind(told.address);
server.listen();
server.interruptible = told.interruptible ?? false;
server.setTimeout(told.timeoutMs);
server.getSockName();
report(measured(() => text(server.accept()[0])));
`;

const CONNECTING = `
const client = new Socket(told.family, { sys });
client.interruptible = told.interruptible ?? false;
client.setTimeout(told.timeoutMs);
report(measured(() => { client.connect(told.address); return text(client); }));
`;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: signals', limits, () => {
  for (const kind of ['IPv4', 'UNIX path'] as const) {
    const family = kind === 'IPv4' ? 'IPv4' : 'UNIX';

    it(`recv() goes on with its wait, and gets its data: ${kind}`, async (t) => {
      leakCheck(t);
      const server = listening(t, kind);
      const told = { family, address: server.getSockName(), timeoutMs: 20_000 };
      const child = start(t, RECEIVING, told);
      await child.interruptUntil(/^recv\(.* EINTR [\s\S]*^poll\(.* EINTR [\s\S]*^poll\(.* EINTR /m);
      closing(t, server.accept()[0]).sendAll(bytesOf('at last'));
      const { value, code } = await child.report();
      assert.deepEqual([value, code], ['at last', null]);
    });

    it(`recv() runs out of time though signals come: ${kind}`, async (t) => {
      leakCheck(t);
      const server = listening(t, kind);
      const told = { family, address: server.getSockName(), timeoutMs: 300 };
      const child = start(t, RECEIVING, told);
      await child.interruptUntil(null);
      const { code, passedMs } = await child.report();
      assert.equal(code, 'ETIMEDOUT');
      assert.match(child.trace, / EINTR /);
      assert.ok(passedMs > 280 && passedMs < 10_000, `${passedMs} ms`);
    });

    it(`recv() that is interruptible ends with EINTR: ${kind}`, async (t) => {
      leakCheck(t);
      const server = listening(t, kind);
      const address = server.getSockName();
      const told = { family, address, timeoutMs: 20_000, interruptible: true };
      const child = start(t, RECEIVING, told);
      await child.interruptUntil(/^recv\(.* EINTR /m);
      const { code, passedMs, signals } = await child.report();
      assert.equal(code, 'EINTR');
      assert.ok(passedMs < 15_000, `${passedMs} ms`);
      assert.equal(signals, 0, "handlers run when Node's loop turns");
    });

    it(`accept() goes on with its wait, and gets its client: ${kind}`, async (t) => {
      leakCheck(t);
      const told = { family, address: freshAddress(t, kind), timeoutMs: 20_000 };
      const child = start(t, ACCEPTING, told);
      await child.interruptUntil(/^accept4?\(.* EINTR [\s\S]*^poll\(.* EINTR /m);
      const port = /^getsockname\(.*127\.0\.0\.1:(\d+)\}/m.exec(child.trace)?.[1];
      const client = closing(t, new Socket(family));
      client.connect(
        'port' in told.address ? { ...told.address, port: Number(port) } : told.address,
      );
      client.sendAll(bytesOf('hello'));
      const { value, code } = await child.report();
      assert.deepEqual([value, code], ['hello', null]);
    });

    it(`accept() that is interruptible ends with EINTR: ${kind}`, async (t) => {
      leakCheck(t);
      const address = freshAddress(t, kind);
      const child = start(t, ACCEPTING, {
        family,
        address,
        timeoutMs: 20_000,
        interruptible: true,
      });
      await child.interruptUntil(/^accept4?\(.* EINTR /m);
      assert.equal((await child.report()).code, 'EINTR');
    });

    it(`connect() goes on until there is room: ${kind}`, async (t) => {
      leakCheck(t);
      if (process.platform !== 'linux') return t.skip('only Linux leaves such a client waiting');
      const server = fullListener(t, kind);
      const told = { family, address: server.getSockName(), timeoutMs: 20_000 };
      const child = start(t, CONNECTING, told);
      await child.interruptUntil(/^connect\(.* EINTR /m);
      answerEverybody(t, server, child);
      const { value, code } = await child.report();
      assert.deepEqual([value, code], ['welcome', null], child.trace);
    });

    it(`connect() runs out of time though signals come: ${kind}`, async (t) => {
      leakCheck(t);
      if (process.platform !== 'linux') return t.skip('only Linux leaves such a client waiting');
      const server = fullListener(t, kind);
      const child = start(t, CONNECTING, { family, address: server.getSockName(), timeoutMs: 300 });
      await child.interruptUntil(null);
      const { code, passedMs } = await child.report();
      assert.equal(code, 'ETIMEDOUT');
      assert.match(child.trace, /^connect\(.* EINTR /m);
      assert.ok(passedMs > 280 && passedMs < 10_000, `${passedMs} ms`);
    });

    it(`connect() that is interruptible ends with EINTR: ${kind}`, async (t) => {
      leakCheck(t);
      if (process.platform !== 'linux') return t.skip('only Linux leaves such a client waiting');
      const address = fullListener(t, kind).getSockName();
      const child = start(t, CONNECTING, {
        family,
        address,
        timeoutMs: 20_000,
        interruptible: true,
      });
      await child.interruptUntil(/^connect\(.* EINTR /m);
      assert.equal((await child.report()).code, 'EINTR');
    });
  }
});

/** A listener whose queue of one is full. */
function fullListener(t: TestContext, kind: (typeof listeningKinds)[number]): Socket {
  const server = listening(t, kind, { backlog: 0 });
  closing(t, new Socket(server.family)).connect(server.getSockName());
  return server;
}

/** Accepts whoever comes, for as long as the child runs, and welcomes each. */
function answerEverybody(t: TestContext, server: Socket, child: Child): void {
  server.setBlocking(false);
  const timer = setInterval(() => {
    try {
      closing(t, server.accept()[0]).sendAll(bytesOf('welcome'));
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'EAGAIN');
    }
  }, SIGNAL_EVERY_MS);
  child.process.on('close', () => clearInterval(timer));
}

/** Gives SIGPIPE back its default action, which Node had taken away: it ends the process. */
const FRAGILE = `
import koffi from 'koffi';
koffi.load(null).func('signal', 'intptr_t', ['int', 'intptr_t'])(13, 0);
`;

test('socket: SIGPIPE would end a process that sends as in C', limits, async (t) => {
  leakCheck(t);
  const child = start(
    t,
    `${FRAGILE}
    const [left, right] = Socket.pair({ sys: nativeSys() });
    right.close();
    nativeSys().send(left.fileno(), new Uint8Array(1), 0, 1, 0);`,
  );
  const [code, signal] = await once(child.process, 'close');
  // Where the socket has SO_NOSIGPIPE there is no signal even so.
  if (process.platform === 'linux') assert.deepEqual([code, signal], [null, 'SIGPIPE']);
});

for (const kind of ['IPv4', 'pair'] as const) {
  test(
    `socket: a send to a peer that has gone is EPIPE, never SIGPIPE: ${kind}`,
    limits,
    async (t) => {
      leakCheck(t);
      const ends =
        kind === 'pair'
          ? 'const [left, right] = Socket.pair();'
          : `const server = new Socket('IPv4');
           server.bind({ address: '127.0.0.1', port: 0 });
           server.listen();
           const left = new Socket('IPv4');
           left.connect(server.getSockName());
           const [right] = server.accept();`;
      const child = start(
        t,
        `${FRAGILE}
      ${ends}
      right.close();
      report(measured(() => { for (let n = 0; n < 1000; n++) left.sendAll(new Uint8Array(1)); }));`,
      );
      assert.equal((await child.report()).code, 'EPIPE');
    },
  );
}

test('socket: what a child sends arrives though it ends at once', limits, async (t) => {
  leakCheck(t);
  const server = listening(t, 'IPv4');
  const child = start(
    t,
    `const client = new Socket('IPv4');
    client.connect(told.address);
    client.sendAll(new TextEncoder().encode('last words'));
    client.close();
    report({ code: null, passedMs: 0 });`,
    { address: server.getSockName() },
  );
  await child.report();
  assert.equal(received(closing(t, server.accept()[0])), 'last words');
});
