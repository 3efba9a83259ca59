// Goal: datagrams come whole, with their sender, over every family; what cannot be sent says why.
// Method: real sockets of this machine, datagrams of every length at the borders.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import {
  bound,
  correspondents,
  namedKinds,
  opened,
  portOf,
  textFrom,
  WAIT_MS,
} from './datagram-ends.ts';
import { failureOf, freshAddress } from './ends.ts';

const { constants } = nativeSys().abi;
const isLinux = process.platform === 'linux';
const linuxOnly = isLinux ? false : 'abstract names and autobind exist on Linux only';

/** The longest datagram of UDP over IPv4: 65535 without the headers of IP and UDP. */
const UDP_BYTES_MAX = 65_507;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: datagrams of every kind', () => {
  for (const kind of namedKinds) {
    it(`come with their sender and go back to it: ${kind}`, (t) => {
      leakCheck(t);
      const { receiver, sender, to } = correspondents(t, kind);
      assert.equal(sender.sendTo('..hello!', to, 2, 5), 5);
      const buffer = new Uint8Array(16);
      const [length, from] = receiver.recvFrom(buffer, 4, 8);
      assert.deepEqual(from, sender.getSockName());
      assert.equal(Buffer.from(buffer.subarray(4, 4 + length)).toString(), 'hello');
      receiver.sendTo('back', from);
      assert.equal(textFrom(sender), 'back');
    });

    it(`are kept apart and in order, also empty ones: ${kind}`, (t) => {
      leakCheck(t);
      const { receiver, sender, to } = correspondents(t, kind);
      for (const text of ['one', '', 'three']) sender.sendTo(text, to);
      assert.deepEqual(
        [textFrom(receiver), textFrom(receiver), textFrom(receiver)],
        ['one', '', 'three'],
      );
    });

    it(`are cut by a short buffer, and the rest is lost: ${kind}`, (t) => {
      leakCheck(t);
      const { receiver, sender, to } = correspondents(t, kind);
      for (const text of ['long', 'long', 'long', 'next']) sender.sendTo(text, to);
      assert.equal(textFrom(receiver, 2), 'lo');
      const message = receiver.recvMsg(new Uint8Array(2));
      assert.deepEqual([message.length, message.truncated], [2, true]);
      if (isLinux) {
        const [length] = receiver.recvFrom(new Uint8Array(2), 0, 2, constants.MSG_TRUNC);
        assert.equal(length, 4, 'the length of the whole datagram');
      } else receiver.recv(new Uint8Array(2));
      const whole = receiver.recvMsg(new Uint8Array(4));
      assert.deepEqual([whole.length, whole.truncated], [4, false]);
    });

    it(`go to one peer after connect(), until disconnect(): ${kind}`, (t) => {
      leakCheck(t);
      const { receiver, sender, to } = correspondents(t, kind);
      sender.connect(to);
      assert.deepEqual(sender.getPeerName(), to);
      sender.send('one');
      assert.equal(textFrom(receiver), 'one');
      sender.disconnect();
      assert.equal(failureOf(() => sender.getPeerName()).code, 'ENOTCONN');
      const alone = failureOf(() => sender.send('nobody'));
      assert.ok(['EDESTADDRREQ', 'ENOTCONN'].includes(alone.code), alone.message);
      sender.sendTo('two', to);
      assert.equal(textFrom(receiver), 'two');
    });
  }

  it('pass between the ends of a pair', (t) => {
    leakCheck(t);
    const [left, right] = Socket.pair({ type: 'SOCK_DGRAM' });
    t.after(() => void [left, right].map((socket) => socket.close()));
    left.send('to the right');
    right.send('to the left');
    assert.equal(textFrom(right), 'to the right');
    assert.equal(textFrom(left), 'to the left');
    left.close();
    assert.ok(
      ['ECONNREFUSED', 'ECONNRESET', 'ENOTCONN'].includes(failureOf(() => right.send('x')).code),
    );
  });

  it('come from a UNIX socket without a name', (t) => {
    leakCheck(t);
    const receiver = bound(t, 'UNIX path');
    opened(t, 'UNIX').sendTo('who', receiver.getSockName());
    const buffer = new Uint8Array(8);
    assert.deepEqual(receiver.recvFrom(buffer), [3, { family: 'UNIX', path: '' }]);
    opened(t, 'UNIX').sendTo('who', receiver.getSockName());
    assert.deepEqual(receiver.recvMsg(buffer).address, { family: 'UNIX', path: '' });
  });

  it('come to a name that the kernel has chosen', { skip: linuxOnly }, (t) => {
    leakCheck(t);
    const [first, second] = [opened(t, 'UNIX'), opened(t, 'UNIX')];
    for (const socket of [first, second]) socket.bind({ path: '' });
    const name = first.getSockName();
    assert.ok(name.family === 'UNIX' && /^\0[0-9a-f]{5}$/.test(name.path), JSON.stringify(name));
    assert.notDeepEqual(second.getSockName(), name);
    second.sendTo('found', name);
    assert.equal(textFrom(first), 'found');
  });
});

