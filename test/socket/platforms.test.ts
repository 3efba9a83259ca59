// Goal: a socket behaves the same without accept4(2), without flags for close-on-exec and SIGPIPE,
// and without timeouts of accept(2) and connect(2).
// Method: this kernel, with a table that lacks what those of macOS and FreeBSD lack.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck, openFds } from '#test/harness/leaks.js';
import { standIn, strippedAbi } from '#test/sys/stand-in.js';
import { bytesOf, closing, connected, failureOf, listening, received } from './ends.ts';

const native = nativeSys();
const { constants: c, errno } = native.abi;
const TIMEOUT_MS = 100;
const LATE_MS = 5000;
/** The number of the option on macOS. */
const SO_NOSIGPIPE = 4130;

/** A kernel like that of macOS. */
function poorSys(own: Partial<Sys> = {}): Sys {
  return standIn(native, {
    abi: strippedAbi(native.abi),
    accept4: () => assert.fail('there is no accept4(2)'),
    ...own,
  });
}

function assertSafe(socket: Socket): void {
  assert.equal(native.fcntl(socket.fileno(), c.F_GETFD, 0) & c.FD_CLOEXEC, c.FD_CLOEXEC);
  assert.equal(native.fcntl(socket.fileno(), c.F_GETFL, 0) & c.O_NONBLOCK, 0, 'it blocks');
}

function refusing(t: TestContext): Socket {
  const socket = closing(t, new Socket('IPv4'));
  socket.bind({ address: '127.0.0.1', port: 0 });
  return socket;
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: on a platform without accept4(2)', () => {
  for (const kind of ['IPv4', 'IPv6', 'UNIX path', 'pair'] as const) {
    it(`sockets are close-on-exec, blocking, and connected: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind, poorSys());
      assertSafe(client);
      assertSafe(accepted);
      client.sendAll(bytesOf('hello'));
      assert.equal(received(accepted), 'hello');
    });
  }

  it('a socket accepted from a non-blocking listener is blocking', (t) => {
    leakCheck(t);
    // Like the BSDs, this accept passes on O_NONBLOCK.
    const { SOCK_NONBLOCK = 0 } = c;
    const sys = poorSys({
      accept: (fd, at, length) => native.accept4(fd, at, length, SOCK_NONBLOCK),
    });
    const server = listening(t, 'IPv4', { sys });
    server.setBlocking(false);
    assert.equal(failureOf(() => server.accept()).code, 'EAGAIN');
    closing(t, new Socket('IPv4')).connect(server.getSockName());
    assertSafe(closing(t, server.accept()[0]));
  });

  it('accept() waits for a client, at most for its timeout', (t) => {
    leakCheck(t);
    const server = listening(t, 'IPv4', { sys: poorSys() });
    server.setTimeout(TIMEOUT_MS);
    const start = native.monotonicMs();
    const error = failureOf(() => server.accept());
    const passedMs = native.monotonicMs() - start;
    assert.equal(error.code, 'ETIMEDOUT');
    assert.match(
      error.message,
      /^cannot accept a connection on 127.0.0.1:\d+: ETIMEDOUT \(nothing/,
    );
    assert.ok(passedMs >= TIMEOUT_MS && passedMs < LATE_MS, `${passedMs} ms`);
    server.setTimeout(LATE_MS);
    closing(t, new Socket('IPv4')).connect(server.getSockName());
    const accepted = closing(t, server.accept()[0]);
    assertSafe(accepted);
    assert.equal(accepted.getSockOpt('SO_RCVTIMEO'), LATE_MS);
  });

  it('connect() with a timeout: it succeeds, is refused, and blocks afterwards', (t) => {
    leakCheck(t);
    const sys = poorSys();
    const server = listening(t, 'IPv4');
    const client = closing(t, new Socket('IPv4', { sys }));
    client.setTimeout(LATE_MS);
    client.connect(server.getSockName());
    assertSafe(client);
    const second = closing(t, new Socket('IPv4', { sys }));
    second.setTimeout(LATE_MS);
    const to = refusing(t).getSockName();
    const error = failureOf(() => second.connect(to));
    assert.deepEqual([error.code, error.syscall], ['ECONNREFUSED', 'connect']);
    assert.match(error.message, /^cannot connect to 127.0.0.1:\d+: ECONNREFUSED \(connection ref/);
    assertSafe(second);
    const unix = closing(t, new Socket('UNIX', { sys }));
    unix.setTimeout(LATE_MS);
    unix.connect(listening(t, 'UNIX path').getSockName());
    assertSafe(unix);
  });

  it('connect() with a timeout times out', (t) => {
    leakCheck(t);
    if (process.platform !== 'linux') return t.skip('only Linux leaves such a client waiting');
    const server = listening(t, 'IPv4', { backlog: 0 });
    const connect = (): void => {
      const client = closing(t, new Socket('IPv4', { sys: poorSys() }));
      client.setTimeout(TIMEOUT_MS);
      client.connect(server.getSockName());
    };
    connect();
    const start = native.monotonicMs();
    const error = failureOf(() => {
      for (let count = 0; count < 4; count++) connect();
    });
    const passedMs = native.monotonicMs() - start;
    assert.equal(error.code, 'ETIMEDOUT');
    assert.match(error.message, /no answer within 100 ms/);
    assert.ok(passedMs >= TIMEOUT_MS && passedMs < LATE_MS, `${passedMs} ms`);
  });
});

describe('socket: on a platform with SO_NOSIGPIPE', () => {
  /** A kernel with the option; setting it returns `result`. */
  function withOption(result: number, fdsSet: number[]): Sys {
    const abi = strippedAbi(native.abi);
    return poorSys({
      abi: { ...abi, constants: { ...abi.constants, SO_NOSIGPIPE } },
      setsockopt: (fd, level, name, value, length) => {
        if (name !== SO_NOSIGPIPE) return native.setsockopt(fd, level, name, value, length);
        assert.deepEqual([level, ...value.subarray(0, length)], [c.SOL_SOCKET, 1, 0, 0, 0]);
        fdsSet.push(fd);
        return result;
      },
    });
  }

  it('every socket has it set', (t) => {
    leakCheck(t);
    const fds: number[] = [];
    const sys = withOption(0, fds);
    const { client, accepted } = connected(t, 'IPv4', sys);
    const pair = connected(t, 'pair', sys);
    for (const socket of [client, accepted, pair.client, pair.accepted]) {
      assert.ok(fds.includes(socket.fileno()));
    }
    assert.equal(fds.length, 5, 'the listener too');
  });

  it('a connection already reset is accepted without it', (t) => {
    leakCheck(t);
    const { client, accepted } = connected(t, 'IPv4', withOption(-errno['EINVAL' as 'EBADF'], []));
    client.sendAll(bytesOf('x'));
    assert.equal(received(accepted), 'x');
  });

  it('any other failure closes what was opened', (t) => {
    leakCheck(t);
    const sys = withOption(-errno.ENOBUFS, []);
    const before = openFds().size;
    assert.equal(failureOf(() => new Socket('IPv4', { sys })).code, 'ENOBUFS');
    assert.equal(failureOf(() => Socket.pair({ sys })).code, 'ENOBUFS');
    const server = listening(t, 'IPv4');
    const poor = closing(t, new Socket('IPv4', { sys, fd: server.detach() }));
    const client = closing(t, new Socket('IPv4'));
    client.connect(poor.getSockName());
    // The connection is lost; the listener is not affected.
    assert.equal(failureOf(() => poor.accept()).code, 'ECONNABORTED');
    poor.close();
    client.close();
    assert.equal(openFds().size, before);
  });
});
