// Goal: sockets of sockloop/dgram are made, bound, set up and closed as those of node:dgram.
// Method: the same story on both; the events, their order, the results and errors are the same.

import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { Socket as SystemSocket } from 'sockloop/socket';
import { compared, type Stage } from './differential.ts';

const host = '127.0.0.1';

compared('binding, by each kind of argument', async ({ socket, note }) => {
  const binds: ((one: ReturnType<Stage['socket']>) => unknown)[] = [
    (one) => one.bind(),
    (one) => one.bind(0),
    (one) => one.bind(0, host),
    (one) => one.bind(0, 'localhost'),
    (one) => one.bind(() => note('callback', 'alone')),
    (one) => one.bind(0, () => note('callback', 'with a port')),
    (one) => one.bind(0, host, () => note('callback', 'with an address')),
    (one) => one.bind({ port: 0, address: host, exclusive: true }),
    (one) => one.bind({}, () => note('callback', 'with options')),
  ];
  for (const [at, bind] of binds.entries()) {
    const one = socket(`socket ${at}`);
    note('facts', bind(one) === one);
    await once(one, 'listening');
    note('facts', one.address().address, one.address().family, one.address().port > 0);
    one.close(() => note('callback', `closed ${at}`));
    await once(one, 'close');
  }
});

compared('binding IPv6', async ({ socket, note }) => {
  for (const ipv6Only of [false, true]) {
    const one = socket(`ipv6Only ${ipv6Only}`, { type: 'udp6', ipv6Only });
    one.bind(0);
    await once(one, 'listening');
    note('facts', one.address().address, one.address().family);
  }
});

compared('a port and an address that cannot be had', async ({ socket, bound, attempt }) => {
  const taken = await bound('taken');
  const second = socket('second');
  second.bind(taken.address().port, host, () => attempt('second', () => 'called'));
  await new Promise((resolve) => second.once('error', resolve));
  attempt('second', () => second.address());
  second.bind(0, host);
  await once(second, 'listening');
  const far = socket('far');
  far.bind(0, '203.0.113.7');
  await new Promise((resolve) => far.once('error', resolve));
  const six = socket('six');
  six.bind(0, '::1');
  await new Promise((resolve) => six.once('error', resolve));
  attempt('twice', () => taken.bind(0));
});

compared('two sockets of one port, by reuseAddr', async ({ socket, note }) => {
  const options = { type: 'udp4', reuseAddr: true } as const;
  const one = socket('one', options).bind(0, host);
  await once(one, 'listening');
  const other = socket('other', options).bind(one.address().port, host);
  await once(other, 'listening');
  note('facts', one.address().port === other.address().port);
});

compared('before it is bound, and what is wrong', async ({ dgram, socket, attempt, note }) => {
  const one = socket('one');
  note('type', (one as unknown as { type: string }).type);
  attempt('address', () => one.address());
  attempt('remoteAddress', () => one.remoteAddress());
  attempt('setBroadcast', () => one.setBroadcast(true));
  attempt('setTTL', () => one.setTTL(3));
  attempt('setTTL', () => one.setTTL('3' as never));
  attempt('setMulticastTTL', () => one.setMulticastTTL(3));
  attempt('setMulticastLoopback', () => one.setMulticastLoopback(true));
  attempt('setMulticastInterface', () => one.setMulticastInterface(host));
  attempt('setMulticastInterface', () => one.setMulticastInterface('nope'));
  attempt('setMulticastInterface', () => one.setMulticastInterface(3 as never));
  attempt('getRecvBufferSize', () => one.getRecvBufferSize());
  attempt('setSendBufferSize', () => one.setSendBufferSize(-1));
  attempt('getSendQueueSize', () => one.getSendQueueSize());
  attempt('getSendQueueCount', () => one.getSendQueueCount());
  attempt('disconnect', () => one.disconnect());
  attempt('ref', () => one.ref() === one && one.unref() === one);
  const wrong: unknown[] = [
    'x',
    undefined,
    null,
    { type: 'udp4', lookup: 3 },
    { type: 'udp4', recvBufferSize: -3 },
    { type: 'udp4', recvBufferSize: '3' },
    { type: 'udp4', sendBufferSize: 2 ** 40 },
  ];
  for (const options of wrong) attempt('options', () => dgram.createSocket(options as 'udp4'));
  attempt('fd', () => socket('fd').bind({ fd: 1_000_000 }));
  one.close();
  attempt('closed', () => one.close());
  attempt('closed', () => one.bind(0));
  attempt('closed', () => one.address());
  attempt('closed', () => one.send('x', 9));
  attempt('closed', () => one.ref() === one);
  await once(one, 'close');
});