describe('socket: the lengths of datagrams', () => {
  for (const kind of ['IPv4', 'IPv6'] as const) {
    it(`0, 1 and ${UDP_BYTES_MAX} bytes pass, and more is EMSGSIZE: ${kind}`, (t) => {
      leakCheck(t);
      const { receiver, sender, to } = correspondents(t, kind);
      // IPv6 does not count its own header: 65535 without that of UDP.
      const most = kind === 'IPv4' ? UDP_BYTES_MAX : 65_527;
      const buffer = new Uint8Array(2 ** 16);
      for (const length of [0, 1, UDP_BYTES_MAX, most]) {
        const bytes = new Uint8Array(length).map((_, index) => index % 251);
        assert.equal(sender.sendTo(bytes, to), length);
        const [came] = receiver.recvFrom(buffer);
        assert.equal(came, length);
        assert.deepEqual(buffer.subarray(0, came), bytes);
      }
      const error = failureOf(() => sender.sendTo(new Uint8Array(most + 1), to));
      assert.equal(error.code, 'EMSGSIZE');
      assert.match(error.message, /^cannot send to \S+:\d+: EMSGSIZE \(message too long\)$/);
      assert.equal(error.syscall, 'sendto');
    });
  }
});

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: datagrams that cannot be sent or received', () => {
  it('an address of another family, a port out of range, a name', (t) => {
    leakCheck(t);
    const socket = opened(t, 'IPv4');
    const to = (address: unknown) => () => socket.sendTo('x', address as never);
    assert.throws(to({ family: 'IPv6', address: '::1', port: 9 }), {
      name: 'TypeError',
      message: 'an IPv4 socket does not take an IPv6 address',
    });
    assert.throws(to({ path: '/tmp/x' }), /takes an address and a port, not a path/);
    assert.throws(to({ address: 'localhost', port: 9 }), /"localhost" is not an IPv4 address/);
    assert.throws(to({ address: '127.0.0.1', port: 65_536 }), /a port is a number from 0 to 65535/);
    assert.throws(() => socket.sendTo('x', { address: '127.0.0.1', port: 9 }, 2), RangeError);
    assert.throws(() => socket.recvFrom([] as never), TypeError);
    assert.throws(
      () => new Socket('IPv5' as never, { type: 'SOCK_DGRAM' }),
      /a family is IPv4, IPv6 or UNIX/,
    );
  });

  it('port 0, a broadcast that was not allowed, no peer', (t) => {
    leakCheck(t);
    const socket = opened(t, 'IPv4');
    const sent = (address: string, port: number) =>
      failureOf(() => socket.sendTo('x', { address, port }));
    assert.ok(['EINVAL', 'EADDRNOTAVAIL'].includes(sent('127.0.0.1', 0).code));
    assert.match(sent('127.0.0.1', 0).message, /^cannot send to 127\.0\.0\.1:0: E[A-Z]+ \(/);
    assert.equal(sent('255.255.255.255', 9).code, 'EACCES');
    assert.ok(['EDESTADDRREQ', 'ENOTCONN'].includes(failureOf(() => socket.send('x')).code));
  });

  it('a peer that refuses is ECONNREFUSED on a connected socket, once', (t) => {
    leakCheck(t);
    const { receiver, sender, to } = correspondents(t, 'IPv4');
    sender.connect(to);
    receiver.close();
    sender.send('lost');
    const error = failureOf(() => sender.recv(new Uint8Array(8)));
    assert.equal(error.code, 'ECONNREFUSED');
    assert.match(error.message, /^cannot receive from 127\.0\.0\.1:\d+: ECONNREFUSED/);
    sender.setBlocking(false);
    assert.equal(failureOf(() => sender.recv(new Uint8Array(8))).code, 'EAGAIN');
    // Without connect() nothing is reported.
    sender.disconnect();
    sender.sendTo('lost', to);
    assert.equal(failureOf(() => sender.recvFrom(new Uint8Array(8))).code, 'EAGAIN');
  });

  it('a path without a socket, and one whose socket is gone', (t) => {
    leakCheck(t);
    const address = freshAddress(t, 'UNIX path');
    const socket = opened(t, 'UNIX');
    assert.equal(failureOf(() => socket.sendTo('x', address)).code, 'ENOENT');
    const receiver = opened(t, 'UNIX');
    receiver.bind(address);
    receiver.close();
    assert.equal(failureOf(() => socket.sendTo('x', address)).code, 'ECONNREFUSED');
  });

  it('nothing within the timeout, and nothing at once', (t) => {
    leakCheck(t);
    const socket = bound(t, 'IPv4');
    socket.setTimeout(20);
    for (const receive of [
      () => socket.recvFrom(new Uint8Array(8)),
      () => socket.recvMsg(new Uint8Array(8)),
      () => socket.recv(new Uint8Array(8)),
    ]) {
      const error = failureOf(receive);
      assert.equal(error.code, 'ETIMEDOUT');
      assert.match(error.message, /nothing happened within 20 ms/);
    }
    const flags = constants.MSG_DONTWAIT;
    assert.equal(failureOf(() => socket.recvFrom(new Uint8Array(8), 0, 8, flags)).code, 'EAGAIN');
    assert.equal(failureOf(() => socket.recvMsg(new Uint8Array(8), { flags })).code, 'EAGAIN');
    socket.setTimeout(WAIT_MS);
    socket.sendTo('soon', socket.getSockName());
    assert.equal(socket.poll(constants.POLLIN), constants.POLLIN);
    assert.equal(textFrom(socket), 'soon');
  });

  it('a closed socket', (t) => {
    leakCheck(t);
    const socket = new Socket('IPv4', { type: 'SOCK_DGRAM' });
    socket.close();
    const on = { address: '127.0.0.1', port: 9 };
    for (const call of [
      () => socket.sendTo('x', on),
      () => socket.recvFrom(new Uint8Array(1)),
      () => socket.sendMsg('x', { to: on }),
      () => socket.recvMsg(new Uint8Array(1)),
      () => socket.connect(on),
      () => socket.disconnect(),
      () => socket.joinGroup('239.1.2.3'),
    ]) {
      assert.equal(failureOf(call).code, 'EBADF');
    }
  });

  it('a datagram socket takes no connections', (t) => {
    leakCheck(t);
    const socket = bound(t, 'IPv4');
    assert.equal(failureOf(() => socket.listen()).code, 'EOPNOTSUPP');
    assert.throws(
      () => new Socket('IPv4', { type: 'SOCK_RAW' as never }),
      new RangeError(
        'a type is one of SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM, not the string "SOCK_RAW"',
      ),
    );
  });
});

