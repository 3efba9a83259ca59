// Goal: an error of a system call has the shape of Node's own errors, and says what was attempted.
// Method: the same failure through node:net and through this package, side by side.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer as createNodeServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer, resolve, Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import { ResolveError, SysError, sysError } from '#src/sys/sys-error.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from './stand-in.ts';

interface NodeError extends Error {
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
  readonly address?: string;
  readonly port?: number;
}

const SHAPE = ['code', 'errno', 'syscall', 'address', 'port'] as const;

function shapeOf(error: NodeError): Record<string, unknown> {
  return Object.fromEntries(SHAPE.map((key) => [key, error[key]]));
}

function thrownBy(call: () => unknown): SysError {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof SysError, String(error));
    return error;
  }
  assert.fail('it did not throw');
}

function nodeFailure(options: { host: string; port: number } | { path: string }) {
  return new Promise<NodeError>((done, fail) => {
    const socket = connect(options);
    socket.on('error', done);
    socket.on('connect', () => {
      socket.destroy();
      fail(new Error('it connected'));
    });
  });
}

/** A port without a listener: bound, so that no other process takes it. */
function refusingPort(t: TestContext, family: 'IPv4' | 'IPv6', address: string): number {
  const socket = new Socket(family);
  t.after(() => socket.close());
  socket.bind({ address, port: 0 });
  return portOf(socket.getSockName());
}

function portOf(address: SocketAddress): number {
  assert.ok(address.family !== 'UNIX');
  return address.port;
}

function temporaryPath(t: TestContext, name: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, name);
}

for (const [family, host] of [
  ['IPv4', '127.0.0.1'],
  ['IPv6', '::1'],
] as const) {
  test(`errors: a refused connection is Node's own: ${family}`, async (t) => {
    leakCheck(t);
    const port = refusingPort(t, family, host);
    const theirs = await nodeFailure({ host, port });
    const socket = new Socket(family);
    t.after(() => socket.close());
    const ours = thrownBy(() => socket.connect({ address: host, port }));
    assert.equal(theirs.code, 'ECONNREFUSED');
    assert.deepEqual(shapeOf(ours), shapeOf(theirs));
    const shown = family === 'IPv4' ? host : `[${host}]`;
    assert.equal(
      ours.message,
      `cannot connect to ${shown}:${port}: ECONNREFUSED (connection refused)`,
    );
    assert.equal(ours.reason, 'connection refused');
    assert.equal(ours.name, 'SysError');
  });
}

test("errors: a port in use is Node's own, but for the name of the call", async (t) => {
  leakCheck(t);
  const taken = createServer({ host: '127.0.0.1', port: 0 });
  t.after(() => taken.close());
  const port = portOf(taken.getSockName());
  const theirs = await new Promise<NodeError>((done) => {
    createNodeServer().on('error', done).listen(port, '127.0.0.1');
  });
  const ours = thrownBy(() => createServer({ host: '127.0.0.1', port }));
  // Node reports a failed bind(2) in listen().
  assert.deepEqual(shapeOf(ours), { ...shapeOf(theirs), syscall: 'bind' });
  assert.equal(
    ours.message,
    `cannot listen on 127.0.0.1:${port}: EADDRINUSE (address already in use)`,
  );
});

test("errors: a missing UNIX path is Node's own", async (t) => {
  leakCheck(t);
  const path = temporaryPath(t, 'nobody');
  const theirs = await nodeFailure({ path });
  const socket = new Socket('UNIX');
  t.after(() => socket.close());
  const ours = thrownBy(() => socket.connect({ path }));
  assert.deepEqual(shapeOf(ours), shapeOf(theirs));
  assert.ok(!('port' in ours) && ours.address === path);
  assert.equal(ours.message, `cannot connect to ${path}: ENOENT (no such file or directory)`);
});