compared('the settings of a bound socket', async ({ bound, attempt, note }) => {
  const one = await bound('one', { type: 'udp4', recvBufferSize: 5000, sendBufferSize: 6000 });
  note('sizes', one.getRecvBufferSize(), one.getSendBufferSize());
  one.setRecvBufferSize(7000);
  one.setSendBufferSize(8000);
  note('sizes', one.getRecvBufferSize(), one.getSendBufferSize());
  attempt('sizes', () => one.setRecvBufferSize(2 ** 31));
  attempt('sizes', () => one.setRecvBufferSize('x' as never));
  for (const ttl of [0, 1, 1.5, 255, 256, -1]) {
    attempt(`ttl ${ttl}`, () => one.setTTL(ttl));
    attempt(`multicast ttl ${ttl}`, () => one.setMulticastTTL(ttl));
  }
  attempt('flags', () => one.setBroadcast(true));
  attempt('flags', () => one.setMulticastLoopback(false));
  attempt('interface', () => one.setMulticastInterface('::1%lo'));
  attempt('interface', () => one.setMulticastInterface(host));
  const six = await bound('six', { type: 'udp6' });
  attempt('six', () => six.setTTL(7));
  attempt('six', () => six.setMulticastTTL(7));
  attempt('six', () => six.setMulticastLoopback(true));
  attempt('six', () => six.setMulticastInterface('::%lo'));
});

compared('multicast groups', async ({ socket, bound, attempt }) => {
  const one = await bound('one');
  attempt('add', () => one.addMembership('239.1.2.3', host));
  attempt('again', () => one.addMembership('239.1.2.3', host));
  attempt('bad', () => one.addMembership('256.1.1.1'));
  attempt('no group', () => one.addMembership(host));
  attempt('bad interface', () => one.addMembership('239.1.2.4', 'x'));
  attempt('none', () => one.addMembership(undefined as never));
  attempt('a number', () => one.addMembership(5 as never));
  attempt('drop', () => one.dropMembership('239.1.2.3', host));
  attempt('drop again', () => one.dropMembership('239.1.2.3', host));
  attempt('source', () => one.addSourceSpecificMembership(host, '232.1.1.1', host));
  attempt('source', () => one.dropSourceSpecificMembership(host, '232.1.1.1', host));
  attempt('source', () => one.dropSourceSpecificMembership(host, '232.1.1.1', host));
  attempt('source', () => one.addSourceSpecificMembership(host, 'fe80::1'));
  attempt('source', () => one.addSourceSpecificMembership(1 as never, '232.1.1.1'));
  attempt('source', () => one.addSourceSpecificMembership(host, 1 as never));
  const six = await bound('six', { type: 'udp6' });
  attempt('six', () => six.addMembership('ff02::114', '::%lo'));
  attempt('six', () => six.dropMembership('ff02::114', '::%lo'));
  attempt('six', () => six.addMembership('ff02::114', host));
  const early = socket('early');
  attempt('early', () => early.addMembership('239.1.2.3', host));
  attempt('early', () => early.address().port > 0);
});

compared('a multicast reaches its group', async ({ socket, bound, note }) => {
  const receiver = socket('receiver', { type: 'udp4', reuseAddr: true });
  receiver.bind(0, '0.0.0.0');
  await once(receiver, 'listening');
  receiver.addMembership('239.9.8.7', host);
  const sender = await bound('sender');
  sender.setMulticastInterface(host);
  sender.setMulticastLoopback(true);
  sender.send('to all', receiver.address().port, '239.9.8.7', (error) => note('sent', error));
  await once(receiver, 'message');
});

compared('a descriptor', async ({ socket, note, attempt }) => {
  const given = new SystemSocket('IPv4', { type: 'SOCK_DGRAM' });
  given.bind({ address: host, port: 0 });
  const one = socket('one');
  one.bind({ fd: given.detach() });
  one.send('hello', one.address().port, host);
  const [, info] = await once(one, 'message');
  note('facts', info.size);
  const stream = new SystemSocket('IPv4');
  attempt('stream', () => socket('stream').bind({ fd: stream.fileno() }));
  stream.close();
});

compared('aborted by a signal, and disposed of', async ({ socket, note }) => {
  const controller = new AbortController();
  const one = socket('one', { type: 'udp4', signal: controller.signal }).bind(0, host);
  await once(one, 'listening');
  controller.abort();
  await once(one, 'close');
  const two = socket('two', { type: 'udp4', signal: controller.signal });
  await once(two, 'close');
  const three = socket('three').bind(0, host);
  await once(three, 'listening');
  await three[Symbol.asyncDispose]();
  await three[Symbol.asyncDispose]();
  note('facts', 'disposed of twice');
});

compared('the channel of diagnostics', async ({ dgram, note }) => {
  const heard: unknown[] = [];
  const listener = (message: unknown): void => {
    heard.push((message as { socket: unknown }).socket);
  };
  const sockets = channel('udp.socket');
  sockets.subscribe(listener);
  const one = dgram.createSocket('udp4');
  sockets.unsubscribe(listener);
  note('facts', heard.length, heard[0] === one);
  one.close();
  await once(one, 'close');
});
