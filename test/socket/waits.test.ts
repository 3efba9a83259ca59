// Goal: a socket waits for its timeout, and reports that it expired.
// Method: peers on this machine that never answer; the time of each wait is measured.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Socket, TIMEOUT_MS_MAX } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import {
  bytesOf,
  closing,
  connected,
  failureOf,
  familyOf,
  kinds,
  listening,
  listeningKinds,
  received,
} from './ends.ts';

const sys = nativeSys();
const { POLLIN, POLLOUT, POLLHUP, F_GETFL, O_NONBLOCK } = sys.abi.constants;

const TIMEOUT_MS = 100;
/** The kernel counts in ticks of up to 10 ms, and the first has already begun. */
const EARLY_MS = 12;
/** On a busy machine. */
const LATE_MS = 5000;

/** Asserts that `call` times out, after `TIMEOUT_MS` or little more. */
function assertTimesOut(call: () => unknown, message: RegExp): void {
  const start = sys.monotonicMs();
  const error = failureOf(call);
  const passedMs = sys.monotonicMs() - start;
  assert.equal(error.code, 'ETIMEDOUT');
  assert.equal(error.errno, -sys.abi.errno.ETIMEDOUT);
  assert.match(error.message, message);
  assert.ok(passedMs > TIMEOUT_MS - EARLY_MS, `after ${passedMs} ms`);
  assert.ok(passedMs < TIMEOUT_MS + LATE_MS, `only after ${passedMs} ms`);
}

/** Fills the buffers between `socket` and its peer, by sends that do not wait. */
function fill(socket: Socket, flags = socket.constants.MSG_DONTWAIT): void {
  const bytes = new Uint8Array(1 << 20);
  let code = '';
  while (code === '') {
    try {
      socket.send(bytes, 0, bytes.length, flags);
    } catch (error) {
      code = (error as { code: string }).code;
    }
  }
  assert.equal(code, 'EAGAIN');
}

/** A listener with a full queue: further connects wait. */
function fullListener(t: TestContext, kind: (typeof listeningKinds)[number]): Socket {
  const server = listening(t, kind, { backlog: 0 });
  for (let count = 0; count < 8; count++) {
    const socket = closing(t, new Socket(server.family));
    socket.setBlocking(false);
    try {
      socket.connect(server.getSockName());
    } catch (error) {
      const { code } = error as { code: string };
      if (code === 'EAGAIN') return server;
      assert.equal(code, 'EINPROGRESS');
      socket.setTimeout(TIMEOUT_MS);
      try {
        socket.poll(POLLOUT);
      } catch {
        return server;
      }
    }
  }
  assert.fail('the queue has no end');
}

