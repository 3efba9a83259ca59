// Goal: options have the right numbers and units.
// Method: set and get on real sockets, and the effect that the peer sees.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { bytesOf, closing, connected, failureOf, kinds, listening } from '../ends.ts';

const { constants } = nativeSys().abi;
const isLinux = process.platform === 'linux';
const linuxOnly = isLinux ? false : 'the option exists on Linux only';

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: options', () => {
  it('flags and numbers read back as set', (t) => {
    leakCheck(t);
    const { client } = connected(t, 'IPv4');
    for (const name of ['SO_KEEPALIVE', 'SO_REUSEADDR', 'SO_REUSEPORT', 'TCP_NODELAY'] as const) {
      for (const value of [true, false, true]) {
        client.setSockOpt(name, value);
        assert.equal(client.getSockOpt(name), value, name);
      }
    }
    client.setSockOpt('IP_TOS', 0x10);
    assert.equal(client.getSockOpt('IP_TOS'), 0x10);
    client.setSockOpt('IP_TTL', 42);
    assert.equal(client.getSockOpt('IP_TTL'), 42);
    client.setSockOpt('TCP_KEEPCNT', 7);
    client.setSockOpt('TCP_KEEPINTVL', 11);
    assert.deepEqual(
      [client.getSockOpt('TCP_KEEPCNT'), client.getSockOpt('TCP_KEEPINTVL')],
      [7, 11],
    );
    assert.ok(client.getSockOpt('TCP_MAXSEG') > 0);
    assert.equal(client.getSockOpt('SO_TYPE'), constants.SOCK_STREAM);
    assert.equal(client.getSockOpt('SO_ERROR'), 0);
  });

  it('a buffer has at least the requested size', (t) => {
    leakCheck(t);
    const { client } = connected(t, 'IPv4');
    client.setSockOpt('SO_RCVBUF', 65536);
    client.setSockOpt('SO_SNDBUF', 65536);
    // Linux doubles them for bookkeeping: socket(7).
    assert.equal(client.getSockOpt('SO_RCVBUF'), isLinux ? 131072 : 65536);
    assert.equal(client.getSockOpt('SO_SNDBUF'), isLinux ? 131072 : 65536);
  });

  it('SO_ACCEPTCONN tells a listener', (t) => {
    leakCheck(t);
    const server = listening(t, 'IPv4');
    const { client } = connected(t, 'IPv4');
    assert.equal(server.getSockOpt('SO_ACCEPTCONN'), true);
    assert.equal(client.getSockOpt('SO_ACCEPTCONN'), false);
  });

  it('SO_LINGER is null for off, or seconds', (t) => {
    leakCheck(t);
    const { client } = connected(t, 'IPv4');
    assert.equal(client.getSockOpt('SO_LINGER'), null);
    client.setSockOpt('SO_LINGER', 5);
    assert.equal(client.getSockOpt('SO_LINGER'), 5);
    client.setSockOpt('SO_LINGER', null);
    assert.equal(client.getSockOpt('SO_LINGER'), null);
  });

  for (const kind of ['IPv4', 'IPv6'] as const) {
    it(`SO_LINGER of 0 makes close() a reset: ${kind}`, (t) => {
      leakCheck(t);
      const { client, accepted } = connected(t, kind);
      client.sendAll(bytesOf('lost'));
      client.setSockOpt('SO_LINGER', 0);
      client.close();
      const error = failureOf(() => {
        for (let round = 0; round < 2; round++) accepted.recv(new Uint8Array(8));
      });
      assert.equal(error.code, 'ECONNRESET');
      assert.equal(error.syscall, 'recv');
      assert.match(error.message, /^cannot receive from \S+: ECONNRESET \(connection reset/);
    });
  }

  it('IPV6_V6ONLY refuses IPv4', (t) => {
    leakCheck(t);
    for (const only of [true, false]) {
      const server = closing(t, new Socket('IPv6'));
      server.setSockOpt('IPV6_V6ONLY', only);
      assert.equal(server.getSockOpt('IPV6_V6ONLY'), only);
      server.bind({ address: '::', port: 0 });
      server.listen();
      const { port } = server.getSockName() as { port: number };
      const client = closing(t, new Socket('IPv4'));
      const connect = () => client.connect({ address: '127.0.0.1', port });
      if (only) {
        assert.equal(failureOf(connect).code, 'ECONNREFUSED');
        continue;
      }
      connect();
      const [accepted, address] = server.accept();
      closing(t, accepted);
      assert.ok(address.family === 'IPv6' && address.address === '::ffff:127.0.0.1');
    }
  });

  it('TCP_INFO counts the bytes of a connection', { skip: linuxOnly }, (t) => {
    leakCheck(t);
    const { client, accepted } = connected(t, 'IPv4');
    client.sendAll(new Uint8Array(1000));
    accepted.recv(new Uint8Array(1000), 0, 1000, constants.MSG_WAITALL);
    const [mine, theirs] = [client.getSockOpt('TCP_INFO'), accepted.getSockOpt('TCP_INFO')];
    assert.equal(mine.tcpi_state, 1);
    assert.equal(theirs.tcpi_bytes_received, 1000);
    assert.equal(mine.tcpi_bytes_sent, 1000);
    assert.ok((mine.tcpi_snd_mss ?? 0) > 500);
    client.shutdown('write');
    assert.equal(accepted.recv(new Uint8Array(1)), 0);
    assert.equal(accepted.getSockOpt('TCP_INFO').tcpi_state, 8);
  });

  it('SO_PEERCRED has the credentials of the peer', { skip: linuxOnly }, (t) => {
    leakCheck(t);
    const credentials = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
    for (const kind of kinds.filter((name) => !name.startsWith('IP'))) {
      const { client, accepted } = connected(t, kind);
      assert.deepEqual(client.getSockOpt('SO_PEERCRED'), credentials, kind);
      assert.deepEqual(accepted.getSockOpt('SO_PEERCRED'), credentials, kind);
    }
  });

  it('strings, domains, cookies and port ranges of Linux', { skip: linuxOnly }, (t) => {
    leakCheck(t);
    const { client, accepted } = connected(t, 'IPv4');
    client.setSockOpt('TCP_CONGESTION', 'reno');
    assert.equal(client.getSockOpt('TCP_CONGESTION'), 'reno');
    assert.equal(client.getSockOpt('SO_DOMAIN'), constants.AF_INET);
    assert.equal(client.getSockOpt('SO_PROTOCOL'), constants.IPPROTO_TCP);
    assert.equal(client.getSockOpt('SO_BINDTODEVICE'), '');
    assert.notEqual(client.getSockOpt('SO_COOKIE'), accepted.getSockOpt('SO_COOKIE'));
    assert.equal(typeof client.getSockOpt('SO_COOKIE'), 'bigint');
    client.setSockOpt('TCP_USER_TIMEOUT', 12_345);
    assert.equal(client.getSockOpt('TCP_USER_TIMEOUT'), 12_345);
    client.setSockOpt('SO_MAX_PACING_RATE', 2 ** 40);
    assert.equal(client.getSockOpt('SO_MAX_PACING_RATE'), 2 ** 40);
  });

  it('the raw calls take the numbers and bytes of C', (t) => {
    leakCheck(t);
    const { client } = connected(t, 'IPv4');
    const { SOL_SOCKET, SO_LINGER } = constants;
    const bytes = new Uint8Array(Int32Array.of(1, 3).buffer);
    client.setSockOptRaw(SOL_SOCKET, SO_LINGER, bytes);
    const value = new Uint8Array(16).fill(0xa5);
    assert.equal(client.getSockOptRaw(SOL_SOCKET, SO_LINGER, value), 8);
    assert.deepEqual([...value.subarray(0, 9)], [1, 0, 0, 0, 3, 0, 0, 0, 0xa5]);
    const short = failureOf(() => client.setSockOptRaw(SOL_SOCKET, SO_LINGER, new Uint8Array(3)));
    assert.equal(short.code, 'EINVAL');
    assert.match(short.message, /^cannot set option \d+ of level \d+: EINVAL \(/);
  });

  it('an error of the kernel names the option', (t) => {
    leakCheck(t);
    const { client } = connected(t, 'pair');
    const unknown = failureOf(() =>
      client.getSockOptRaw(constants.SOL_SOCKET, 9999, bytesOf('abcd')),
    );
    assert.equal(unknown.code, 'ENOPROTOOPT');
    assert.equal(unknown.syscall, 'getsockopt');
    assert.match(unknown.message, /^cannot read option 9999 of level \d+: ENOPROTOOPT \(/);
    const foreign = failureOf(() => client.setSockOpt('TCP_NODELAY', true));
    assert.match(foreign.message, /^cannot set TCP_NODELAY: E[A-Z]+ \(/);
    assert.equal(foreign.syscall, 'setsockopt');
  });

  it('an unknown option does not reach the kernel', (t) => {
    leakCheck(t);
    const { client } = connected(t, 'IPv4');
    const before = client.getSockOpt('SO_RCVBUF');
    assert.throws(() => client.setSockOpt('SO_RCVBUF', -1), RangeError);
    assert.throws(() => client.setSockOpt('SO_RCVBUF', '1' as unknown as number), TypeError);
    assert.equal(client.getSockOpt('SO_RCVBUF'), before);
    const missing = isLinux ? 'TCP_KEEPALIVE' : 'TCP_QUICKACK';
    assert.throws(() => client.getSockOpt(missing), /does not exist on/);
    assert.throws(() => client.getSockOpt('SO_NONSENSE' as 'SO_ERROR'), TypeError);
  });

  it('MSG and POLL numbers are those of the platform', (t) => {
    leakCheck(t);
    assert.equal(connected(t, 'pair').client.constants, constants);
  });
});
