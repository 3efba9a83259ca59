// Goal: a signal neither ends nor lengthens a wait, unless the socket is interruptible, and SIGPIPE
// never ends the process.
// Method: child processes that block and trace their system calls; signals until the trace shows
// what the case needs.

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

/** Common to all children: their arguments, a traced Sys, and a handler for the signal. */
const PRELUDE = `
import { writeSync } from 'node:fs';
import { nativeSys, TracingSys } from 'sockloop/sys';
import { Socket } from 'sockloop/socket';
const given = JSON.parse(process.argv[1]);
const sys = new TracingSys(nativeSys(), (line) => writeSync(2, line + '\\n'));
let signals = 0;
// A signal that is ignored by default, as before the handler is set.
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

  constructor(program: string, given: object) {
    const script = ['--input-type=module', '-e', PRELUDE + program, JSON.stringify(given)];
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

  /** Sends signals until the trace matches `pattern`; without one until the child ends. */
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

function start(t: TestContext, program: string, given: object = {}): Child {
  const child = new Child(program, given);
  t.after(() => child.process.kill('SIGKILL'));
  return child;
}

const limits = { timeout: 4 * RUN_TIMEOUT_MS };

const RECEIVING = `
const client = new Socket(given.family, { sys });
client.connect(given.address);
client.interruptible = given.interruptible ?? false;
client.setTimeout(given.timeoutMs);
report({ ...measured(() => text(client)), signals });
`;

const ACCEPTING = `
const server = new Socket(given.family, { sys });
server.bind(given.address);
server.listen();
server.interruptible = given.interruptible ?? false;
server.setTimeout(given.timeoutMs);
report(measured(() => text(server.accept()[0])));
`;

const CONNECTING = `
const client = new Socket(given.family, { sys });
client.interruptible = given.interruptible ?? false;
client.setTimeout(given.timeoutMs);
report(measured(() => { client.connect(given.address); return text(client); }));
`;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: signals', limits, () => {
  // recv(2) and accept(2) wait in the same way for every family.
  it('recv() continues its wait, and gets its data', async (t) => {
    leakCheck(t);
    const server = listening(t, 'IPv4');
    const given = { family: 'IPv4', address: server.getSockName(), timeoutMs: 20_000 };
    const child = start(t, RECEIVING, given);
    await child.interruptUntil(/^recv\(.* EINTR [\s\S]*^poll\(.* EINTR [\s\S]*^poll\(.* EINTR /m);
    closing(t, server.accept()[0]).sendAll(bytesOf('at last'));
    const { value, code } = await child.report();
    assert.deepEqual([value, code], ['at last', null]);
  });

  it('recv() times out in spite of signals', async (t) => {
    leakCheck(t);
    const server = listening(t, 'IPv4');
    const given = { family: 'IPv4', address: server.getSockName(), timeoutMs: 300 };
    const child = start(t, RECEIVING, given);
    await child.interruptUntil(null);
    const { code, passedMs } = await child.report();
    assert.equal(code, 'ETIMEDOUT');
    assert.match(child.trace, / EINTR /);
    assert.ok(passedMs > 280 && passedMs < 10_000, `${passedMs} ms`);
  });

  it('recv() of an interruptible socket ends with EINTR', async (t) => {
    leakCheck(t);
    const server = listening(t, 'IPv4');
    const address = server.getSockName();
    const given = { family: 'IPv4', address, timeoutMs: 20_000, interruptible: true };
    const child = start(t, RECEIVING, given);
    await child.interruptUntil(/^recv\(.* EINTR /m);
    const { code, passedMs, signals } = await child.report();
    assert.equal(code, 'EINTR');
    assert.ok(passedMs < 15_000, `${passedMs} ms`);
    assert.equal(signals, 0, "handlers run when Node's loop turns");
  });

  it('accept() continues its wait, and gets its client', async (t) => {
    leakCheck(t);
    const given = { family: 'UNIX', address: freshAddress(t, 'UNIX path'), timeoutMs: 20_000 };
    const child = start(t, ACCEPTING, given);
    await child.interruptUntil(/^accept4?\(.* EINTR [\s\S]*^poll\(.* EINTR /m);
    const client = closing(t, new Socket('UNIX'));
    client.connect(given.address);
    client.sendAll(bytesOf('hello'));
    const { value, code } = await child.report();
    assert.deepEqual([value, code], ['hello', null]);
  });

  it('accept() of an interruptible socket ends with EINTR', async (t) => {
    leakCheck(t);
    const address = freshAddress(t, 'UNIX path');
    const child = start(t, ACCEPTING, {
      family: 'UNIX',
      address,
      timeoutMs: 20_000,
      interruptible: true,
    });
    await child.interruptUntil(/^accept4?\(.* EINTR /m);
    assert.equal((await child.report()).code, 'EINTR');
  });

  for (const kind of ['IPv4', 'UNIX path'] as const) {
    const family = kind === 'IPv4' ? 'IPv4' : 'UNIX';

    it(`connect() continues until there is room: ${kind}`, async (t) => {
      leakCheck(t);
      if (process.platform !== 'linux') return t.skip('only Linux makes such a client wait');
      const server = fullListener(t, kind);
      const given = { family, address: server.getSockName(), timeoutMs: 20_000 };
      const child = start(t, CONNECTING, given);
      await child.interruptUntil(/^connect\(.* EINTR /m);
      greetAll(t, server, child);
      const { value, code } = await child.report();
      assert.deepEqual([value, code], ['welcome', null], child.trace);
    });

    it(`connect() times out in spite of signals: ${kind}`, async (t) => {
      leakCheck(t);
      if (process.platform !== 'linux') return t.skip('only Linux makes such a client wait');
      const server = fullListener(t, kind);
      const child = start(t, CONNECTING, { family, address: server.getSockName(), timeoutMs: 300 });
      await child.interruptUntil(null);
      const { code, passedMs } = await child.report();
      assert.equal(code, 'ETIMEDOUT');
      assert.match(child.trace, /^connect\(.* EINTR /m);
      assert.ok(passedMs > 280 && passedMs < 10_000, `${passedMs} ms`);
    });

    it(`connect() of an interruptible socket ends with EINTR: ${kind}`, async (t) => {
      leakCheck(t);
      if (process.platform !== 'linux') return t.skip('only Linux makes such a client wait');
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

/** Accepts and greets every client while the child runs. */
function greetAll(t: TestContext, server: Socket, child: Child): void {
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

/** Restores the default action of SIGPIPE, which Node ignores: it ends the process. */
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

test('socket: a send to a closed peer is EPIPE, never SIGPIPE', limits, async (t) => {
  leakCheck(t);
  const child = start(
    t,
    `${FRAGILE}
    const server = new Socket('IPv4');
    server.bind({ address: '127.0.0.1', port: 0 });
    server.listen();
    const client = new Socket('IPv4');
    client.connect(server.getSockName());
    const codes = [Socket.pair(), [client, server.accept()[0]]].map(([left, right]) => {
      right.close();
      const send = () => { for (let n = 0; n < 1000; n++) left.sendAll(new Uint8Array(1)); };
      return measured(send).code;
    });
    report({ code: codes.join(), passedMs: 0 });`,
  );
  assert.equal((await child.report()).code, 'EPIPE,EPIPE');
});

test('socket: what a child sends arrives although it exits at once', limits, async (t) => {
  leakCheck(t);
  const server = listening(t, 'IPv4');
  const child = start(
    t,
    `const client = new Socket('IPv4');
    client.connect(given.address);
    client.sendAll(new TextEncoder().encode('last words'));
    client.close();
    report({ code: null, passedMs: 0 });`,
    { address: server.getSockName() },
  );
  await child.report();
  assert.equal(received(closing(t, server.accept()[0])), 'last words');
});
