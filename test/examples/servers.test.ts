// Goal: the servers in examples/ do what their head comments say, also for clients that misbehave.
// Method: as their user would: each program is started, talked to by Node's own sockets, and ended
// by Ctrl-C. What a program prints and its exit status are compared.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import {
  bigText,
  bounded,
  closed,
  dial,
  dismissed,
  heard,
  MIB,
  peer,
  reset,
  rudeClients,
  type Target,
  talk,
  turnedAway,
} from '#test/harness/clients.js';
import { type Command, eventually, type Outcome, run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';

const timeout = 240_000;

const example = (name: string, ...words: string[]): string[] => [
  process.execPath,
  `${root}build/examples/${name}.js`,
  ...words,
];

interface Running {
  readonly program: Command;
  readonly port: number;
}

/** Starts an example with a free port behind `words`. */
async function listening(t: TestContext, name: string, ...words: string[]): Promise<Running> {
  const program = start(t, example(name, ...words));
  const [, port] = await program.until('out', /^listening on port (\d+)$/m);
  return { program, port: Number(port) };
}

/** Ctrl-C. */
async function stopped({ program }: Running): Promise<Outcome> {
  const outcome = await program.stop('SIGINT');
  assert.deepEqual([outcome.status, outcome.signal], [0, null], outcome.err);
  return outcome;
}

/** A second server at `where` says what is wrong, and fails. */
async function refused(t: TestContext, where: RegExp, words: readonly string[]): Promise<void> {
  const { status, err } = await run(t, words);
  assert.equal(status, 1, err);
  assert.match(err, where);
}

/** Clients that misbehave, all at once, but those whose names match `excepted`. */
async function disturb(target: Target, excepted: RegExp = /^$/): Promise<void> {
  const clients = rudeClients.filter(({ name }) => !excepted.test(name));
  assert.ok(clients.length > 3);
  await Promise.all(clients.map((client) => client.run(target)));
}

/** Waits for the end of `socket`, which may be an error. */
function ended(socket: Socket): Promise<boolean> {
  return bounded(new Promise((resolve) => socket.once('close', resolve)), 'the end');
}

/** What was sent to `socket` so far. */
function transcript(socket: Socket): () => string {
  let said = '';
  socket.setEncoding('utf8').on('data', (piece: string) => {
    said += piece;
  });
  return () => said;
}

test('examples/echo.ts: ten lines that echo', { timeout }, async (t) => {
  leakCheck(t);
  const server = await listening(t, 'echo', '0');
  const target = { port: server.port };
  const big = bigText(2 * MIB);
  assert.deepEqual(await talk(target, big), big);
  await refused(t, /cannot listen on .*EADDRINUSE/, example('echo', `${server.port}`));
  await disturb(target);
  assert.equal(`${await talk(target, 'still there?')}`, 'still there?');
  // It has no handler: Ctrl-C ends it, as it ends any program.
  const { signal, err } = await server.program.stop('SIGINT');
  assert.deepEqual([signal, err], ['SIGINT', '']);
});

/** A member of the chat, and what it has heard. */
async function member(target: Target, name: string): Promise<[Socket, () => string]> {
  const socket = await dial(target);
  const said = transcript(socket);
  socket.write(`${name}\n`);
  return [socket, said];
}

test('examples/chat.ts: names, lines for the others, and one that does not read', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const server = await listening(t, 'chat', '0');
  const target = { port: server.port };
  const [ada, adaHeard] = await member(target, 'ada');
  await eventually(() => assert.equal(adaHeard(), '* your name?\n'));
  const [grace, graceHeard] = await member(target, 'ada');
  await eventually(() => assert.match(graceHeard(), /\* another name, please\n$/));
  grace.write('grace\n');
  await eventually(() => assert.match(adaHeard(), /\* grace is here\n$/));
  ada.write('hel');
  ada.write('lo\nhow are you?\n');
  await eventually(() => assert.match(graceHeard(), /please\nada: hello\nada: how are you\?\n$/));

  const slow = await dial(target);
  slow.write('slow\n');
  await eventually(() => assert.match(adaHeard(), /slow is here/));
  // More than the sockets on the way to the slow one hold; the others get it all the same.
  const lines = 60;
  const block = `${'x'.repeat(990)}\n`.repeat(lines);
  const blocks = 270;
  let graceGot = graceHeard().length;
  for (let count = 0; count < blocks; count += 1) {
    ada.write(block);
    graceGot += block.length + lines * 'ada: '.length;
    await eventually(() => assert.equal(graceHeard().length, graceGot));
  }
  const slowHeard = transcript(slow);
  await eventually(() => assert.match(slowHeard(), /\* you missed \d+ lines\n$/));
  const missed = Number(/\* you missed (\d+) lines\n$/.exec(slowHeard())?.[1]);
  assert.equal(slowHeard().split('ada: x').length - 1, lines * blocks - missed);

  await disturb(target);
  await reset(slow);
  await eventually(() => assert.match(adaHeard(), /\* slow has left\n$/));
  await refused(t, /cannot listen on .*EADDRINUSE/, example('chat', `${server.port}`));
  const ends = [ada, grace].map((socket) => once(socket, 'end').then(() => socket.end()));
  const { err } = await stopped(server);
  await bounded(Promise.all(ends), 'the end');
  assert.match(adaHeard(), /\* the server ends\n$/);
  assert.equal(err, '');
  for (const socket of [ada, grace]) await closed(socket);
});

