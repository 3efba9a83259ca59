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
