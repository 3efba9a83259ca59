// Goal: a socket of datagrams sends and receives whole datagrams, on every loop.
// Method: sockets on this machine, over IPv4, IPv6 and UNIX, connected and not.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { DatagramAddress, type DatagramBatch, Socket } from 'sockloop';
import { ifLeftBehind } from '#src/socket/socket-file.js';
import { nativeSys } from '#src/sys/native.js';
import { closeAll, overLoops, recorded, textsOf, until } from './drive.ts';

const sys = nativeSys();
const { constants, behaviours } = sys.abi;

function unixPath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'socket');
}

overLoops('whole, in order, of any length, with the address of the sender', (loop) => {
  const server = recorded(loop);
  const client = recorded(loop);
  const to = server.socket.address;
  assert.equal(to.host, '127.0.0.1');
  assert.equal(client.socket.send('one', { to }), true);
  assert.equal(client.socket.send('', { to: { host: to.host, port: to.port } }), true);
  assert.equal(client.socket.send(Buffer.alloc(65507, 'l'), { to }), true);
  assert.equal(client.socket.sendMany(['a', 'bc', 'def'], { to }), 3);
  assert.equal(client.socket.queuedDatagrams, 6, 'all go at the end of the turn');
  until(loop, () => server.came.length === 6, 'all have come');
  assert.deepEqual(
    server.came.map(({ length }) => length),
    [3, 0, 65507, 1, 2, 3],
  );
  for (const { from } of server.came) assert.equal(from, String(client.socket.address));
  assert.equal(client.socket.queuedBytes, 0);
  const { sent, sentBytes } = client.socket.stats();
  assert.deepEqual([sent, sentBytes], [6, 65507 + 9]);
  assert.equal(server.socket.stats().received, 6);
  closeAll(loop, server, client);
});

overLoops('connected: both ways, and from nobody else', (loop) => {
  const server = recorded(loop);
  const { host, port } = server.socket.address;
  const client = recorded(loop, { connect: { host, port } });
  const stranger = recorded(loop);
  assert.equal(String(client.socket.peer), String(server.socket.address));
  client.socket.send('hello');
  until(loop, () => server.came.length === 1, 'the datagram has come');
  stranger.socket.send('not from the peer', { to: client.socket.address });
  server.socket.send('hello back', { to: client.socket.address });
  until(loop, () => client.came.length === 1, 'the answer has come');
  assert.deepEqual(textsOf(client), ['hello back']);
  assert.throws(() => client.socket.send('x', { to: stranger.socket.address }), RangeError);
  closeAll(loop, server, client, stranger);
});

overLoops('IPv6, and IPv4 over a socket of both families', (loop) => {
  const server = recorded(loop, { host: '::' });
  const { port } = server.socket.address;
  const six = recorded(loop, { host: '::1' });
  const four = recorded(loop);
  six.socket.send('six', { to: { host: '::1', port } });
  four.socket.send('four', { to: { host: '127.0.0.1', port } });
  until(loop, () => server.came.length === 2, 'both have come');
  assert.deepEqual(textsOf(server).sort(), ['four', 'six']);
  server.socket.send('to four', { to: { host: '127.0.0.1', port: four.socket.address.port } });
  server.socket.send('to six', { to: six.socket.address });
  until(loop, () => four.came.length + six.came.length === 2, 'both answers have come');
  assert.deepEqual([...textsOf(four), ...textsOf(six)], ['to four', 'to six']);
  assert.throws(() => four.socket.send('x', { to: six.socket.address }), /the socket is of IPv4/);
  closeAll(loop, server, six, four);
});

overLoops('UNIX sockets, by path, and the file is removed', (loop, t) => {
  const path = unixPath(t);
  const server = recorded(loop, { path });
  const client = recorded(loop, { path: `${path}.client` });
  const unnamed = recorded(loop, { connect: { path } });
  client.socket.send('named', { to: { path } });
  unnamed.socket.send('without a name');
  until(loop, () => server.came.length === 2, 'both have come');
  assert.deepEqual(
    server.came.map(({ from }) => from).sort(),
    [`${path}.client`, 'an unnamed UNIX socket'].sort(),
  );
  server.socket.send('back', { to: DatagramAddress.ofPath(`${path}.client`) });
  until(loop, () => client.came.length === 1, 'the answer has come');
  closeAll(loop, server, client, unnamed);
  assert.equal(existsSync(path), false);
});

