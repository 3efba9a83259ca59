// Goal: a program learns who is at the other end of a UNIX socket, and cannot be lied to; a
// descriptor passes to another process.
// Method: pairs, connections, a second process of Node.js, and one of Python.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type ControlMessage,
  receiveDescriptors,
  Socket,
  sendDescriptors,
} from '#src/socket/index.js';
import { leakCheck, openFds } from '#test/harness/leaks.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { opened, textFrom, WAIT_MS } from './datagram-ends.ts';
import { closing, connected, failureOf } from './ends.ts';

const isLinux = process.platform === 'linux';
const linuxOnly = isLinux ? false : 'SCM_CREDENTIALS exists on Linux only';
const buffer = new Uint8Array(64);

const own = {
  pid: process.pid,
  uid: process.getuid?.() ?? -1,
  gid: process.getgid?.() ?? -1,
} as const;

test('the peer of a connection and of a pair is this process', (t) => {
  leakCheck(t);
  const { client, accepted } = connected(t, 'UNIX path');
  const [left, right] = Socket.pair({ type: 'SOCK_DGRAM' });
  t.after(() => void [left, right].map((socket) => socket.close()));
  for (const socket of [client, accepted, left, right]) {
    const { pid, uid, gid } = socket.getPeerCredentials();
    assert.deepEqual({ uid, gid }, { uid: own.uid, gid: own.gid });
    if (pid !== null) assert.equal(pid, own.pid);
  }
});

test('without a peer there is an error, and no user of -1', (t) => {
  leakCheck(t);
  const error = failureOf(() => opened(t, 'UNIX').getPeerCredentials());
  assert.ok(['ENOTCONN', 'EINVAL'].includes(error.code), error.message);
  if (isLinux) {
    const words = 'it has no peer, or none that was there when it was connected';
    assert.equal(error.message, `cannot read the credentials of a peer: ENOTCONN (${words})`);
  }
  assert.throws(
    () => opened(t, 'IPv4').getPeerCredentials(),
    new RangeError('credentials are those of UNIX sockets, and this one is IPv4'),
  );
});

test('the sender of a datagram, by the kernel and by its own word', { skip: linuxOnly }, (t) => {
  leakCheck(t);
  const [left, right] = Socket.pair({ type: 'SOCK_DGRAM' });
  t.after(() => void [left, right].map((socket) => socket.close()));
  right.setSockOpt('SO_PASSCRED', true);
  const mine: ControlMessage = { kind: 'SCM_CREDENTIALS', ...own };
  left.send('x');
  assert.deepEqual(right.recvMsg(buffer).control, [mine]);
  left.sendMsg('x', { control: [mine] });
  assert.deepEqual(right.recvMsg(buffer).control, [mine]);
  // A process that is not there, also for those who may say they are another.
  const forged: ControlMessage = { ...mine, pid: 2 ** 31 - 1 };
  const error = failureOf(() => left.sendMsg('x', { control: [forged] }));
  assert.ok(['EPERM', 'ESRCH'].includes(error.code), error.message);
});

test('descriptors come with a datagram, closed on exec, to be closed by the receiver', (t) => {
  leakCheck(t);
  const [left, right] = Socket.pair({ type: 'SOCK_DGRAM' });
  t.after(() => void [left, right].map((socket) => socket.close()));
  const [near, far] = Socket.pair();
  closing(t, near);
  left.sendMsg('two', {
    control: [{ kind: 'SCM_RIGHTS', fds: [far.fileno(), far.fileno()] }],
  });
  far.close();
  const { control } = right.recvMsg(buffer);
  assert.equal(control.length, 1);
  const [rights] = control;
  assert.ok(rights?.kind === 'SCM_RIGHTS' && rights.fds.length === 2);
  for (const fd of rights.fds) {
    using passed = new Socket('UNIX', { fd });
    passed.sendAll('ab');
  }
  assert.equal(near.recv(buffer, 0, 4, near.constants.MSG_WAITALL), 4);
  const before = openFds().size;
  // No room for them: the kernel closes them.
  left.sendMsg('none', { control: [{ kind: 'SCM_RIGHTS', fds: [near.fileno()] }] });
  const cut = right.recvMsg(buffer, { controlBytes: 0 });
  assert.deepEqual([cut.length, cut.controlTruncated], [4, true]);
  assert.equal(openFds().size, before);
  const closed = failureOf(() =>
    left.sendMsg('x', { control: [{ kind: 'SCM_RIGHTS', fds: [99_999] }] }),
  );
  assert.equal(closed.code, 'EBADF');
});

