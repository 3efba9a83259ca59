// Goal: the textbook's second server, as examples on every poller and as `tcpserver --loop` on all
// event loops, serves clients and the keyboard at once, whatever either of them does.
// Method: real processes, typed to through a pipe and called by polite, silent and rude clients.

import assert from 'node:assert/strict';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { closed, dial, freePort, heard, peer, reset, talk } from '#test/harness/clients.js';
import { type Command, eventually, run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { cpuTicksOf, openFdsOf, stateOf } from '#test/harness/process-state.js';
import { assertOutcome, root, tcpserver } from '#test/harness/programs.js';

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

  private constructor(command: Command, port: number) {
    this.command = command;
    this.port = port;
  }

  static async start(t: TestContext, { words, listening }: Variant): Promise<Server> {
    leakCheck(t);
    const command = start(t, words);
    const [, port] = await command.until('out', listening);
    await command.until('out', /\nserver> $/);
    return new Server(command, Number(port));
  }

  /** Types `text` and waits until what was printed behind the first line is `printed`. */
  async type(text: string, printed: string): Promise<void> {
    this.command.child.stdin?.write(text);
    await this.command.until('out', new RegExp(`^.*\n${printed}$`));
  }

  async echo(text: string): Promise<void> {
    assert.equal((await talk(this, text, 'stay')).toString(), text);
  }

  /** Quits by the keyboard, with nothing said on standard error. */
  async quit(): Promise<void> {
    this.command.child.stdin?.write('q\n');
    const { status, err } = await this.command.end();
    assert.deepEqual({ status, err }, { status: 0, err: '' });
  }
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
function describeServer(variant: Variant): void {
  const { name, skip } = variant;
  const serverTest = (what: string, run: (server: Server) => Promise<void>): void => {
    test(`${name}: ${what}`, { skip }, async (t) => run(await Server.start(t, variant)));
  };

  serverTest('obeys the keyboard', async (server) => {
    const none = 'server> Received 0 connection requests so far\\.\nserver> ';
    await server.type('c\n', none);
    await server.type('x\n', `${none}ERROR: unknown command\nserver> `);
    const twice = `${none}ERROR: unknown command\nserver> server> `;
    await server.type('\n', twice);
    // Half a command is none yet, and several may come at once.
    await server.type('c', twice);
    const counted = 'Received 0 connection requests so far\\.\nserver> ';
    await server.type('\n\nc\n', `${twice}${counted}server> ${counted}`);
    await server.quit();
  });

  serverTest('echoes a line, closes, and counts', async (server) => {
    await server.echo('hello\n');
    await server.echo('\n');
    assert.equal((await talk(server, 'no newline')).toString(), 'no newline');
    assert.equal((await talk(server, '')).toString(), '');
    assert.equal((await talk(server, 'one\ntwo\n', 'stay')).toString(), 'one\n');
    await server.type('c\n', 'server> Received 5 connection requests so far\\.\nserver> ');
    await server.quit();
  });

  serverTest(`${SILENT_CLIENTS} silent clients hold up nobody`, async (server) => {
    const silent = await Promise.all(
      Array.from({ length: SILENT_CLIENTS }, () => dial({ port: server.port })),
    );
    await server.echo('hello\n');
    const count = SILENT_CLIENTS + 1;
    await server.type('c\n', `server> Received ${count} connection requests so far\\.\nserver> `);
    for (const socket of silent) await closed(socket);
    await server.echo('still there\n');
    await server.quit();
  });

  serverTest('half a line holds up nobody and is not forgotten', async (server) => {
    const slow = await dial({ port: server.port });
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
    await server.quit();
  });

  serverTest('who sends no newline is answered after a second of silence', async (server) => {
    // What fgets(3) leaves in a buffer of 1,024 bytes, and strlen(3) bytes of a text.
    const texts = ['a'.repeat(1023), 'hello', 'bye'];
    const silent = texts.map((text) => talk(server, text, 'stay'));
    await server.echo('hello\n');
    for (const [index, answer] of silent.entries()) {
      assert.equal((await answer).toString(), texts[index]);
    }
    await server.type('c\n', 'server> Received 4 connection requests so far\\.\nserver> ');
    // The whole words are as good as their first letters.
    server.command.child.stdin?.write('count\nquit\n');
    const { status, out, err } = await server.command.end();
    assert.deepEqual({ status, err }, { status: 0, err: '' });
    assert.match(out, /so far\.\nserver> Received 4 .*\nserver> $/);
  });

  serverTest('a client that resets is gone, and no other', async (server) => {
    for (const sent of ['', 'half a li']) {
      const socket = await dial({ port: server.port });
      socket.write(sent);
      await server.echo('hello\n');
      await reset(socket);
      await server.echo('hello\n');
    }
    server.command.child.stdin?.write('q\n');
    assert.equal((await server.command.end()).status, 0);
  });

  serverTest('200 clients at once have their lines back', async (server) => {
    const lines = Array.from({ length: 200 }, (_, client) => `line of client ${client}\n`);
    await Promise.all(lines.map((line) => server.echo(line)));
    await server.type('c\n', 'server> Received 200 connection requests so far\\.\nserver> ');
    await server.quit();
  });

  serverTest('the end of the keyboard is not the end of the server', async (server) => {
    server.command.child.stdin?.end();
    await server.echo('hello\n');
    await server.echo('still there\n');
    const { signal } = await server.command.stop('SIGINT');
    assert.equal(signal, 'SIGINT');
  });

  test(`${name}: a plain file serves as keyboard`, { skip }, async (t) => {
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

  const proc = skip === false ? reasonWithoutProc : skip;
  test(`${name}: nothing stays open, and an idle server sleeps`, { skip: proc }, async (t) => {
    const server = await Server.start(t, variant);
    const before = openFdsOf(server.command.pid);
    const sockets = await Promise.all(Array.from({ length: 20 }, () => dial(server)));
    await Promise.all(Array.from({ length: 20 }, () => server.echo('hello\n')));
    for (const socket of sockets) await closed(socket);
    await server.echo('hello\n');
    await server.type('c\n', 'server> Received 41 connection requests so far\\.\nserver> ');
    // The last client has its echo, and the server has still to see that it has left.
    await eventually(() => assert.deepEqual(openFdsOf(server.command.pid), before));
    await eventually(() => assert.equal(stateOf(server.command.pid), 'S'));
    const ticks = cpuTicksOf(server.command.pid);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(cpuTicksOf(server.command.pid) - ticks <= 2, 'it spins');
    await server.quit();
  });

  const ncat = skip === false ? reasonWithout('ncat') : skip;
  test(`${name}: answers ncat`, { skip: ncat }, async (t) => {
    const server = await Server.start(t, variant);
    const words = ['ncat', '--no-shutdown', '127.0.0.1', String(server.port)];
    assertOutcome(await run(t, words, 'hello\n'), 0, 'hello\n', '');
    await server.quit();
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

for (const variant of variants) describe(variant.name, () => describeServer(variant));
