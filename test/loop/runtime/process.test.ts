// Goal: a process with an attached loop lives exactly as long as it should, and what a handler
// throws reaches the process as anything thrown in it does.
// Method: small programs on a loop of each kind, their output and their exit.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nativeSys } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { type Outcome, run, type Scope } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { root } from '#test/harness/programs.js';

const timeout = 60_000;

/** What every program begins with: a loop, an echo server on it, and a client of node:net. */
const BEGINNING = `
  import { EventLoop } from '${root}dist/src/index.js';
  import { createServer } from 'node:http';
  import { connect } from 'node:net';
  const loop = new EventLoop({ backend: process.argv[1] });
  const say = (line) => console.log(line);
  const handlers = { data: (client, chunk) => void client.write(chunk) };
  const here = { host: '127.0.0.1', port: 0 };
  const listen = (more) => loop.listen({ ...here, handlers: { ...handlers, ...more } });
  const echo = (listener) => new Promise((resolve, reject) => {
    const socket = connect(listener.address.port, '127.0.0.1');
    socket.on('data', (bytes) => { socket.end(); resolve(String(bytes)); }).on('error', reject);
    socket.write('hello');
  });
  process.on('exit', (status) => say('exit ' + status));
`;

interface Program {
  readonly code: string;
  readonly out: readonly string[];
  /** Default: 0. */
  readonly status?: number;
  readonly err?: RegExp;
}