test('examples/proxy.ts: both directions, each with its end', { timeout }, async (t) => {
  leakCheck(t);
  // It answers once the client has ended its side.
  const port = await peer(t, (socket) => {
    const pieces: Buffer[] = [];
    socket.on('data', (piece: Buffer) => pieces.push(piece));
    socket.on('end', () => socket.end(Buffer.concat(pieces)));
  });
  const server = await listening(t, 'proxy', '127.0.0.1', `${port}`, '0');
  const target = { port: server.port };
  const big = bigText();
  assert.deepEqual(await talk(target, big), big);
  await disturb(target);
  const [one, other] = await Promise.all([talk(target, 'one'), talk(target, 'other')]);
  assert.deepEqual([`${one}`, `${other}`], ['one', 'other']);
  const words = example('proxy', '127.0.0.1', `${port}`, `${server.port}`);
  await refused(t, /cannot listen on .*EADDRINUSE/, words);

  // What is open at Ctrl-C is served to its end.
  const open = await dial(target);
  open.write('half ');
  const accepted = await dial(target);
  // Connections are accepted in their order: now both were.
  assert.equal(`${await talk(target, 'behind')}`, 'behind');
  server.program.child.kill('SIGINT');
  await bounded(untilRefused(target), 'the end of the listener');
  const answer = text(open);
  open.end('and half');
  assert.equal(await bounded(answer, 'the answer'), 'half and half');
  await reset(accepted);
  const { status, err } = await server.program.end();
  assert.deepEqual([status, err], [0, '']);
  await closed(open);
});

/** Connects until nothing listens there any more. */
async function untilRefused(target: Target): Promise<void> {
  for (;;) {
    const socket = await dial(target).catch(() => null);
    if (socket === null) return;
    await closed(socket);
  }
}

test('examples/proxy.ts: backpressure, a reset, and nobody there', { timeout }, async (t) => {
  leakCheck(t);
  const accepted: Socket[] = [];
  const port = await peer(t, (socket) => accepted.push(socket.pause()));
  const server = await listening(t, 'proxy', '127.0.0.1', `${port}`, '0');
  const client = await dial({ port: server.port });
  const block = Buffer.alloc(MIB);
  let sent = 0;
  // Nobody reads behind the proxy, so that it stops reading: the writer is held back.
  const held = (): Promise<boolean> =>
    new Promise((resolve) => {
      const late = setTimeout(() => resolve(true), 1000);
      client.write(block, () => {
        clearTimeout(late);
        sent += 1;
        resolve(false);
      });
    });
  while (!(await held())) assert.ok(sent < 256, 'the proxy takes whatever comes');
  // A reset behind the proxy is a reset before it.
  await eventually(() => assert.equal(accepted.length, 1));
  const broken = ended(client);
  for (const socket of accepted) await reset(socket);
  assert.equal(await broken, true);
  await stopped(server);

  const alone = await listening(t, 'proxy', '127.0.0.1', '1', '0');
  await turnedAway({ port: alone.port });
  const { err } = await stopped(alone);
  assert.equal(err, 'cannot connect to 127.0.0.1:1: ECONNREFUSED (connection refused)\n');
});

