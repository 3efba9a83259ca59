import assert from 'node:assert/strict';
import type { DatagramAddress } from '#src/net/datagram/datagram-address.js';
import { type Case, inEnvironment } from '../case.ts';
import { closeAll, nobody, open } from '../datagram-sockets.ts';
import { turnOn, unixPath, until } from '../environment.ts';

// Errors of datagrams, and wrong arguments: law D6.

export const datagramErrorCases: readonly Case[] = [
  {
    name: 'a datagram to nobody ends nothing: a connected socket counts the refusal',
    laws: ['D6'],
    run: inEnvironment((environment) => {
      const { host, port } = nobody(environment);
      const client = open(environment, { connect: { host, port } });
      client.socket.send('to nobody');
      const refusals = (): number => client.socket.stats().peerErrors['ECONNREFUSED'] ?? 0;
      until(environment, () => refusals() === 1, 'the refusal has come');
      const server = open(environment, { port });
      client.socket.send('to somebody');
      until(environment, () => server.texts.length === 1, 'the next has come');
      assert.deepEqual(client.socket.stats().sendErrors, {});
      assert.deepEqual(client.events, []);
      closeAll(environment, client, server);
    }),
  },
  {
    name: 'a refusal that a send meets costs no other datagram',
    laws: ['D2', 'D6'],
    run: inEnvironment((environment) => {
      const { host, port } = nobody(environment);
      const client = open(environment, { connect: { host, port } });
      client.socket.pause();
      client.socket.send('to nobody');
      turnOn(environment);
      const server = open(environment, { port });
      client.socket.sendMany(['one', 'two']);
      until(environment, () => server.texts.length === 2, 'both have come');
      assert.deepEqual(server.texts, ['one', 'two']);
      assert.equal(client.socket.stats().peerErrors['ECONNREFUSED'], 1);
      closeAll(environment, client, server);
    }),
  },
  {
    name: 'unreachable peers are reported where that was asked for, connected or not',
    laws: ['D6'],
    run: inEnvironment((environment) => {
      if (environment.loop.sys.abi.constants.IP_RECVERR === undefined) {
        assert.throws(() => open(environment, { reportUnreachable: true }), /needs IP_RECVERR/);
        return;
      }
      const to = nobody(environment);
      const client = open(environment, { reportUnreachable: true });
      const connected = open(environment, { connect: to, reportUnreachable: true });
      const server = open(environment);
      client.socket.send('to nobody', { to });
      client.socket.send('to somebody', { to: server.to });
      connected.socket.send('to nobody');
      until(environment, () => client.events.length + connected.events.length === 2, 'both know');
      until(environment, () => server.texts.length === 1, 'the other has come');
      turnOn(environment);
      assert.deepEqual(client.events, [`unreachable ECONNREFUSED ${to}`]);
      assert.deepEqual(connected.events, [`unreachable ECONNREFUSED ${to}`]);
      assert.deepEqual(client.socket.stats().peerErrors, { ECONNREFUSED: 1 });
      closeAll(environment, client, connected, server);
    }),
  },
  {
    name: 'a datagram that is too long for UDP is counted, and those around it are sent',
    laws: ['D6'],
    run: inEnvironment((environment) => {
      const [server, client] = [open(environment), open(environment)];
      for (const length of [10, 65_508, 20]) {
        client.socket.send(Buffer.alloc(length), { to: server.to });
      }
      until(environment, () => server.lengths.length === 2, 'both have come');
      assert.deepEqual(server.lengths, [10, 20]);
      const { sent, sendErrors } = client.socket.stats();
      assert.deepEqual(sendErrors, { EMSGSIZE: 1 });
      assert.equal(sent, 2);
      closeAll(environment, server, client);
    }),
  },
  {
    name: 'a path that nobody has is counted, and the socket goes on',
    laws: ['D6'],
    run: inEnvironment((environment) => {
      const path = unixPath();
      const [server, client] = [
        open(environment, { path }),
        open(environment, { path: `${path}2` }),
      ];
      client.socket.send('lost', { to: { path: `${path}.nobody` } });
      client.socket.send('found', { to: { path } });
      until(environment, () => server.texts.length === 1, 'the other has come');
      assert.deepEqual(client.socket.stats().sendErrors, { ENOENT: 1 });
      closeAll(environment, server, client);
    }),
  },
  {
    name: 'a destination that cannot be is refused at the call, in words',
    laws: [],
    run: inEnvironment((environment) => {
      const client = open(environment);
      const send = (to: object | undefined) => () =>
        client.socket.send('x', { to: to as DatagramAddress });
      for (const [to, message] of [
        [{ host: '127.0.0.1', port: 0 }, 'cannot send to 127.0.0.1:0: a port is a number from 1'],
        [{ host: '127.0.0.1', port: 65_536 }, 'a port is a number from 0 to 65535, not 65536'],
        [{ host: '::1', port: 9 }, 'cannot send to [::1]:9: the socket is of IPv4'],
        [{ path: '/tmp/x' }, 'cannot send to /tmp/x: the socket is of IPv4'],
        [{ host: 'localhost', port: 9 }, 'a datagram is sent to a numeric host, not to the string'],
        [undefined, 'cannot send: the socket is not connected'],
      ] as const) {
        assert.throws(send(to), (error: Error) => error.message.startsWith(message), message);
      }
      assert.throws(() => client.socket.send('x', { to: client.to, ecn: 4 }), RangeError);
      assert.throws(() => client.socket.send('x', { to: client.to, segmentSize: 0 }), RangeError);
      assert.throws(() => client.socket.send(7 as unknown as string, { to: client.to }), TypeError);
      const tooLong = Buffer.alloc(2 ** 20 + 1);
      assert.throws(() => client.socket.send(tooLong, { to: client.to }), RangeError);
      assert.equal(client.socket.queuedDatagrams, 0);
      closeAll(environment, client);
    }),
  },
  {
    name: 'options that cannot be are refused at the call, and nothing stays open',
    laws: [],
    run: inEnvironment((environment) => {
      const before = environment.openDescriptors();
      for (const options of [
        { bytesMax: 0 },
        { bytesMax: 2 ** 21 },
        { queuedBytesMax: 1000 },
        { chunks: 'lent' },
        { info: ['weather'] },
        { gro: 1 },
        { port: -1 },
        { host: '127.0.0.1', path: '/tmp/x' },
        { signal: 1 },
        { connect: { host: '::1', port: 9 }, host: '127.0.0.1' },
      ] as unknown as Parameters<typeof open>[1][]) {
        assert.throws(
          () => open(environment, options),
          (error) => {
            return error instanceof RangeError || error instanceof TypeError;
          },
        );
      }
      const taken = open(environment);
      assert.throws(() => open(environment, { port: taken.to.port }), { code: 'EADDRINUSE' });
      closeAll(environment, taken);
      assert.equal(environment.openDescriptors(), before);
    }),
  },
];