describe('socket: who gets datagrams', () => {
  it('a broadcast comes to all that are bound to its port', (t) => {
    leakCheck(t);
    const receiver = opened(t, 'IPv4');
    receiver.bind({ address: '0.0.0.0', port: 0 });
    const sender = opened(t, 'IPv4');
    sender.setSockOpt('SO_BROADCAST', true);
    sender.sendTo('all', { address: '127.255.255.255', port: portOf(receiver) });
    assert.equal(textFrom(receiver), 'all');
  });

  it('SO_REUSEPORT shares a port between sockets, and the kernel chooses one', (t) => {
    leakCheck(t);
    const sockets = [opened(t, 'IPv4'), opened(t, 'IPv4')] as const;
    for (const socket of sockets) socket.setSockOpt('SO_REUSEPORT', true);
    sockets[0].bind({ address: '127.0.0.1', port: 0 });
    const to = sockets[0].getSockName();
    sockets[1].bind(to);
    const strange = opened(t, 'IPv4');
    assert.equal(failureOf(() => strange.bind(to)).code, 'EADDRINUSE');
    const COUNT = 64;
    for (let count = 0; count < COUNT; count += 1) opened(t, 'IPv4').sendTo('x', to);
    let came = 0;
    for (const socket of sockets) {
      socket.setBlocking(false);
      const buffer = new Uint8Array(8);
      for (; failureCode(() => socket.recv(buffer)) === ''; came += 1);
    }
    assert.equal(came, COUNT);
  });

  it('SO_BINDTODEVICE binds to an interface', { skip: linuxOnly }, (t) => {
    leakCheck(t);
    const receiver = opened(t, 'IPv4');
    receiver.setSockOpt('SO_BINDTODEVICE', 'lo');
    assert.equal(receiver.getSockOpt('SO_BINDTODEVICE'), 'lo');
    receiver.bind({ address: '0.0.0.0', port: 0 });
    opened(t, 'IPv4').sendTo('by lo', { address: '127.0.0.1', port: portOf(receiver) });
    assert.equal(textFrom(receiver), 'by lo');
    const error = failureOf(() => receiver.setSockOpt('SO_BINDTODEVICE', 'nowhere0'));
    assert.match(error.message, /^cannot set SO_BINDTODEVICE: ENODEV/);
  });
});

/** The code of the error that `call` throws, empty for none. */
function failureCode(call: () => unknown): string {
  try {
    call();
    return '';
  } catch (error) {
    return (error as { code: string }).code;
  }
}