test('errors: an error without an address has none, and its sentence no preposition', (t) => {
  leakCheck(t);
  const closed = new Socket('UNIX');
  closed.close();
  const said: readonly (readonly [() => unknown, string, string])[] = [
    [() => closed.recv(new Uint8Array(1)), 'recv', 'cannot receive'],
    [() => closed.send(new Uint8Array(1)), 'send', 'cannot send'],
    [() => closed.accept(), 'accept', 'cannot accept a connection'],
    [() => closed.listen(), 'listen', 'cannot listen'],
    [() => closed.poll(1), 'poll', 'cannot wait'],
    [() => closed.shutdown('both'), 'shutdown', 'cannot shut down'],
    [() => closed.getSockName(), 'getsockname', 'cannot read the name of a socket'],
    [() => closed.getSockOpt('SO_ERROR'), 'getsockopt', 'cannot read SO_ERROR'],
    [() => closed.setSockOpt('SO_KEEPALIVE', true), 'setsockopt', 'cannot set SO_KEEPALIVE'],
    [
      () => closed.getSockOptRaw(1, 2, new Uint8Array(4)),
      'getsockopt',
      'cannot read option 2 of level 1',
    ],
  ];
  for (const [call, syscall, sentence] of said) {
    const error = thrownBy(call);
    assert.equal(error.message, `${sentence}: EBADF (bad file descriptor)`);
    assert.equal(error.syscall, syscall);
    assert.ok(!('address' in error) && !('port' in error), sentence);
  }
});

test('errors: the words of the C library begin a clause, not a sentence', (t) => {
  leakCheck(t);
  const sys = standIn(nativeSys(), {
    strerror: (errno) => (errno === 1 ? 'RPC timed out' : `Some words of ${errno}`),
  });
  const { errno } = sys.abi;
  const on = { family: 'UNIX', path: '\0name' } as const;
  const first = sysError(sys, -errno.EPIPE, 'send', 'send to', on);
  assert.equal(first.message, `cannot send to @name: EPIPE (some words of ${errno.EPIPE})`);
  assert.equal(first.address, '\0name');
  assert.equal(first.errno, -errno.EPIPE);
  assert.match(sysError(sys, -1, 'send', 'send to').message, /^cannot send: .*\(RPC timed out\)$/);
  const own = sysError(sys, -errno.ETIMEDOUT, 'recv', 'receive from', on, 'no time is left');
  assert.equal(own.message, 'cannot receive from @name: ETIMEDOUT (no time is left)');
  assert.equal(sysError(sys, -4095, 'x', 'y').code, 'UNKNOWN_4095');
});

test('errors: a name that does not resolve says which, and why', (t) => {
  leakCheck(t);
  const sys = nativeSys();
  const { EAI_NONAME, EAI_SYSTEM } = sys.abi.constants;
  const words = sys.gai_strerror(EAI_NONAME);
  const reason = words.charAt(0).toLowerCase() + words.slice(1);
  assert.throws(
    () => resolve('no host', 80),
    (error) => {
      assert.ok(error instanceof ResolveError && error instanceof Error);
      assert.equal(error.name, 'ResolveError');
      assert.equal(error.message, `cannot resolve "no host": ENOTFOUND (${reason})`);
      assert.equal(error.code, 'ENOTFOUND', 'as Node says it');
      assert.equal(error.answer, 'EAI_NONAME');
      assert.equal(error.syscall, 'getaddrinfo');
      assert.equal(error.hostname, 'no host');
      assert.equal(error.reason, reason);
      return true;
    },
  );
  const { EMFILE } = sys.abi.errno;
  const system = new ResolveError(sys, EAI_SYSTEM, EMFILE, 'host');
  assert.equal(system.code, 'EMFILE');
  assert.equal(system.message, 'cannot resolve "host": EMFILE (too many open files)');
  assert.equal(new ResolveError(sys, 12345, 0, 'host').code, 'UNKNOWN_12345');
});
