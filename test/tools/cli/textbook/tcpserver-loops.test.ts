// Goal: the textbook's second server, as examples on every poller and as `tcpserver --loop` on all
// event loops, serves clients and the keyboard at once, whatever either of them does.
// Method: real processes, typed to through a pipe and called by polite, silent and rude clients.

import assert from 'node:assert/strict';
import { openSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { closed, dial, freePort, heard, peer, reset, talk } from '#test/harness/clients.js';
import { type Command, eventually, run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { cpuTicksOf, openFdsOf, stateOf } from '#test/harness/process-state.js';
import { assertOutcome, root, tcpserver } from '#test/harness/programs.js';

const timeout = 60_000;
const SILENT_CLIENTS = 50;

/** A server under test: how it is started and how it says where it listens. */
interface Variant {
  readonly name: string;
  readonly words: readonly string[];
  readonly listening: RegExp;
  readonly skip: string | false;
}

const variants: readonly Variant[] = backends.flatMap(({ name, available }) => {
  const answer = available(nativeSys());
  const skip = answer === true ? (false as const) : answer.reason;
  const command: Variant = {
    name: `tcpserver --loop ${name}`,
    words: tcpserver('--loop', name, '0'),
    listening: /^server listening on port (\d+)\n/,
    skip,
  };
  // The examples are about pollers, and io_uring is none.
  if (name === 'io_uring') return [command];
  const example: Variant = {
    name: `examples/tcpserver-${name}.ts`,
    words: [process.execPath, `${root}build/examples/tcpserver-${name}.js`, '0'],
    listening: /^listening on 127\.0\.0\.1:(\d+)\n/,
    skip,
  };
  return [example, command];
});

/** A server that runs, and what it has printed behind the first line. */
class Server {
  readonly command: Command;
  readonly port: number;
  readonly #first: string;
  #requests = 0;
  #typedAt = 0;

  private constructor(command: Command, port: number) {
    this.command = command;
    this.port = port;
    this.#first = command.out;
  }

  static async start(t: TestContext, { words, listening }: Variant): Promise<Server> {
    const command = start(t, words);
    const [, port] = await command.until('out', listening);
    await command.until('out', /\nserver> $/);
    return new Server(command, Number(port));
  }

  /** Types `text` and waits until exactly `printed` came behind what was printed before. */
  async type(text: string, printed: string): Promise<void> {
    const before = this.#first.length + this.#typedAt;
    this.command.child.stdin?.write(text);
    await eventually(() => assert.equal(this.command.out.slice(before), printed));
    this.#typedAt += printed.length;
  }

  /** What `c` prints. */
  counted(): string {
    return `Received ${this.#requests} connection requests so far.\nserver> `;
  }

  /** Counts the connections that a case makes. */
  met(connections: number): void {
    this.#requests += connections;
  }

  async echo(text: string): Promise<void> {
    this.#requests += 1;
    assert.equal((await talk(this, text, 'stay')).toString(), text);
  }

  async dial(): Promise<Socket> {
    this.#requests += 1;
    return await dial({ port: this.port });
  }
}

type Case = readonly [what: string, run: (server: Server, t: TestContext) => Promise<void>];

/** What one server lives through, in this order. */
const cases: readonly Case[] = [
  [
    'obeys the keyboard',
    async (server) => {
      await server.type('c\n', server.counted());
      await server.type('x\n', 'ERROR: unknown command\nserver> ');
      await server.type('\n', 'server> ');
      // Half a command is none yet, and several may come at once.
      await server.type('c', '');
      await server.type('\n\nc\n', `${server.counted()}server> ${server.counted()}`);
      await server.type('count\n', server.counted());
    },
  ],
  [
    'echoes a line, closes, and counts',
    async (server) => {
      await server.echo('hello\n');
      await server.echo('\n');
      assert.equal((await talk(server, 'no newline')).toString(), 'no newline');
      assert.equal((await talk(server, '')).toString(), '');
      assert.equal((await talk(server, 'one\ntwo\n', 'stay')).toString(), 'one\n');
      server.met(3);
      await server.type('c\n', server.counted());
    },
  ],
  [
    `${SILENT_CLIENTS} silent clients hold up nobody`,
    async (server) => {
      const silent = await Promise.all(Array.from({ length: SILENT_CLIENTS }, () => server.dial()));
      await server.echo('hello\n');
      await server.type('c\n', server.counted());
      for (const socket of silent) await closed(socket);
      await server.echo('still there\n');
    },
  ],
  [
    'half a line holds up nobody and is not forgotten',
    async (server) => {
      const slow = await server.dial();
      const beganMs = performance.now();
      slow.write('half ');
      await server.echo('hello\n');
      slow.write('a ');
      await server.echo('hello\n');
      const answer = heard(slow);
      slow.write('line\n');
      const text = (await answer).toString();
      // On a busy machine it may be silent for a second, after which it has its answer.
      if (performance.now() - beganMs < 1000) assert.equal(text, 'half a line\n');
      else assert.ok('half a line\n'.startsWith(text) && text !== '', text);
      await closed(slow);
    },
  ],
  [
    'who sends no newline is answered after a second of silence',
    async (server) => {
      // What fgets(3) leaves in a buffer of 1,024 bytes, and strlen(3) bytes of a text.
      const texts = ['a'.repeat(1023), 'hello', 'bye'];
      const silent = texts.map((text) => server.echo(text));
      await server.echo('hello\n');
      await Promise.all(silent);
      await server.type('c\n', server.counted());
    },
  ],
  [
    'a client that resets is gone, and no other',
    async (server) => {
      for (const sent of ['', 'half a li']) {
        const socket = await server.dial();
        socket.write(sent);
        await server.echo('hello\n');
        await reset(socket);
        await server.echo('hello\n');
      }
    },
  ],
  [
    '200 clients at once have their lines back',
    async (server) => {
      const lines = Array.from({ length: 200 }, (_, client) => `line of client ${client}\n`);
      await Promise.all(lines.map((line) => server.echo(line)));
      await server.type('c\n', server.counted());
    },
  ],
];

async function answersNcat(server: Server, t: TestContext): Promise<void> {
  const words = ['ncat', '--no-shutdown', '127.0.0.1', String(server.port)];
  assertOutcome(await run(t, words, 'hello\n'), 0, 'hello\n', '');
  server.met(1);
}

/** The descriptors are those from before the first client. */
async function sleeps({ command: { pid } }: Server, fds: readonly string[]): Promise<void> {
  // The last client has its echo, and the server has still to see that it has left.
  await eventually(() => assert.deepEqual(openFdsOf(pid), fds));
  await eventually(() => assert.equal(stateOf(pid), 'S'));
  const ticks = cpuTicksOf(pid);
  await delay(300);
  assert.ok(cpuTicksOf(pid) - ticks <= 2, 'it spins');
}

for (const variant of variants) {
  const { name, skip } = variant;

  test(`${name}: one server`, { skip, timeout: 2 * timeout }, async (t) => {
    leakCheck(t);
    const server = await Server.start(t, variant);
    const fds = reasonWithoutProc === false ? openFdsOf(server.command.pid) : [];
    for (const [what, runCase] of cases) {
      await t.test(what, { timeout }, async (each) => {
        leakCheck(each);
        await runCase(server, each);
      });
    }
    await t.test('answers ncat', { skip: reasonWithout('ncat') }, (each) =>
      answersNcat(server, each),
    );
    await t.test('nothing stays open, and an idle server sleeps', { skip: reasonWithoutProc }, () =>
      sleeps(server, fds),
    );
    server.command.child.stdin?.write('quit\n');
    const { status, err } = await server.command.end();
    assert.equal(status, 0);
    assert.match(err, /^(ERROR reading from socket: Connection reset by peer\n)*$/);
  });

  test(`${name}: the end of the keyboard is not the end of the server`, {
    skip,
    timeout,
  }, async (t) => {
    leakCheck(t);
    const server = await Server.start(t, variant);
    server.command.child.stdin?.end();
    await server.echo('hello\n');
    await server.echo('still there\n');
    const { signal } = await server.command.stop('SIGINT');
    assert.equal(signal, 'SIGINT');
  });

  test(`${name}: a plain file serves as keyboard`, { skip, timeout }, async (t) => {
    leakCheck(t);
    const file = join(scratch(t), 'keys');
    writeFileSync(file, 'c\nx\nq\nc\n');
    const stdio = [openSync(file, 'r'), 'pipe', 'pipe'] as const;
    t.after(() => void nativeSys().close(stdio[0]));
    const { status, out, err } = await start(t, variant.words, { stdio: [...stdio] }).end();
    const printed = out.replace(/^.*\n/, '');
    const counted = 'Received 0 connection requests so far.';
    assert.equal(printed, `server> ${counted}\nserver> ERROR: unknown command\nserver> `);
    assert.deepEqual({ status, err }, { status: 0, err: '' });
  });
}

test('examples: what fails is a sentence and no stack', async (t) => {
  leakCheck(t);
  const taken = await peer(t, (socket) => socket.end());
  const free = await freePort();
  const why = `127.0.0.1:${taken}: EADDRINUSE (address already in use)\n`;
  const servers = variants.filter(({ name, skip }) => skip === false && /^examples/.test(name));
  const table: [words: readonly string[], why: string][] = [
    ...servers.map(({ words }): [readonly string[], string] => [
      [...words.slice(0, -1), `${taken}`],
      `cannot listen on ${why}`,
    ]),
    [
      [process.execPath, `${root}build/examples/echo-server.js`, `${taken}`],
      `cannot bind to ${why}`,
    ],
    [
      [process.execPath, `${root}build/examples/echo-client.js`, `${free}`],
      `cannot connect to 127.0.0.1:${free}: ECONNREFUSED (connection refused)\n`,
    ],
  ];
  for (const [words, told] of table) assertOutcome(await run(t, words), 1, '', told);
});
