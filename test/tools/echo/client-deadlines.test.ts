// Goal: the timeout of a client holds for a whole exchange and for the look-up of a name, and the
// process ends with it.
// Method: a server that drips bytes; a resolver that is silent, in a namespace of its own.

import assert from 'node:assert/strict';
import { createServer as createNodeServer, type Server } from 'node:net';
import { test } from 'node:test';
import { createConnection } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { bounded } from '#test/harness/clients.js';
import { run, type Scope } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { inNamespace, reasonWithoutNamespaces } from '#test/harness/namespace.js';
import { scratch } from '#test/harness/other-programs.js';
import { sockloop, tcpclient } from '#test/harness/programs.js';
import { EchoClient } from '#tools/echo/client.js';

const timeout = 120_000;

/** A server that sends a byte every 50 ms, to whoever is there. */
async function dripping(scope: Scope, where: { path: string } | { port: 0; host: string }) {
  const server: Server = createNodeServer((socket) => {
    const timer = setInterval(() => socket.write('x'), 50);
    socket.on('error', () => undefined);
    socket.on('close', () => clearInterval(timer));
  });
  await bounded(new Promise<void>((resolve) => server.listen(where, resolve)), 'listening');
  scope.after(() =>
    bounded(new Promise<void>((resolve) => server.close(() => resolve())), 'close'),
  );
  const address = server.address();
  assert.ok(address !== null);
  return typeof address === 'string' ? ['--unix', address] : [address.address, `${address.port}`];
}

test('deadlines: a server that drips bytes holds no client', { timeout }, async (t) => {
  leakCheck(t);
  const tcp = await dripping(t, { port: 0, host: '127.0.0.1' });
  const unix = await dripping(t, { path: `${scratch(t)}/socket` });
  const long = 'y'.repeat(1_000_000);
  const clients: [words: string[], input: string][] = [
    [sockloop('send', '--timeout', '1', ...tcp, 'hello'), ''],
    [sockloop('send', '--timeout', '1', '--mode', 'once', ...unix, 'hello'), ''],
    // It is never read: what is sent runs into the deadline.
    [sockloop('send', '--timeout', '1', ...tcp), long],
    [sockloop('send', '--timeout', '1', '--threads', '2', ...tcp, 'hello'), ''],
  ];
  const outcomes = await Promise.all(clients.map(([words, input]) => run(t, words, input)));
  for (const { status, err } of outcomes) {
    assert.equal(status, 1, err);
    assert.match(err, /cannot receive from .*: ETIMEDOUT \(no whole reply within 1000 ms\)\n/);
  }
});

test('deadlines: the next exchange has its whole time again', { timeout }, async (t) => {
  leakCheck(t);
  const [host = '', port] = await dripping(t, { port: 0, host: '127.0.0.1' });
  using socket = createConnection({ host, port: Number(port) });
  const client = new EchoClient(socket, { sys: nativeSys(), timeoutMs: 60_000 });
  // This thread stands still while it waits, and with it the server: nothing comes.
  const short = new EchoClient(socket, { sys: nativeSys(), timeoutMs: 30 });
  const none = (): void => undefined;
  assert.throws(() => short.exchange(Buffer.from('x'), { lines: 1 }, none), { code: 'ETIMEDOUT' });
  assert.ok(Number(socket.getSockOpt('SO_RCVTIMEO')) < 60_000);
  assert.throws(
    () => {
      client.exchange(Buffer.from('x'), { bytes: 0 }, none);
      throw new Error(`${socket.getSockOpt('SO_RCVTIMEO')}`);
    },
    { message: '60000' },
  );
});

/** Answers nobody, and runs the commands of its arguments side by side: what became of each. */
const SILENT = `
  const udp = require('node:dgram').createSocket('udp4');
  const [file, ...commands] = process.argv.slice(1);
  udp.on('message', () => {}).bind(53, '127.0.0.1', async () => {
    const { spawn } = require('node:child_process');
    const ends = commands.map((command) => new Promise((resolve) => {
      const beganMs = performance.now();
      const child = spawn(file, JSON.parse(command), { stdio: ['ignore', 'pipe', 'pipe'] });
      let err = '';
      child.stderr.on('data', (piece) => { err += piece; });
      child.on('close', (status) => resolve({ status, err, ms: performance.now() - beganMs }));
    }));
    console.log(JSON.stringify(await Promise.all(ends)));
    udp.close();
  });
`;

/** The resolver gives up after a minute. */
const SILENT_RESOLVER =
  'f=$(mktemp); printf "nameserver 127.0.0.1\\noptions timeout:30 attempts:2\\n" > $f; ' +
  'mount --bind $f /etc/resolv.conf; rm $f';

test('deadlines: a resolver that is silent holds no client and no process', {
  timeout,
  skip: reasonWithoutNamespaces,
}, async (t) => {
  leakCheck(t);
  const to = ['--timeout', '1', 'a.example', '7007'];
  const commands = [
    sockloop('send', ...to, 'hello'),
    sockloop('send', '--threads', '2', ...to, 'hello'),
    sockloop('load', ...to),
    tcpclient('--threads', '2', ...to),
  ];
  const words = [process.execPath, '-e', SILENT, process.execPath];
  for (const [, ...rest] of commands) words.push(JSON.stringify(rest));
  const { out, err } = await run(t, inNamespace(SILENT_RESOLVER, words));
  const ends = JSON.parse(out || 'null') as { status: number; err: string; ms: number }[] | null;
  assert.ok(ends !== null, err);
  assert.equal(ends.length, commands.length);
  for (const end of ends) {
    assert.equal(end.status, 1, end.err);
    assert.match(end.err, /a\.example.*no answer within 1000 ms\)?\n$/);
    assert.ok(end.ms < 30_000, `it took ${end.ms} ms`);
  }
});