const PROGRAMS: Readonly<Record<string, Program>> = {
  'nothing is open: it ends': {
    code: `loop.attach(); say('attached');`,
    out: ['attached', 'exit 0'],
  },
  'a listener keeps it alive until it is closed': {
    code: `
      loop.attach();
      const listener = listen();
      say(await echo(listener));
      listener.close();
    `,
    out: ['hello', 'exit 0'],
  },
  'attached first, opened from a timer of Node much later': {
    code: `
      loop.attach();
      setTimeout(async () => {
        const listener = listen();
        say(await echo(listener));
        listener.close();
      }, 50);
    `,
    out: ['hello', 'exit 0'],
  },
  'a timer of the loop': {
    code: `loop.attach(); loop.setTimer(30, () => say('timer'));`,
    out: ['timer', 'exit 0'],
  },
  'unref: nothing else is open': {
    code: `loop.attach(); listen(); loop.unref(); say('unref');`,
    out: ['unref', 'exit 0'],
  },
  'unref: it serves as long as something else is open': {
    code: `
      const listener = listen();
      loop.attach();
      loop.unref();
      const server = createServer().listen(0);
      setTimeout(async () => {
        say(await echo(listener));
        server.close();
      }, 50);
    `,
    out: ['hello', 'exit 0'],
  },
  'unref, then ref': {
    code: `
      loop.attach();
      const listener = listen();
      loop.unref().ref();
      setTimeout(async () => say(await echo(listener)), 20).unref();
      loop.setTimer(400, () => loop.close());
    `,
    out: ['hello', 'exit 0'],
  },
  'ref from a timer of Node, the last thing that kept the process alive': {
    code: `
      loop.attach();
      listen();
      loop.unref();
      setTimeout(() => {
        loop.ref();
        loop.setTimer(50, () => {
          say('held');
          loop.close();
        });
      }, 50);
    `,
    out: ['held', 'exit 0'],
  },
  'detach: it no longer serves, and attach serves again': {
    code: `
      const listener = listen();
      loop.attach();
      say(await echo(listener));
      loop.detach();
      const late = new Promise((resolve) => setTimeout(resolve, 200, 'detached'));
      say(await Promise.race([echo(listener), late]));
      loop.attach();
      say(await echo(listener));
      loop.close();
    `,
    out: ['hello', 'detached', 'hello', 'exit 0'],
  },
  'beforeExit opens something: it goes on': {
    code: `
      loop.attach();
      process.once('beforeExit', async () => {
        say('beforeExit');
        const listener = listen();
        say(await echo(listener));
        listener.close();
      });
    `,
    out: ['beforeExit', 'hello', 'exit 0'],
  },
  'a handler throws, nobody listens': {
    code: `
      loop.attach();
      const listener = listen({ data: () => { throw new Error('from a handler'); } });
      connect(listener.address.port, '127.0.0.1').on('error', () => undefined).write('x');
    `,
    out: ['exit 1'],
    status: 1,
    err: /from a handler/,
  },
  'a handler throws, uncaughtException lets the process go on': {
    code: `
      process.on('uncaughtException', (error) => say('caught ' + error.message));
      loop.attach();
      let calls = 0;
      const listener = listen({
        data: (client, chunk) => {
          if (calls++ === 0) throw new Error('once');
          client.write(chunk);
        },
      });
      const first = connect(listener.address.port, '127.0.0.1').on('error', () => undefined);
      first.write('x');
      setTimeout(async () => {
        say(await echo(listener));
        first.destroy();
        listener.close();
        loop.close();
      }, 50);
    `,
    out: ['caught once', 'hello', 'exit 0'],
  },
  'a tick throws beside run()': {
    code: `
      process.on('uncaughtException', (error) => say('caught ' + error.message));
      const listener = listen();
      loop.setTimer(1, () => process.nextTick(() => { throw new Error('of a tick'); }));
      loop.setTimer(50, () => listener.close());
      await loop.run();
      say('ran');
    `,
    out: ['caught of a tick', 'ran', 'exit 0'],
  },
  'a promise is rejected and nobody listens': {
    code: `
      loop.attach();
      listen();
      loop.setTimer(1, () => void Promise.reject(new Error('of a promise')));
    `,
    out: ['exit 1'],
    status: 1,
    err: /of a promise/,
  },
  'process.exit in a handler': {
    code: `
      loop.attach();
      const listener = listen({ data: () => process.exit(7) });
      connect(listener.address.port, '127.0.0.1').on('error', () => undefined).write('x');
    `,
    out: ['exit 7'],
    status: 7,
  },
  'run, attached and closed exclude each other': {
    code: `
      const told = async (name) => {
        try {
          await loop[name]();
          say(name);
        } catch (error) {
          say(error.message);
        }
      };
      loop.attach();
      await told('attach');
      await told('run');
      say(String(loop.attached));
      loop.detach();
      listen();
      const running = loop.run();
      await told('run');
      await told('attach');
      loop.stop();
      await running;
      loop.close();
      await told('attach');
      await told('run');
      loop.detach();
      loop.ref().unref();
    `,
    out: [
      'cannot attach: the loop is attached',
      'cannot run: the loop is attached',
      'true',
      'cannot run: the loop is running',
      'cannot attach: the loop is running',
      'cannot attach: the loop is closed',
      'cannot run: the loop is closed',
      'exit 0',
    ],
  },
  'stop() detaches': {
    code: `loop.attach(); listen(); loop.stop(); say(String(loop.attached));`,
    out: ['false', 'exit 0'],
  },
  'closed in a handler while attached': {
    code: `
      loop.attach();
      const listener = listen({ data: () => { loop.close(); say('closed'); } });
      connect(listener.address.port, '127.0.0.1').on('error', () => undefined).write('x');
    `,
    out: ['closed', 'exit 0'],
  },
  'a handler that is busy for 300 ms delays all, and no more than that': {
    code: `
      loop.attach();
      const listener = listen();
      loop.setTimer(1, () => {
        const endMs = performance.now() + 300;
        const ran = [];
        const done = (name) => {
          ran.push(name);
          if (ran.length < 2) return;
          say(ran.sort().join(' '));
          listener.close();
        };
        setTimeout(done, 10, 'node');
        loop.setTimer(10, () => done('loop'));
        while (performance.now() < endMs);
      });
    `,
    out: ['loop node', 'exit 0'],
  },
};

function runProgram(scope: Scope, code: string, backend: string): Promise<Outcome> {
  const words = [process.execPath, '--input-type=module', '--eval', BEGINNING + code, backend];
  return run(scope, words);
}

/** A loop that watches the descriptor of libuv in its own way, and one over a poller. */
const KINDS = ['io_uring', 'epoll', 'kqueue'];

for (const { name, available } of backends.filter((one) => KINDS.includes(one.name))) {
  const here = available(nativeSys());
  const skip = here === true ? false : here.reason;
  for (const [title, { code, out, status = 0, err }] of Object.entries(PROGRAMS)) {
    test(`attached: ${title} (${name})`, { skip, timeout }, async (t) => {
      leakCheck(t);
      const outcome = await runProgram(t, code, name);
      const lines = outcome.out.split('\n').slice(0, -1);
      assert.deepEqual(lines, out, outcome.err);
      assert.equal(outcome.status, status, outcome.err);
      if (err === undefined) assert.equal(outcome.err, '');
      else assert.match(outcome.err, err);
    });
  }
}