test('examples/http.ts: a server of node:http', { timeout }, async (t) => {
  leakCheck(t);
  const server = await listening(t, 'http', '0');
  const { port } = server;
  const url = `http://127.0.0.1:${port}/`;
  const headers = { connection: 'close' };
  assert.equal(await (await fetch(url, { headers })).text(), 'hello 127.0.0.1\n');
  const body = bigText(2 * MIB);
  const sent = await fetch(url, { method: 'PUT', body, headers });
  assert.deepEqual(Buffer.from(await sent.arrayBuffer()), body);
  await refused(t, /EADDRINUSE/, example('http', `${port}`));
  // What is no HTTP gets an answer and a close, whose reset may be there before the answer is read.
  await disturb({ port }, /of its reply/);
  // One that leaves in the middle of its upload.
  const left = await dial({ port });
  left.write('PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf a li');
  await heard(left);
  await reset(left);
  await server.program.until('err', /^a client: (aborted|Premature close)$/m);

  // At Ctrl-C an answer is on its way, and another connection is kept alive.
  const idle = await dial({ port });
  idle.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await heard(idle);
  const upload = request({ port, host: '127.0.0.1', method: 'PUT', headers });
  upload.write('half ');
  const [response] = await bounded(once(upload, 'response'), 'the head of the answer');
  server.program.child.kill('SIGINT');
  await dismissed(idle);
  upload.end('and half');
  assert.equal(await bounded(text(response), 'the answer'), 'half and half');
  const { status, err } = await server.program.end();
  assert.equal(status, 0);
  assert.match(err, /^a client: [^\n]*\n$/);
});

test('examples/unix-service.ts: a request is a line', { timeout }, async (t) => {
  leakCheck(t);
  const path = join(scratch(t), 'service.sock');
  const first = start(t, example('unix-service', path));
  await first.until('out', /^listening on /m);
  const ask = async (...words: string[]): Promise<string> => {
    const { status, out, err } = await run(t, example('unix-service', path, ...words));
    assert.deepEqual([status, err], [0, '']);
    return out;
  };
  assert.equal(await ask('set', 'greeting', 'good', 'day'), 'ok\n');
  const target = { path };
  assert.equal(
    `${await talk(target, 'get greeting\r\nget it\nsing')}`,
    ['good day\n', 'nothing\n', 'error: no request is called "sing"\n'].join(''),
  );
  assert.equal(`${await talk(target, `get ${'x'.repeat(2000)}\n`)}`, '');
  await first.until('err', /^a client: cannot read a line: it takes more than 1000 bytes$/m);
  await refused(t, /cannot listen on .*EADDRINUSE/, example('unix-service', path));
  await disturb(target, /resets/);

  // A dead service leaves its file, and the next one takes it over.
  await first.stop('SIGKILL');
  await refused(t, /cannot connect to .*ECONNREFUSED/, example('unix-service', path, 'get', 'it'));
  const second = start(t, example('unix-service', path));
  await second.until('out', /^listening on /m);
  assert.equal(await ask('get', 'greeting'), 'nothing\n');
  await stopped({ program: second, port: 0 });
  await refused(t, /cannot connect to .*ENOENT/, example('unix-service', path, 'get', 'it'));
});

test('examples/async-iteration.ts: sums, and deadlines', { timeout }, async (t) => {
  leakCheck(t);
  const server = await listening(t, 'async-iteration', '0', '100');
  const target = { port: server.port };
  assert.equal(`${await talk(target, '1\n2\n3.5')}`, '6.5\n');
  assert.equal(`${await talk(target, '1\ntwo\n')}`, '');
  await server.program.until('err', /^a client: "two" is no number$/m);
  await disturb(target, /of its reply/);
  await refused(t, /EADDRINUSE/, example('async-iteration', `${server.port}`));
  const open = await dial(target);
  open.write('1\n');
  // Connections are accepted in their order: now the first one was.
  assert.equal(`${await talk(target, '1\n')}`, '1\n');
  const { err } = await stopped(server);
  assert.match(err, /^a client: the server ends$/m);
  await dismissed(open);

  const hurried = await listening(t, 'async-iteration', '0', '0.2');
  const late = await dial({ port: hurried.port });
  late.write('1\n');
  await dismissed(late);
  await hurried.program.until('err', /^a client: The operation was aborted due to timeout$/m);
  await stopped(hurried);
});
