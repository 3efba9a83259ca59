// Goal: the commands of the package work with the programs of other people.
// Method: ncat, socat and plain C peers on the other side of each command.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bigText, freePort, MIB } from '#test/harness/clients.js';
import { eventually, run, type Scope, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import {
  compilePeer,
  reasonWithout,
  reasonWithoutProc,
  scratch,
} from '#test/harness/other-programs.js';
import { send, serve, serveTextbook, sockloop, tcpclient } from '#test/harness/programs.js';

const timeout = 60_000;
const LOCAL = '127.0.0.1';
const NEWLINE = Buffer.from('\n');
const big = bigText(2 * MIB);
/** What goes out and must come back. */
const SHORT = 'gr\u{fc}\u{df}e a\0b\n';
const LINES = [SHORT, Buffer.concat([big, NEWLINE])];

/** Whether somebody listens on a TCP port of the loopback, seen without connecting to it. */
function isListening(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/net/${name}`, 'utf8'));
  return new RegExp(`:${hex} [0-9A-F:]+ 0A `).test(tables.join('\n'));
}

/** Starts somebody else's server, and waits until it listens on `port`. */
async function listening(t: Scope, words: readonly string[], port: number): Promise<void> {
  const command = start(t, words);
  await eventually(() => assert.ok(isListening(port), `${words.join(' ')}: ${command.err}`));
}

/** Runs both clients of the package against an echo server. */
async function checkClients(
  t: Scope,
  host: string,
  port: string,
  inputs: readonly (string | Buffer)[] = LINES,
): Promise<void> {
  for (const input of inputs) {
    const sent = Buffer.from(input);
    const reply = await send(t, [host, port], sent);
    assert.deepEqual([reply.status, reply.err], [0, '']);
    assert.ok(reply.outBytes.equals(sent), `${sent.length} bytes`);
    const textbook = await run(t, tcpclient(host, port), sent);
    assert.deepEqual([textbook.status, textbook.err], [0, '']);
    const printed = Buffer.concat([Buffer.from('Echo from server: '), sent]);
    assert.ok(textbook.outBytes.equals(printed), `${sent.length} bytes`);
  }
}

test("our clients and ncat's echo", {
  timeout,
  skip: reasonWithoutProc || reasonWithout('ncat'),
}, async (t) => {
  leakCheck(t);
  const port = await freePort();
  await listening(t, ['ncat', '-l', '-k', '--exec', '/bin/cat', LOCAL, `${port}`], port);
  // ncat writes to cat without reading from it, so that more than their pipes hold stays stuck in
  // them for ever, whoever the client is.
  const inputs = [SHORT, `${bigText(32 * 1024)}\n`];
  await checkClients(t, LOCAL, `${port}`, inputs);
});

test("our clients and socat's echo over IPv4 and IPv6", {
  timeout,
  skip: reasonWithoutProc || reasonWithout('socat'),
}, async (t) => {
  leakCheck(t);
  const port = await freePort();
  const options = 'reuseaddr,fork';
  await listening(t, ['socat', `TCP4-LISTEN:${port},bind=${LOCAL},${options}`, 'EXEC:cat'], port);
  await checkClients(t, LOCAL, `${port}`);
  if (!existsSync('/proc/net/if_inet6')) {
    return t.diagnostic('no IPv6 loopback here: only IPv4 was tried');
  }
  const other = await freePort();
  await listening(t, ['socat', `TCP6-LISTEN:${other},bind=[::1],${options}`, 'EXEC:cat'], other);
  await checkClients(t, '::1', `${other}`, [SHORT]);
});

test("send and socat's echo over a UNIX socket and an abstract name", {
  timeout,
  skip: reasonWithoutProc || reasonWithout('socat'),
}, async (t) => {
  leakCheck(t);
  const path = `${scratch(t)}/socket`;
  const name = `sockloop-interop-${process.pid}`;
  start(t, ['socat', `UNIX-LISTEN:${path},fork`, 'EXEC:cat']);
  start(t, ['socat', `ABSTRACT-LISTEN:${name},fork`, 'EXEC:cat']);
  const names = (): string => readFileSync('/proc/net/unix', 'utf8');
  await eventually(() => assert.ok(names().includes(path) && names().includes(`@${name}`)));
  for (const target of [path, `@${name}`]) {
    for (const input of LINES) {
      const { status, outBytes, err } = await send(t, ['--unix', target], Buffer.from(input));
      assert.deepEqual([status, err], [0, '']);
      assert.ok(outBytes.equals(Buffer.from(input)));
    }
  }
});

test('our clients and a plain C server', { timeout, skip: reasonWithout('cc') }, async (t) => {
  leakCheck(t);
  const server = start(t, [compilePeer(t, 'echo-server')]);
  const [, port = ''] = await server.until('out', /^port (\d+)\n/);
  await checkClients(t, LOCAL, port);
});

/** The clients of other people: what sends standard input to a port and prints the reply. */
const CLIENTS: readonly [tool: string, words: (port: number) => string[]][] = [
  ['ncat', (port) => ['ncat', LOCAL, `${port}`]],
  ['socat', (port) => ['socat', '-t', '10', '-', `TCP4:${LOCAL}:${port}`]],
];

for (const [tool, words] of CLIENTS) {
  test(`${tool} and our servers`, { timeout, skip: reasonWithout(tool) }, async (t) => {
    leakCheck(t);
    const ours = await Promise.all([
      ...['echo', 'line', 'once'].map((mode) => serve(t, '--mode', mode)),
      serveTextbook(t),
    ]);
    for (const { port } of ours) {
      for (const input of [...LINES, 'no newline']) {
        const { status, outBytes, err } = await run(t, words(port), input);
        assert.deepEqual([status, err], [0, '']);
        assert.ok(outBytes.equals(Buffer.from(input)), `${input.length} bytes`);
      }
    }
  });

  test(`${tool} and our server on a UNIX socket`, {
    timeout,
    skip: reasonWithout(tool),
  }, async (t) => {
    leakCheck(t);
    const path = `${scratch(t)}/socket`;
    const command = start(t, sockloop('serve', '--unix', path));
    await command.until('out', /^listening/);
    const client = tool === 'ncat' ? ['ncat', '-U', path] : ['socat', '-', `UNIX:${path}`];
    const { status, out } = await run(t, client, 'hello\n');
    assert.deepEqual([status, out], [0, 'hello\n']);
  });
}

test('a plain C client and our servers', { timeout, skip: reasonWithout('cc') }, async (t) => {
  leakCheck(t);
  const client = compilePeer(t, 'echo-client');
  const ours = await Promise.all([
    ...['echo', 'line', 'once'].map((mode) => serve(t, '--mode', mode)),
    serveTextbook(t),
  ]);
  for (const { port } of ours) {
    for (const input of [...LINES, 'no newline', big]) {
      const { status, outBytes, err } = await run(t, [client, `${port}`], Buffer.from(input));
      assert.deepEqual([status, err], [0, '']);
      assert.ok(outBytes.equals(Buffer.from(input)), `${input.length} bytes`);
    }
  }
});