overLoops('a file that a dead process left behind is taken over', (loop, t) => {
  const path = unixPath(t);
  const fd = sys.socket(constants.AF_UNIX, constants.SOCK_DGRAM, 0);
  const name = DatagramAddress.ofPath(path).sockaddr;
  assert.equal(sys.bind(fd, name, name.length), 0);
  assert.throws(() => recorded(loop, { path }), { code: 'EADDRINUSE' });
  sys.close(fd);
  // Of servers that start at the same time one takes it.
  const address = { family: 'UNIX', path } as const;
  const duringAnother = () => {
    assert.throws(() => recorded(loop, { path }), { code: 'EADDRINUSE' });
  };
  assert.equal(ifLeftBehind(address, sys, duringAnother, 'SOCK_DGRAM'), true);
  closeAll(loop, recorded(loop, { path }));
});

overLoops('what the kernel tells of a datagram', (loop) => {
  const infos: string[] = [];
  const server = recorded(loop, {
    host: '127.0.0.1',
    info: ['local', 'ecn', 'ttl', 'timestamp'],
    handlers: {
      datagrams: (_, batch) => {
        for (let index = 0; index < batch.length; index++) {
          const ageMs = Date.now() - batch.timestampMs(index);
          assert.ok(ageMs > -1000 && ageMs < 10_000, `received ${ageMs} ms ago`);
          infos.push(`${batch.local(index)} ecn ${batch.ecn(index)} ttl ${batch.ttl(index)}`);
        }
      },
    },
  });
  const client = recorded(loop, { host: '127.0.0.1' });
  const to = server.socket.address;
  client.socket.send('plain', { to });
  client.socket.send('capable', { to, ecn: 2 });
  until(loop, () => infos.length === 2, 'both have come');
  assert.deepEqual(infos, [`${to} ecn 0 ttl 64`, `${to} ecn 2 ttl 64`]);
  closeAll(loop, server, client);
});

overLoops('a datagram is answered from the address that it came to', (loop) => {
  if (constants.IP_PKTINFO === undefined) return;
  const server = recorded(loop, {
    host: '0.0.0.0',
    info: ['local'],
    handlers: {
      datagrams: (socket, batch) => {
        const from = batch.local(0) ?? assert.fail('no local address');
        socket.send('from there', { to: batch.from(0), from });
      },
    },
  });
  const client = recorded(loop, {
    connect: { host: '127.0.0.2', port: server.socket.address.port },
  });
  client.socket.send('to 127.0.0.2');
  until(loop, () => client.came.length === 1, 'the answer has come');
  assert.equal(client.came[0]?.from, `127.0.0.2:${server.socket.address.port}`);
  closeAll(loop, server, client);
});

overLoops('a longer datagram than bytesMax is cut off, and counted', (loop) => {
  const cut: boolean[] = [];
  const server = recorded(loop, {
    host: '127.0.0.1',
    bytesMax: 100,
    handlers: {
      datagrams: (_, batch) => {
        for (let index = 0; index < batch.length; index++) cut.push(batch.truncated(index));
      },
    },
  });
  const client = recorded(loop);
  const to = server.socket.address;
  client.socket.sendMany([Buffer.alloc(100), Buffer.alloc(101), Buffer.alloc(99)], { to });
  until(loop, () => cut.length === 3, 'all have come');
  assert.deepEqual(cut, [false, true, false]);
  assert.deepEqual(
    server.came.map(({ length }) => length),
    [100, 100, 99],
  );
  assert.equal(server.socket.stats().truncated, 1);
  closeAll(loop, server, client);
});

