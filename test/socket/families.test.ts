// Goal: the calls do what their man pages say, with sockets of every family.
// Method: both ends in one thread; the kernel buffers what the other end has not read yet.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck, openFds } from '#test/harness/leaks.js';
import {
  bytesOf,
  closing,
  connected,
  failureOf,
  familyOf,
  freshAddress,
  kinds,
  listening,
  listeningKinds,
  received,
} from './ends.ts';

const sys = nativeSys();
const { F_GETFD, F_GETFL, FD_CLOEXEC, O_NONBLOCK } = sys.abi.constants;

const BULK_BYTES = 16 << 20;
/** Shorter than any buffer, and prime: a lost or moved byte shows. */
const PATTERN = Uint8Array.from({ length: 251 }, (_, index) => index);

/** A thread that sends all at once, while the test receives. */
const SENDER = `
const { workerData: { fd, family, pattern } } = require('node:worker_threads');
import('sockloop/socket').then(({ Socket }) => {
  const socket = new Socket(family, { fd });
  socket.setTimeout(20_000);
  socket.sendAll(Buffer.alloc(${BULK_BYTES}, pattern));
  socket.close();
});
`;

describe('socket: listening', () => {
  for (const kind of listeningKinds) {
    it(`bind() sets the name that getSockName() reads: ${kind}`, (t) => {
      leakCheck(t);
      const input = freshAddress(t, kind);
      const server = closing(t, new Socket(familyOf(kind)));
      server.bind(input);
      const name = server.getSockName();
      assert.equal(name.family, familyOf(kind));
      if (name.family === 'UNIX') assert.deepEqual(name, { ...input, family: 'UNIX' });
      else assert.ok(name.port > 0);
      assert.equal(failureOf(() => server.getPeerName()).code, 'ENOTCONN');
    });

    it(`accept() returns the address of the client: ${kind}`, (t) => {
      leakCheck(t);
      const server = listening(t, kind);
      const client = closing(t, new Socket(familyOf(kind)));
      if (familyOf(kind) === 'UNIX') client.bind(freshAddress(t, kind));
      client.connect(server.getSockName());
      const [accepted, address] = server.accept();
      closing(t, accepted);
      assert.deepEqual(address, client.getSockName());
      assert.deepEqual(accepted.getPeerName(), address);
      assert.deepEqual(accepted.getSockName(), server.getSockName());
      assert.deepEqual(client.getPeerName(), server.getSockName());
      assert.equal(accepted.family, familyOf(kind));
    });

    it(`connections wait in the queue, in their order: ${kind}`, (t) => {
      leakCheck(t);
      const server = listening(t, kind, { backlog: 8 });
      for (const word of ['one', 'two', 'three']) {
        const client = closing(t, new Socket(familyOf(kind)));
        client.connect(server.getSockName());
        client.sendAll(bytesOf(word));
      }
      const words = Array.from({ length: 3 }, () => received(closing(t, server.accept()[0])));
      assert.deepEqual(words, ['one', 'two', 'three']);
    });

    it(`a name in use is EADDRINUSE, with the name: ${kind}`, (t) => {
      leakCheck(t);
      const name = listening(t, kind).getSockName();
      const second = closing(t, new Socket(familyOf(kind)));
      const error = failureOf(() => second.bind(name));
      assert.equal(error.code, 'EADDRINUSE');
      assert.equal(error.syscall, 'bind');
      assert.equal(error.address, name.family === 'UNIX' ? name.path : name.address);
    });
  }

  it('a UNIX path stays in the file system after close()', (t) => {
    leakCheck(t);
    const address = freshAddress(t, 'UNIX path');
    const server = closing(t, new Socket('UNIX'));
    server.bind(address);
    server.close();
    assert.ok('path' in address && existsSync(address.path));
  });
});

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: connected', () => {
  for (const kind of kinds) {
    it(`bytes go both ways, in order: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      assert.equal(client.send(bytesOf('hello')), 5);
      assert.equal(client.send(bytesOf('xx, worldxx'), 2, 7), 7);
      assert.equal(received(accepted), 'hello, world');
      accepted.sendAll(bytesOf('answer'));
      const buffer = new Uint8Array(10).fill(46);
      assert.equal(client.recv(buffer, 2, 3), 3);
      assert.equal(new TextDecoder().decode(buffer), '..ans.....');
      assert.equal(received(client), 'wer');
      assert.equal(client.send(new Uint8Array(0)), 0);
    });

    it(`sendAll() sends more than the send buffer holds: ${kind}`, async (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      accepted.setTimeout(20_000);
      const workerData = { fd: client.detach(), family: client.family, pattern: PATTERN };
      const worker = new Worker(SENDER, { eval: true, workerData });
      const ended = once(worker, 'exit');
      const into = Buffer.alloc(BULK_BYTES);
      let came = 0;
      for (let count = -1; count !== 0; came += count) count = accepted.recv(into, came);
      assert.equal(came, BULK_BYTES);
      assert.ok(into.equals(Buffer.alloc(BULK_BYTES, PATTERN)));
      assert.deepEqual(await ended, [0]);
    });

    it(`recv() returns 0 at the end of the stream, repeatedly: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      client.sendAll(bytesOf('last'));
      client.close();
      assert.equal(received(accepted), 'last');
      assert.equal(accepted.recv(new Uint8Array(4)), 0);
      assert.equal(accepted.recv(new Uint8Array(4)), 0);
    });

    it(`shutdown('write') ends one direction only: ${kind}`, (t) => {
      leakCheck(t);
      for (const flip of [false, true]) {
        const { client, accepted } = connected(t, kind);
        const [early, late] = flip ? [accepted, client] : [client, accepted];
        early.sendAll(bytesOf('question'));
        early.shutdown('write');
        assert.equal(received(late), 'question');
        assert.equal(late.recv(new Uint8Array(4)), 0);
        late.sendAll(bytesOf('answer'));
        assert.equal(received(early), 'answer');
        assert.equal(failureOf(() => early.send(bytesOf('x'))).code, 'EPIPE');
        late.close();
        assert.equal(early.recv(new Uint8Array(4)), 0);
      }
    });

    it(`shutdown('read') ends receiving, shutdown('both') all: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      client.shutdown('read');
      assert.equal(client.recv(new Uint8Array(4)), 0);
      client.sendAll(bytesOf('still'));
      assert.equal(received(accepted), 'still');
      client.shutdown('both');
      assert.equal(failureOf(() => client.send(bytesOf('x'))).code, 'EPIPE');
      assert.equal(accepted.recv(new Uint8Array(4)), 0);
    });

    it(`flags are passed to the kernel: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      const { MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL } = client.constants;
      const buffer = new Uint8Array(4);
      const empty = failureOf(() => accepted.recv(buffer, 0, 4, MSG_DONTWAIT));
      assert.equal(empty.code, 'EAGAIN');
      client.sendAll(bytesOf('ab'));
      assert.equal(accepted.recv(buffer, 0, 4, MSG_PEEK), 2);
      client.sendAll(bytesOf('cd'));
      assert.equal(accepted.recv(buffer, 0, 4, MSG_WAITALL), 4);
      assert.equal(new TextDecoder().decode(buffer), 'abcd');
    });

    it(`a send to a closed peer is EPIPE: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      accepted.close();
      // TCP accepts the first bytes, which the peer then answers with a reset.
      const error = failureOf(() => {
        for (let round = 0; round < 1000; round++) client.send(bytesOf('x'));
      });
      assert.equal(error.code, 'EPIPE');
      assert.equal(error.syscall, 'send');
    });

    it(`descriptors are close-on-exec and blocking: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      for (const socket of [client, accepted]) {
        assert.equal(sys.fcntl(socket.fileno(), F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
        assert.equal(sys.fcntl(socket.fileno(), F_GETFL, 0) & O_NONBLOCK, 0);
      }
    });

    it(`a second close() does nothing: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      const [fd, other] = [client.fileno(), accepted.fileno()];
      assert.ok(openFds().has(fd));
      client.close();
      assert.equal(client.fileno(), -1);
      assert.ok(!openFds().has(fd));
      client.close();
      accepted[Symbol.dispose]();
      assert.ok(!openFds().has(other));
    });

    it(`detach() gives the descriptor away, for a new socket to own: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      const fd = client.detach();
      client.close();
      assert.ok(openFds().has(fd));
      assert.equal(failureOf(() => client.send(bytesOf('x'))).code, 'EBADF');
      const owner = closing(t, new Socket(familyOf(kind), { fd }));
      assert.equal(owner.fileno(), fd);
      owner.sendAll(bytesOf('owned'));
      assert.equal(received(accepted), 'owned');
    });
  }

  it('a pair has no names', (t) => {
    leakCheck(t);
    const { client, accepted } = connected(t, 'pair');
    for (const socket of [client, accepted]) {
      assert.deepEqual(socket.getSockName(), { family: 'UNIX', path: '' });
      assert.deepEqual(socket.getPeerName(), { family: 'UNIX', path: '' });
    }
  });
});

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: wrong use', () => {
  it('an address of another family is a TypeError', (t) => {
    leakCheck(t);
    const port = { address: '127.0.0.1', port: 1 };
    const path = { path: '/tmp/x' };
    const wrong: readonly (readonly ['IPv4' | 'IPv6' | 'UNIX', object, string])[] = [
      ['IPv4', path, 'an IPv4 socket takes an address and a port, not a path'],
      ['UNIX', port, 'a UNIX socket takes a path, not an address'],
      [
        'IPv4',
        { family: 'IPv6', address: '::1', port: 1 },
        'an IPv4 socket does not take an IPv6 address',
      ],
      ['IPv6', { family: 'UNIX', path: '/x' }, 'an IPv6 socket does not take a UNIX address'],
      ['UNIX', { family: 'IPv4', ...port }, 'a UNIX socket does not take an IPv4 address'],
    ];
    for (const [family, address, message] of wrong) {
      const socket = closing(t, new Socket(family));
      assert.throws(() => socket.bind(address as typeof port), new TypeError(message));
      assert.throws(() => socket.connect(address as typeof port), new TypeError(message));
    }
  });

  it('an invalid address is a RangeError', (t) => {
    leakCheck(t);
    const [four, six] = [closing(t, new Socket('IPv4')), closing(t, new Socket('IPv6'))];
    const unix = closing(t, new Socket('UNIX'));
    const name = new RangeError('"localhost" is not an IPv4 address');
    assert.throws(() => four.connect({ address: 'localhost', port: 1 }), name);
    assert.throws(() => six.bind({ address: '127.0.0.1', port: 1 }), RangeError);
    assert.throws(() => four.bind({ address: '127.0.0.1', port: 65536 }), RangeError);
    assert.throws(() => unix.bind({ path: 'p'.repeat(200) }), RangeError);
    assert.throws(() => unix.connect({ path: '/tmp/a\0b' }), RangeError);
    assert.throws(() => four.bind({ address: '::ffff:127.0.0.1', port: 1 }), RangeError);
  });

  it('a backlog, a range of a buffer and a descriptor are checked', (t) => {
    leakCheck(t);
    const { client } = connected(t, 'pair');
    for (const backlog of [-1, 0.5, 2 ** 31, Number.NaN]) {
      const message = `a backlog is a number from 0 to 2147483647, not ${backlog}`;
      assert.throws(() => client.listen(backlog), new RangeError(message));
    }
    assert.throws(() => client.send(new Uint8Array(4), 5), RangeError);
    assert.throws(() => client.recv(new Uint8Array(4), 0, 5), RangeError);
    for (const fd of [-1, Number.NaN]) {
      const message = `a descriptor is a number from 0 to 2147483647, not ${fd}`;
      assert.throws(() => new Socket('IPv4', { fd }), new RangeError(message));
    }
  });

  it('every call on a closed socket is EBADF', (t) => {
    leakCheck(t);
    const socket = new Socket('IPv4');
    socket.close();
    const address = { address: '127.0.0.1', port: 1 };
    const calls: readonly (() => unknown)[] = [
      () => socket.bind(address),
      () => socket.listen(),
      () => socket.accept(),
      () => socket.connect(address),
      () => socket.send(new Uint8Array(1)),
      () => socket.sendAll(new Uint8Array(1)),
      () => socket.recv(new Uint8Array(1)),
      () => socket.poll(socket.constants.POLLIN),
      () => socket.shutdown('both'),
      () => socket.getSockName(),
      () => socket.getPeerName(),
      () => socket.setBlocking(false),
      () => socket.setTimeout(1000),
      () => socket.getSockOpt('SO_ERROR'),
      () => socket.setSockOpt('SO_KEEPALIVE', true),
    ];
    for (const call of calls) assert.equal(failureOf(call).code, 'EBADF', String(call));
  });

  it('accept() needs a listener, send() a peer', (t) => {
    leakCheck(t);
    const socket = closing(t, new Socket('IPv4'));
    socket.bind({ address: '127.0.0.1', port: 0 });
    const { port } = socket.getSockName() as { port: number };
    const error = failureOf(() => socket.accept());
    assert.equal(error.code, 'EINVAL');
    assert.match(error.message, new RegExp(`^cannot accept a connection on 127.0.0.1:${port}: `));
    assert.match(failureOf(() => socket.send(new Uint8Array(1))).code, /EPIPE|ENOTCONN/);
    assert.equal(failureOf(() => socket.recv(new Uint8Array(1))).code, 'ENOTCONN');
    assert.equal(failureOf(() => socket.shutdown('both')).code, 'ENOTCONN');
  });
});