/** A process of Node.js with `fd` as its descriptor 3, that runs descriptor-peer.js. */
function peerProcess(fd: number) {
  const file = fileURLToPath(new URL('./descriptor-peer.js', import.meta.url));
  return spawn(process.execPath, [file], { stdio: ['ignore', 'inherit', 'inherit', fd] });
}

test('a descriptor passes between two processes of sockloop, both ways', async (t) => {
  leakCheck(t);
  const [ours, theirs] = Socket.pair();
  closing(t, ours);
  const [near, far] = Socket.pair();
  closing(t, near);
  near.setTimeout(WAIT_MS);
  ours.setTimeout(WAIT_MS);
  const peer = peerProcess(theirs.fileno());
  const over = once(peer, 'close');
  theirs.close();
  sendDescriptors(ours, [far.fileno()], 'take this');
  far.close();
  // It writes into what it got, and passes a listener of its own.
  assert.equal(near.recv(buffer, 0, 9, near.constants.MSG_WAITALL), 9);
  assert.equal(Buffer.from(buffer.subarray(0, 9)).toString(), 'take this');
  const { fds, bytes } = receiveDescriptors(ours, 1);
  assert.equal(Buffer.from(bytes).toString(), 'a listener');
  using listener = new Socket('IPv4', { fd: fds[0] ?? -1 });
  using client = new Socket('IPv4');
  client.connect(listener.getSockName());
  closing(t, listener.accept()[0]);
  assert.deepEqual(await over, [0, null]);
});

/** Takes descriptors of a datagram, and writes into each. */
const PYTHON = `
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM, fileno=3)
data, fds, flags, address = socket.recv_fds(s, 1024, 253)
for fd in fds: os.write(fd, data)
s.send(str(len(fds)).encode())
`;

test('Python takes 253 descriptors of one datagram', {
  skip: reasonWithout('python3'),
}, async (t) => {
  leakCheck(t);
  const [ours, theirs] = Socket.pair({ type: 'SOCK_DGRAM' });
  t.after(() => void [ours, theirs].map((socket) => socket.close()));
  const [near, far] = Socket.pair();
  closing(t, near);
  closing(t, far);
  ours.setTimeout(WAIT_MS);
  near.setTimeout(WAIT_MS);
  const peer = spawn('python3', ['-c', PYTHON], {
    stdio: ['ignore', 'inherit', 'inherit', theirs.fileno()],
  });
  const over = once(peer, 'close');
  const fds = Array.from({ length: 253 }, () => far.fileno());
  sendDescriptors(ours, fds, '!');
  assert.equal(textFrom(ours), '253');
  const bytes = new Uint8Array(256);
  assert.equal(near.recv(bytes, 0, 253, near.constants.MSG_WAITALL), 253);
  assert.deepEqual(await over, [0, null]);
  // One more is too many for the kernel as well.
  const control: ControlMessage[] = [{ kind: 'SCM_RIGHTS', fds: [...fds, far.fileno()] }];
  if (isLinux) assert.equal(failureOf(() => ours.sendMsg('x', { control })).code, 'EINVAL');
  assert.throws(() => sendDescriptors(ours, [...fds, 0]), /1 to 253 descriptors, not 254/);
});
