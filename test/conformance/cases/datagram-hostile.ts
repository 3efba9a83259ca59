import assert from 'node:assert/strict';
import { addressFor, DatagramAddress } from '#src/net/datagram/datagram-address.js';
import { encodeControl } from '#src/sys/control-messages.js';
import type { Sys } from '#src/sys/sys.js';
import { type Case, inEnvironment } from '../case.ts';
import { closeAll, open } from '../datagram-sockets.ts';
import { turnOn, unixPath, until } from '../environment.ts';

// What peers may do to a socket of datagrams, and what a network has no way for.

/** A socket of UNIX datagrams beside the loop. */
function unixSocket(sys: Sys): number {
  const { AF_UNIX, SOCK_DGRAM } = sys.abi.constants;
  const fd = sys.socket(AF_UNIX, SOCK_DGRAM, 0);
  assert.ok(fd >= 0);
  return fd;
}

/** Sends a datagram with `count` descriptors, all of them `fd` itself. */
function passDescriptors(sys: Sys, fd: number, to: DatagramAddress, count: number): void {
  const control = encodeControl(sys.abi, [{ kind: 'SCM_RIGHTS', fds: new Array(count).fill(fd) }]);
  const message = {
    name: to.sockaddr,
    nameLength: to.sockaddr.length,
    buffer: Buffer.from(`${count}`),
    offset: 0,
    length: String(count).length,
    control,
    controlLength: control.length,
    flags: 0,
  };
  assert.equal(sys.sendmsg(fd, message, 0), message.length);
}

export const datagramHostileCases: readonly Case[] = [
  {
    name: 'descriptors that a peer passes are closed and counted, also where they are cut off',
    laws: ['D1'],
    run: inEnvironment((environment) => {
      const { sys } = environment.loop;
      const server = open(environment, { path: unixPath(), info: ['timestamp'] });
      const sender = unixSocket(sys);
      const before = environment.openDescriptors();
      const counts = [1, 3, 200];
      for (const count of counts) passDescriptors(sys, sender, server.socket.address, count);
      until(environment, () => server.texts.length === counts.length, 'all have come');
      turnOn(environment);
      assert.deepEqual(server.texts, counts.map(String));
      assert.equal(environment.openDescriptors(), before);
      const { descriptorsClosed, controlTruncated } = server.socket.stats();
      assert.ok(descriptorsClosed >= 4, `${descriptorsClosed} were closed`);
      assert.equal(controlTruncated, 1, 'there is no room for 200');
      sys.close(sender);
      closeAll(environment, server);
    }),
  },
  {
    name: 'an error of a datagram itself is counted once, and not as that of an earlier one',
    laws: ['D6'],
    run: inEnvironment((environment) => {
      const { sys } = environment.loop;
      const dead = unixPath();
      const left = unixSocket(sys);
      const { sockaddr } = addressFor(sys.abi, { family: 'UNIX', path: dead });
      assert.equal(sys.bind(left, sockaddr, sockaddr.length), 0);
      sys.close(left);
      const unix = open(environment, { path: unixPath() });
      unix.socket.send('to a dead one', { to: { path: dead } });
      // A socket of IPv6 alone has no route to IPv4.
      const six = open(environment, { host: '::1', ipv6Only: true });
      six.socket.send('without a route', { to: { host: '::ffff:127.0.0.1', port: 9 } });
      six.socket.send('to itself', { to: { host: '::1', port: six.to.port } });
      until(environment, () => six.texts.length === 1, 'the other has come');
      turnOn(environment);
      for (const [socket, sendErrors] of [
        [unix.socket, { ECONNREFUSED: 1 }],
        [six.socket, { ENETUNREACH: 1 }],
      ] as const) {
        const stats = socket.stats();
        assert.deepEqual([stats.sendErrors, stats.peerErrors], [sendErrors, {}]);
      }
      sys.unlink(dead);
      closeAll(environment, unix, six);
    }),
  },
  {
    name: 'an answer to port 0, which a sender may have forged, is counted and throws nothing',
    laws: ['D6'],
    run: inEnvironment((environment) => {
      const socket = open(environment);
      const to = DatagramAddress.of('127.0.0.1', 0);
      assert.equal(socket.socket.send('x', { to }), true);
      assert.equal(socket.socket.send(Buffer.alloc(5), { to, segmentSize: 2 }), true);
      socket.socket.send('to itself', { to: socket.to });
      until(environment, () => socket.texts.length === 1, 'the other has come');
      const { sent, sendErrors } = socket.socket.stats();
      assert.deepEqual([sent, sendErrors], [1, { EINVAL: 4 }]);
      closeAll(environment, socket);
      assert.equal(socket.socket.send('x', { to }), false);
    }),
  },
  {
    name: 'what the kernel does not cut, for the MTU of a device, is sent one by one from then on',
    laws: ['D1', 'D2', 'D6'],
    run: (create) => {
      const environment = create({ segmentBytesMax: 1000 });
      const server = open(environment, { receiveBufferBytes: 1 << 20 });
      const client = open(environment);
      const lengths = [1200, 1200, 1200, 700, 1200, 1200, 500];
      for (const length of lengths) client.socket.send(Buffer.alloc(length), { to: server.to });
      client.socket.send(Buffer.alloc(5000), { to: server.to, segmentSize: 1200 });
      const all = [...lengths, 1200, 1200, 1200, 1200, 200];
      until(environment, () => server.lengths.length === all.length, 'all have come');
      client.socket.sendMany([Buffer.alloc(600), Buffer.alloc(600)], { to: server.to });
      until(environment, () => server.lengths.length === all.length + 2, 'two more have come');
      assert.deepEqual(server.lengths, [...all, 600, 600]);
      const { sent, sendErrors } = client.socket.stats();
      assert.deepEqual([sent, sendErrors], [all.length + 2, {}]);
      closeAll(environment, server, client);
      environment.close();
    },
  },
];