overLoops('pause: the kernel keeps what it has room for', (loop) => {
  const server = recorded(loop);
  const client = recorded(loop);
  server.socket.pause();
  client.socket.send('later', { to: server.socket.address });
  for (let turns = 0; turns < 5; turns++) loop.turn(1);
  assert.deepEqual(server.came, []);
  server.socket.resume();
  until(loop, () => server.came.length === 1, 'it has come');
  closeAll(loop, server, client);
});

overLoops('a batch is over once its handler has returned', (loop) => {
  let kept: DatagramBatch | null = null;
  let bytes: Uint8Array | null = null;
  const server = recorded(loop, {
    host: '127.0.0.1',
    chunks: 'borrowed',
    handlers: {
      datagrams: (_, batch) => {
        kept = batch;
        bytes = batch.bytes(0);
        assert.throws(() => batch.bytes(1), /a batch of 1 datagrams has no datagram 1/);
      },
    },
  });
  const client = recorded(loop);
  client.socket.send('once', { to: server.socket.address });
  until(loop, () => kept !== null && bytes !== null, 'it has come');
  const batch = kept as unknown as DatagramBatch;
  const borrowed = bytes as unknown as Uint8Array;
  assert.equal(batch.length, 0);
  assert.throws(() => batch.from(0), /the batch is over/);
  const to = server.socket.address;
  assert.throws(() => client.socket.send(borrowed, { to }), /whose handler has returned/);
  closeAll(loop, server, client);
});

overLoops('records of SOCK_SEQPACKET, to the end of the connection', (loop) => {
  if (!behaviours.unixSeqpacket) return;
  const pair = new Int32Array(2);
  assert.equal(sys.socketpair(constants.AF_UNIX, constants.SOCK_SEQPACKET, 0, pair), 0);
  const [left = -1, right = -1] = pair;
  const one = recorded(loop, { fd: left });
  const flags = sys.fcntl(left, constants.F_GETFD, 0);
  assert.equal(flags & constants.FD_CLOEXEC, constants.FD_CLOEXEC, 'closed on exec');
  const other = recorded(loop, { fd: right });
  one.socket.sendMany(['a record', 'and another']);
  until(loop, () => other.came.length === 2, 'both have come');
  other.socket.send('an answer');
  until(loop, () => one.came.length === 1, 'the answer has come');
  one.socket.close();
  until(loop, () => other.events.includes('end'), 'the end has come');
  assert.deepEqual(textsOf(other), ['a record', 'and another']);
  closeAll(loop, one, other);
});

overLoops('multicast: a group is joined and left, by the loopback interface', (loop) => {
  const member = recorded(loop, { host: '0.0.0.0' });
  const sender = recorded(loop);
  const to = DatagramAddress.of('239.255.77.7', member.socket.address.port);
  sender.socket.setMulticastInterface('127.0.0.1');
  sender.socket.setSockOpt('IP_MULTICAST_LOOP', true);
  assert.equal(sender.socket.getSockOpt('IP_MULTICAST_LOOP'), true);
  member.socket.joinGroup(to.host, { interface: '127.0.0.1' });
  assert.throws(() => member.socket.joinGroup('127.0.0.1'), RangeError);
  sender.socket.send('to the group', { to });
  until(loop, () => member.came.length === 1, 'it has come');
  member.socket.leaveGroup(to.host, { interface: '127.0.0.1' });
  const left = () => member.socket.leaveGroup(to.host, { interface: '127.0.0.1' });
  assert.throws(left, { code: 'EADDRNOTAVAIL' });
  closeAll(loop, member, sender);
  assert.throws(() => member.socket.joinGroup(to.host), { code: 'EBADF' });
});

overLoops('a descriptor that cannot be used stays with its owner', (loop) => {
  using stream = new Socket('IPv4');
  const fd = stream.fileno();
  assert.throws(() => recorded(loop, { fd }), { code: 'EPROTOTYPE' });
  assert.throws(() => recorded(loop, { fd: 999_999 }), { code: 'EBADF' });
  const mine = recorded(loop);
  assert.throws(() => recorded(loop, { fd: mine.socket.fd }), { code: 'EEXIST' });
  assert.throws(() => recorded(loop, { fd, host: '::1' }), RangeError);
  closeAll(loop, mine);
});
