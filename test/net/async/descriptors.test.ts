// Goal: sockets that were opened elsewhere work like those of the loop, and any other descriptor is
// refused in words, unchanged and still open.
// Method: sockets of the blocking interface, and descriptors of every wrong kind, over each poller.

import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync } from 'node:fs';
import { createConnection, createServer, type EventLoop, Socket } from 'sockloop';
import { overPollers, run, unixPath } from '../stream/pollers.ts';
import { portOf, settled, textOf, until } from './drive.ts';

const host = '127.0.0.1';

/** A bound datagram socket. */
function datagramSocket({ sys }: EventLoop): number {
  const fd = sys.socket(sys.abi.constants.AF_INET, 2, 0);
  assert.ok(fd >= 0);
  return fd;
}

/** A TCP socket that was connected, and whose peer is `other`. */
function connectedPair(): { one: Socket; other: Socket } {
  using server = createServer({ host, port: 0 });
  const address = server.getSockName();
  assert.ok(address.family === 'IPv4');
  const one = createConnection({ host, port: address.port });
  const [other] = server.accept();
  return { one, other };
}

overPollers('adopt: TCP and UNIX sockets, with handlers', async (_, loop) => {
  for (const [one, other] of [Object.values(connectedPair()), Socket.pair()] as Socket[][]) {
    assert.ok(one !== undefined && other !== undefined);
    const events: string[] = [];
    const fd = one.detach();
    const connection = loop.adopt(fd, {
      handlers: {
        open: () => void events.push('open'),
        data: (_connection, chunk) => void events.push(Buffer.from(chunk).toString()),
        close: () => void events.push('close'),
      },
    });
    assert.equal(connection.fd, fd);
    assert.ok(connection.isOpen);
    assert.equal(connection.write('to you'), true);
    other.sendAll('to me');
    other.shutdown('write');
    await run(loop);
    assert.deepEqual(events, ['to me', 'close']);
    const bytes = new Uint8Array(20);
    assert.equal(Buffer.from(bytes.subarray(0, other.recv(bytes))).toString(), 'to you');
    assert.equal(other.recv(bytes), 0, 'the end');
    other.close();
  }
});

overPollers('adopt: without handlers, for await', async (_, loop) => {
  const { one, other } = connectedPair();
  const server = loop.adopt(one.detach());
  const client = loop.adopt(other.detach(), { queueBytesHigh: 10 });
  assert.equal(server.connection.getSockOpt('TCP_NODELAY'), true);
  assert.deepEqual(server.remoteAddress, client.localAddress);
  const { fd } = server.connection;
  assert.throws(() => loop.adopt(fd), {
    message: `cannot adopt descriptor ${fd}: EEXIST (the loop has it already)`,
  });
  const text = textOf(server);
  await settled(loop, client.end('hello'));
  assert.equal(await settled(loop, text), 'hello');
});