function isBlocking(socket: Socket): boolean {
  return (sys.fcntl(socket.fileno(), F_GETFL, 0) & O_NONBLOCK) === 0;
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: timeouts', () => {
  for (const kind of kinds) {
    it(`recv() without data: ${kind}`, (t) => {
      leakCheck(t);
      const { client } = connected(t, kind);
      client.setTimeout(TIMEOUT_MS);
      const message = /^cannot receive( from .*)?: ETIMEDOUT \(nothing happened within 100 ms\)$/;
      assertTimesOut(() => client.recv(new Uint8Array(1)), message);
      assertTimesOut(() => client.poll(POLLIN), /^cannot wait( for .*)?: ETIMEDOUT \(/);
      // The socket still works.
      assert.equal(client.send(bytesOf('x')), 1);
    });

    it(`send() to a peer that never reads: ${kind}`, (t) => {
      leakCheck(t);
      const { client } = connected(t, kind);
      fill(client);
      client.setTimeout(TIMEOUT_MS);
      assertTimesOut(
        () => client.send(bytesOf('x'.repeat(4096))),
        /^cannot send( to .*)?: ETIMEDO/,
      );
      assertTimesOut(() => client.poll(POLLOUT), /^cannot wait( for .*)?: ETIMEDOUT \(/);
    });

    it(`a wait that ends in time returns its events: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      client.setTimeout(LATE_MS);
      accepted.sendAll(bytesOf('in time'));
      assert.equal(client.poll(POLLIN | POLLOUT), POLLIN | POLLOUT);
      assert.equal(received(client), 'in time');
      client.setTimeout(null);
      assert.equal(client.getSockOpt('SO_RCVTIMEO'), 0);
      assert.equal(client.getSockOpt('SO_SNDTIMEO'), 0);
    });

    it(`a call with MSG_DONTWAIT does not time out: ${kind}`, (t) => {
      leakCheck(t);
      const { client } = connected(t, kind);
      client.setTimeout(LATE_MS);
      const { MSG_DONTWAIT } = client.constants;
      const error = failureOf(() => client.recv(new Uint8Array(1), 0, 1, MSG_DONTWAIT));
      assert.equal(error.code, 'EAGAIN');
    });
  }

  for (const kind of listeningKinds) {
    it(`accept() without a client: ${kind}`, (t) => {
      leakCheck(t);
      const server = listening(t, kind);
      server.setTimeout(TIMEOUT_MS);
      assertTimesOut(() => server.accept(), /^cannot accept a connection on \S+: ETIMEDOUT \(/);
      const client = closing(t, new Socket(server.family));
      client.connect(server.getSockName());
      closing(t, server.accept()[0]);
    });

    it(`connect() to a listener whose queue is full: ${kind}`, (t) => {
      leakCheck(t);
      if (process.platform !== 'linux') return t.skip('only Linux leaves such a client waiting');
      const server = fullListener(t, kind);
      const client = closing(t, new Socket(server.family));
      client.setTimeout(TIMEOUT_MS);
      const message = /^cannot connect to \S+: ETIMEDOUT \(no answer within 100 ms\)$/;
      assertTimesOut(() => client.connect(server.getSockName()), message);
    });

    it(`an accepted socket has exactly the timeout of its listener: ${kind}`, (t) => {
      leakCheck(t);
      const server = listening(t, kind);
      const arrive = () => closing(t, new Socket(server.family)).connect(server.getSockName());
      const timeoutsOf = (socket: Socket) => [
        socket.getSockOpt('SO_RCVTIMEO'),
        socket.getSockOpt('SO_SNDTIMEO'),
      ];
      const accepted = () => closing(t, server.accept()[0]);
      arrive();
      assert.deepEqual(timeoutsOf(accepted()), [0, 0], 'none');
      server.setTimeout(1500);
      arrive();
      assert.deepEqual(timeoutsOf(accepted()), [1500, 1500], 'one');
      arrive();
      server.setTimeout(2500);
      assert.deepEqual(timeoutsOf(accepted()), [2500, 2500], 'changed while it waited');
      arrive();
      server.setTimeout(null);
      const last = accepted();
      assert.deepEqual(timeoutsOf(last), [0, 0], 'taken away while it waited');
      last.setTimeout(500);
      assert.deepEqual(timeoutsOf(last), [500, 500]);
      server.interruptible = true;
      arrive();
      assert.equal(accepted().interruptible, true);
    });
  }

  it('setTimeout() takes the range of a timer', (t) => {
    leakCheck(t);
    const { client } = connected(t, 'pair');
    for (const timeoutMs of [0, -1, Number.NaN, TIMEOUT_MS_MAX + 1, Number.POSITIVE_INFINITY]) {
      const message = `a timeout is above 0 and at most 2147483647 ms, not ${timeoutMs}`;
      assert.throws(() => client.setTimeout(timeoutMs), new RangeError(message));
    }
    client.setTimeout(TIMEOUT_MS_MAX);
    assert.equal(Math.round(client.getSockOpt('SO_RCVTIMEO') / 1000), 2147484);
    client.setTimeout(0.001);
    assert.ok(client.getSockOpt('SO_RCVTIMEO') > 0);
    assert.equal(failureOf(() => client.recv(new Uint8Array(1))).code, 'ETIMEDOUT');
  });
});

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: without waiting', () => {
  for (const kind of kinds) {
    it(`setBlocking(false) makes calls fail at once, and true makes them wait: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      client.setTimeout(LATE_MS);
      client.setBlocking(false);
      assert.equal(client.getSockOpt('SO_RCVTIMEO'), 0, 'the timeout has ended');
      const error = failureOf(() => client.recv(new Uint8Array(1)));
      assert.equal(error.code, 'EAGAIN');
      assert.match(error.message, /^cannot receive( from .*)?: EAGAIN \([a-z ]+\)$/);
      // A full buffer may have room again a moment later.
      fill(client, 0);
      client.setBlocking(true);
      assert.ok(isBlocking(client));
      accepted.sendAll(bytesOf('now'));
      assert.equal(received(client), 'now');
    });

    it(`setTimeout() makes a non-blocking socket blocking: ${kind}`, (t) => {
      leakCheck(t);
      const { client } = connected(t, kind);
      client.setBlocking(false);
      client.setTimeout(TIMEOUT_MS);
      assertTimesOut(() => client.recv(new Uint8Array(1)), /nothing happened within 100 ms/);
    });

    it(`poll() returns readiness and the end of the stream: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      client.setTimeout(LATE_MS);
      assert.equal(client.poll(POLLIN | POLLOUT), POLLOUT);
      accepted.sendAll(bytesOf('x'));
      assert.equal(client.poll(POLLIN), POLLIN);
      assert.equal(received(client), 'x');
      accepted.close();
      assert.equal(client.poll(POLLIN) & POLLIN, POLLIN);
      client.shutdown('both');
      assert.equal(client.poll(0), POLLHUP, 'asked for or not');
    });
  }

  for (const kind of listeningKinds) {
    it(`accept() fails with EAGAIN, and accepted sockets are blocking: ${kind}`, (t) => {
      leakCheck(t);
      const server = listening(t, kind);
      server.setBlocking(false);
      const error = failureOf(() => server.accept());
      assert.equal(error.code, 'EAGAIN');
      assert.equal(error.syscall, 'accept');
      const client = closing(t, new Socket(familyOf(kind)));
      client.connect(server.getSockName());
      const accepted = closing(t, server.accept()[0]);
      assert.ok(isBlocking(accepted) && !isBlocking(server));
    });
  }

  for (const kind of ['IPv4', 'IPv6'] as const) {
    it(`connect() continues in the kernel after EINPROGRESS: ${kind}`, (t) => {
      leakCheck(t);
      const server = listening(t, kind);
      const client = closing(t, new Socket(kind));
      client.setBlocking(false);
      assert.equal(failureOf(() => client.connect(server.getSockName())).code, 'EINPROGRESS');
      assert.equal(client.poll(POLLOUT), POLLOUT);
      assert.equal(client.getSockOpt('SO_ERROR'), 0);
      assert.deepEqual(client.getPeerName(), server.getSockName());
    });

    it(`connect() that is refused later sets SO_ERROR: ${kind}`, (t) => {
      leakCheck(t);
      const nobody = closing(t, new Socket(kind));
      nobody.bind({ address: kind === 'IPv4' ? '127.0.0.1' : '::1', port: 0 });
      const client = closing(t, new Socket(kind));
      client.setBlocking(false);
      assert.equal(failureOf(() => client.connect(nobody.getSockName())).code, 'EINPROGRESS');
      assert.notEqual(client.poll(POLLOUT) & POLLOUT, 0);
      assert.equal(client.getSockOpt('SO_ERROR'), sys.abi.errno.ECONNREFUSED);
      assert.equal(client.getSockOpt('SO_ERROR'), 0, 'it was read');
    });
  }

  it('poll() of a descriptor closed elsewhere is EBADF', (t) => {
    leakCheck(t);
    const { client } = connected(t, 'pair');
    const fd = client.detach();
    const other = new Socket('UNIX', { fd });
    sys.close(fd);
    assert.equal(failureOf(() => other.poll(POLLIN)).code, 'EBADF');
    assert.equal(failureOf(() => other.close()).code, 'EBADF');
  });
});
