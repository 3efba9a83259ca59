// Goal: SOCK_SEQPACKET keeps records apart, Multipath TCP carries a stream, and a platform without
// them says so in a sentence.
// Method: real sockets; a table that lacks what macOS and FreeBSD lack.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { closing, failureOf, freshAddress } from './ends.ts';

const native = nativeSys();
const isLinux = process.platform === 'linux';
const withoutSeqpacket = native.abi.behaviours.unixSeqpacket
  ? false
  : 'UNIX sockets have no SOCK_SEQPACKET here';
const linuxOnly = isLinux ? false : 'Multipath TCP exists on Linux only';

function text(bytes: Uint8Array, length: number): string {
  return new TextDecoder().decode(bytes.subarray(0, length));
}

test('SOCK_SEQPACKET keeps records apart, of connections and pairs', {
  skip: withoutSeqpacket,
}, (t) => {
  leakCheck(t);
  const type = 'SOCK_SEQPACKET';
  const server = closing(t, new Socket('UNIX', { type }));
  server.bind(freshAddress(t, 'UNIX path'));
  server.listen();
  const client = closing(t, new Socket('UNIX', { type }));
  client.connect(server.getSockName());
  const accepted = closing(t, server.accept()[0]);
  const [left, right] = Socket.pair({ type });
  closing(t, left);
  closing(t, right);
  for (const [from, to] of [
    [client, accepted],
    [accepted, client],
    [left, right],
  ] as const) {
    assert.equal(from.getSockOpt('SO_TYPE'), from.constants.SOCK_SEQPACKET);
    for (const record of ['one', 'two', 'longer', 'last']) from.sendAll(record);
    const bytes = new Uint8Array(4);
    assert.equal(text(bytes, to.recv(bytes)), 'one');
    assert.equal(text(bytes, to.recv(bytes)), 'two');
    const cut = to.recvMsg(bytes);
    assert.deepEqual([text(bytes, cut.length), cut.truncated], ['long', true]);
    assert.equal(text(bytes, to.recv(bytes)), 'last');
    from.shutdown('write');
    assert.equal(to.recv(bytes), 0);
  }
});

test('Multipath TCP carries a stream, and falls back to TCP', { skip: linuxOnly }, (t) => {
  leakCheck(t);
  const protocol = 'IPPROTO_MPTCP';
  const server = closing(t, new Socket('IPv4', { protocol }));
  server.bind({ address: '127.0.0.1', port: 0 });
  server.listen();
  for (const client of [new Socket('IPv4', { protocol }), new Socket('IPv4')]) {
    closing(t, client);
    client.connect(server.getSockName());
    const accepted = closing(t, server.accept()[0]);
    client.sendAll('by any path');
    const bytes = new Uint8Array(16);
    assert.equal(text(bytes, accepted.recv(bytes)), 'by any path');
  }
  assert.equal(server.getSockOpt('SO_PROTOCOL'), server.constants.IPPROTO_MPTCP);
});

test('what the platform, the kernel or the family lacks is named', (t) => {
  leakCheck(t);
  const { abi } = native;
  const { IPPROTO_MPTCP, MSG_ERRQUEUE, ...constants } = abi.constants;
  assert.equal(IPPROTO_MPTCP === undefined, MSG_ERRQUEUE === undefined);
  const behaviours = { ...abi.behaviours, unixSeqpacket: false };
  const sys = standIn(native, { abi: { ...abi, constants, behaviours } });
  assert.throws(
    () => new Socket('IPv4', { sys, protocol: 'IPPROTO_MPTCP' }),
    new RangeError(`IPPROTO_MPTCP does not exist on ${abi.platform}`),
  );
  const seqpacket = new RangeError(`SOCK_SEQPACKET of UNIX does not exist on ${abi.platform}`);
  assert.throws(() => new Socket('UNIX', { sys, type: 'SOCK_SEQPACKET' }), seqpacket);
  assert.throws(() => Socket.pair({ sys, type: 'SOCK_SEQPACKET' }), seqpacket);
  const error = failureOf(() => new Socket('IPv4', { type: 'SOCK_SEQPACKET' }));
  assert.match(error.message, /^cannot open an IPv4 socket of SOCK_SEQPACKET: E[A-Z]+ \(/);
  const unix = failureOf(() => new Socket('UNIX', { protocol: 'IPPROTO_MPTCP' }));
  assert.match(unix.message, /^cannot open a UNIX socket of IPPROTO_MPTCP: E[A-Z]+ \(/);
  assert.throws(
    () => new Socket('IPv4', { protocol: 'IPPROTO_UDP' as never }),
    /a protocol is IPPROTO_MPTCP, or left out, not the string "IPPROTO_UDP"/,
  );
});

test('where recvmsg(2) cannot, the socket sets close-on-exec', (t) => {
  leakCheck(t);
  const { MSG_CMSG_CLOEXEC, ...constants } = native.abi.constants;
  const sys = standIn(native, { abi: { ...native.abi, constants } });
  const [left, right] = Socket.pair({ sys, type: 'SOCK_DGRAM' });
  closing(t, left);
  closing(t, right);
  left.sendMsg('x', { control: [{ kind: 'SCM_RIGHTS', fds: [left.fileno()] }] });
  const [rights] = right.recvMsg(new Uint8Array(1)).control;
  assert.ok(rights?.kind === 'SCM_RIGHTS');
  const [fd = -1] = rights.fds;
  using passed = new Socket('UNIX', { sys, fd });
  const { F_GETFD, FD_CLOEXEC } = native.abi.constants;
  assert.equal(native.fcntl(passed.fileno(), F_GETFD, 0), FD_CLOEXEC);
});

test('disconnect() is done also where the kernel answers with an error, as the BSDs do', (t) => {
  leakCheck(t);
  const EAFNOSUPPORT = native.abi.errno['EAFNOSUPPORT'] ?? 0;
  let answers = (result: number): number => result;
  const sys = standIn(native, {
    connect: (fd, address, length) => answers(native.connect(fd, address, length)),
  });
  const socket = closing(t, new Socket('IPv4', { sys, type: 'SOCK_DGRAM' }));
  socket.connect({ address: '127.0.0.1', port: 9 });
  answers = () => -EAFNOSUPPORT;
  socket.disconnect();
  assert.equal(failureOf(() => socket.getPeerName()).code, 'ENOTCONN');
  // One that has not been done is an error.
  answers = (result) => result;
  socket.connect({ address: '127.0.0.1', port: 9 });
  const refusing = standIn(native, { connect: () => -EAFNOSUPPORT });
  const same = new Socket('IPv4', { sys: refusing, type: 'SOCK_DGRAM', fd: socket.fileno() });
  const error = failureOf(() => same.disconnect());
  same.detach();
  assert.match(error.message, /^cannot disconnect: EAFNOSUPPORT \(/);
});