/** What is refused, each by `attempt`, which gets a descriptor. */
function assertRefused(loop: EventLoop, what: string, attempt: (fd: number) => unknown): void {
  const refused = (fd: number, end: string): void => {
    assert.throws(() => attempt(fd), { message: `cannot ${what} descriptor ${fd}: ${end}` });
    assert.ok(loop.sys.fcntl(fd, loop.sys.abi.constants.F_GETFD, 0) >= 0, 'it is open');
  };
  const gone = openSync('/dev/null', 'r');
  closeSync(gone);
  assert.throws(() => attempt(gone), {
    message: `cannot ${what} descriptor ${gone}: EBADF (bad file descriptor)`,
    code: 'EBADF',
    syscall: 'fcntl',
  });
  for (const bad of [-1, 1.5, Number.NaN, '3' as never, 2 ** 31]) {
    assert.throws(() => attempt(bad), /^\w*Error: a descriptor is a number from 0 to 2147483647/);
  }
  const file = openSync('/dev/null', 'r');
  refused(file, 'ENOTSOCK (socket operation on non-socket)');
  closeSync(file);
  const datagrams = datagramSocket(loop);
  refused(datagrams, 'EPROTOTYPE (it is no stream socket)');
  closeSync(datagrams);
  using listening = createServer({ host, port: 0 });
  using fresh = new Socket('IPv4');
  const { one, other } = connectedPair();
  using left = one;
  using right = other;
  if (what === 'adopt') {
    refused(listening.fileno(), 'EINVAL (it listens: pass it to listen())');
    refused(fresh.fileno(), 'ENOTCONN (transport endpoint is not connected)');
  } else {
    refused(fresh.fileno(), 'EINVAL (it is no listening socket)');
    refused(left.fileno(), 'EINVAL (it is no listening socket)');
  }
  // What was refused is as it was: blocking.
  const { F_GETFL, O_NONBLOCK } = loop.sys.abi.constants;
  for (const socket of [listening, fresh, left, right]) {
    assert.equal(loop.sys.fcntl(socket.fileno(), F_GETFL, 0) & O_NONBLOCK, 0);
  }
}

overPollers('adopt: what is no connected stream socket', (_, loop) => {
  assertRefused(loop, 'adopt', (fd) => loop.adopt(fd, { handlers: {} }));
  assertRefused(loop, 'adopt', (fd) => loop.adopt(fd));
  const [one, other] = Socket.pair();
  assert.throws(() => loop.adopt(one.fileno(), { handlers: 7 as never }), TypeError);
  assert.throws(() => loop.adopt(one.fileno(), { queueBytesHigh: -1 }), RangeError);
  one.close();
  other.close();
  loop.close();
  assert.throws(
    () => loop.adopt(0, { handlers: {} }),
    /^Error: cannot adopt a descriptor: the loop/,
  );
});

overPollers('listen: on a descriptor that is no listening socket', (_, loop) => {
  assertRefused(loop, 'listen on', (fd) => loop.listen({ fd, handlers: {} }));
  using server = createServer({ host, port: 0 });
  const fd = server.fileno();
  assert.throws(() => loop.listen({ fd, backlog: 5, handlers: {} }), RangeError);
  assert.throws(() => loop.listen({ fd, reusePort: false, handlers: {} }), RangeError);
  assert.throws(() => loop.listen({ fd, host, port: 0, handlers: {} } as never), RangeError);
});

overPollers('listen: on an inherited socket of TCP', async (_, loop) => {
  const server = createServer({ host, port: 0 });
  const address = server.getSockName();
  const fd = server.detach();
  const listener = loop.listen({ fd });
  assert.deepEqual(listener.address, address);
  assert.ok(loop.fds().includes(fd));
  assert.throws(() => loop.listen({ fd }), { code: 'EEXIST' });
  const next = listener[Symbol.asyncIterator]().next();
  const client = await settled(loop, loop.connectAsync({ host, port: portOf(listener) }));
  const { value: connection } = await settled(loop, next);
  assert.equal(connection?.connection.getSockOpt('TCP_NODELAY'), true);
  const text = textOf(client);
  await settled(loop, connection?.end('hello') ?? Promise.resolve());
  assert.equal(await settled(loop, text), 'hello');
  await client.end();
  listener.close();
  await until(loop, () => !loop.alive, 'all is closed');
});

overPollers('listen: on an inherited UNIX socket, whose file stays', async (t, loop) => {
  const path = unixPath(t);
  const listener = loop.listen({ fd: createServer({ path }).detach(), handlers: {} });
  assert.deepEqual(listener.address, { family: 'UNIX', path });
  assert.equal(listener.port, null);
  const client = await settled(loop, loop.connectAsync({ path }));
  const text = textOf(client);
  await settled(loop, client.end());
  assert.equal(await settled(loop, text), '');
  listener.close();
  assert.equal(listener.removeFile(), null);
  assert.ok(existsSync(path));
});
