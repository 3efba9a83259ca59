// Goal: descriptors pass over UNIX sockets to and from any program, and none is lost or leaks.
// Method: pairs of sockets in one process, Python's socket.send_fds and recv_fds, what must fail.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { receiveDescriptors, Socket, sendDescriptors } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import type { Scope } from '#test/harness/command.js';
import { leakCheck, openFds } from '#test/harness/leaks.js';
import { reasonWithout } from '#test/harness/other-programs.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

function pair(scope: Scope): [Socket, Socket] {
  const sockets = Socket.pair();
  scope.after(() => {
    for (const socket of sockets) socket.close();
  });
  return sockets;
}

test('descriptors arrive in order, closed on exec, with their bytes', (t) => {
  leakCheck(t);
  const sys = nativeSys();
  const [left, right] = pair(t);
  for (const count of [1, 2, 253]) {
    const [near, far] = pair(t);
    const fds = Array.from({ length: count }, (_, index) => (index === 0 ? far : near).fileno());
    assert.equal(sendDescriptors(left, fds, 'some bytes'), 10);
    const received = receiveDescriptors(right, count);
    assert.equal(text(received.bytes), 'some bytes');
    assert.equal(received.fds.length, count);
    const { F_GETFD, FD_CLOEXEC } = sys.abi.constants;
    for (const fd of received.fds) assert.equal(sys.fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
    new Socket('UNIX', { fd: received.fds[0] ?? -1 }).sendAll('through it');
    assert.equal(near.recv(new Uint8Array(16)), 10);
    for (const fd of received.fds) sys.close(fd);
  }
  // One byte goes with them by itself; bytes alone bring no descriptors, and the end no bytes.
  sendDescriptors(left, [right.fileno()]);
  const { fds, bytes } = receiveDescriptors(right, 1);
  assert.deepEqual([fds.length, [...bytes]], [1, [0]]);
  for (const fd of fds) sys.close(fd);
  left.sendAll('bytes');
  assert.deepEqual(text(receiveDescriptors(right, 1).bytes), 'bytes');
  left.shutdown('write');
  assert.deepEqual(receiveDescriptors(right, 1), { fds: [], bytes: new Uint8Array(0) });
});

test('more than there is room for is an error, and what came is closed', (t) => {
  leakCheck(t);
  const [left, right] = pair(t);
  for (const [sent, max] of [
    [2, 1],
    [3, 2],
    [253, 1],
    [253, 252],
  ] as const) {
    sendDescriptors(
      left,
      Array.from({ length: sent }, () => left.fileno()),
    );
    const before = openFds().size;
    assert.throws(() => receiveDescriptors(right, max), {
      name: 'SysError',
      code: 'EMSGSIZE',
      message:
        `cannot receive descriptors: EMSGSIZE (more came than ${max}, ` +
        'or than can be opened; those that came are closed)',
    });
    assert.equal(openFds().size, before);
  }
  // The connection goes on.
  left.sendAll('on');
  assert.equal(text(receiveDescriptors(right, 1).bytes), 'on');
});

test('what cannot be sent or received says why', (t) => {
  leakCheck(t);
  const [left, right] = pair(t);
  using tcp = new Socket('IPv4');
  assert.throws(() => sendDescriptors(left, [left.fileno(), 99_999]), {
    code: 'EBADF',
    syscall: 'sendmsg',
    message: /^cannot send the descriptors \d+, 99999: EBADF/,
  });
  const many = Array.from({ length: 254 }, () => left.fileno());
  assert.throws(() => sendDescriptors(left, many), {
    name: 'RangeError',
    message: 'a message takes 1 to 253 descriptors, not 254',
  });
  assert.throws(() => sendDescriptors(left, []), RangeError);
  assert.throws(() => sendDescriptors(left, [-1]), RangeError);
  assert.throws(() => sendDescriptors(left, 3 as never), TypeError);
  assert.throws(() => sendDescriptors(left, [0], ''), RangeError);
  assert.throws(() => sendDescriptors(tcp, [0]), /descriptors pass over a socket of UNIX/);
  assert.throws(() => receiveDescriptors(tcp, 1), /descriptors pass over a socket of UNIX/);
  assert.throws(() => receiveDescriptors(right, 0), RangeError);
  assert.throws(() => receiveDescriptors(right, 254), RangeError);
  right.setBlocking(false);
  assert.throws(() => receiveDescriptors(right, 1), { code: 'EAGAIN' });
  right.close();
  assert.throws(() => sendDescriptors(left, [0]), { code: 'EPIPE' });
});

/** Takes two descriptors, writes into each, and sends the first one back. */
const PEER = `
import os, socket
s = socket.socket(fileno=3)
data, fds, flags, address = socket.recv_fds(s, 1024, 4)
for fd in fds: os.write(fd, data)
socket.send_fds(s, [b'back'], fds[:1])
`;

test('Python takes them and gives one back', { skip: reasonWithout('python3') }, async (t) => {
  leakCheck(t);
  const [own, theirs] = pair(t);
  const [near, far] = pair(t);
  const stdio = ['ignore', 'inherit', 'inherit', theirs.fileno()] as const;
  const peer = spawn('python3', ['-c', PEER], { stdio: [...stdio] });
  const over = once(peer, 'close');
  sendDescriptors(own, [far.fileno(), far.fileno()], 'abc');
  const { fds, bytes } = receiveDescriptors(own, 8);
  assert.equal(text(bytes), 'back');
  assert.equal(fds.length, 1);
  const { MSG_WAITALL } = near.constants;
  const buffer = new Uint8Array(6);
  assert.equal(near.recv(buffer, 0, 6, MSG_WAITALL), 6);
  assert.equal(text(buffer), 'abcabc');
  using returned = new Socket('UNIX', { fd: fds[0] ?? -1 });
  returned.sendAll('from it');
  assert.deepEqual(await over, [0, null]);
});
