// Goal: what a socket of sockloop/dgram was told before is done as it was told then, and what it
// has given up leaves no timer, no listener and no state behind.
// Method: its parts over handles and lookups that are made up; sockets on the loopback.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import dns from 'node:dns';
import { EventEmitter, once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import { BlockList } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createSocket } from 'sockloop/dgram';
import { BoundSocket } from '#src/adapters/dgram/bound-socket.js';
import { Hosts } from '#src/adapters/dgram/hosts.js';
import { Sends } from '#src/adapters/dgram/sends.js';
import { ThreadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';
import type { DatagramHandle } from '#src/loop/datagram/contract.js';
import type { Loop } from '#src/loop/loop.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';

const sys = nativeSys();

/** The loop of the sockets of a test. */
function looped(t: TestContext): void {
  leakCheck(t);
  const thread = new ThreadLoop();
  useThreadLoop(thread);
  t.after(() => {
    useThreadLoop(null);
    thread.loop.close();
  });
}

const host = '127.0.0.1';
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('dgram: datagrams keep their order, and callbacks their context', async (t) => {
  leakCheck(t);
  let room = 1;
  const taken: string[] = [];
  const handle = {
    send: (bytes: Uint8Array) => {
      if (room === 0) return false;
      room -= 1;
      taken.push(Buffer.from(bytes).toString());
      return true;
    },
    flush: () => undefined,
  };
  const sends = new Sends(sys.abi, () => handle as unknown as DatagramHandle);
  const context = new AsyncLocalStorage<string>();
  const heard: (string | undefined)[] = [];
  for (const text of ['a', 'b', 'c']) {
    context.run(text, () => {
      sends.send(Buffer.from(text), null, () => heard.push(context.getStore()));
    });
    if (text === 'b') room = 1;
  }
  assert.deepEqual(taken, ['a'], 'c does not overtake b');
  await tick();
  room = 2;
  sends.drained();
  assert.deepEqual(taken, ['a', 'b', 'c']);
  sends.settled(3, 0);
  for (let turn = 0; turn < 4; turn++) await tick();
  assert.deepEqual(heard, ['a', 'b', 'c']);
});

test('dgram: a socket that is closed while it rests leaves no timer', () => {
  let cancelled = 0;
  const loop = {
    sys,
    begin: () => undefined,
    backend: { datagrams: () => ({ close: () => undefined }) },
    setTimer: () => ({ cancel: () => (cancelled += 1) }),
  };
  const receiver = {
    received: () => undefined,
    failed: () => undefined,
    closed: () => undefined,
  };
  const socket = new BoundSocket(loop as unknown as Loop, 7, receiver);
  socket.resting(10);
  socket.close();
  assert.equal(cancelled, 1);
  socket.closed();
  assert.equal(cancelled, 1);
});

test('dgram: so many names are remembered, and each that asks hears in its context', (t) => {
  leakCheck(t);
  const { lookup } = dns;
  const answers: (() => void)[] = [];
  dns.lookup = ((_name: string, _family: number, done: (...args: unknown[]) => void) => {
    answers.push(() => done(null, host, 4));
  }) as never;
  syncBuiltinESMExports();
  try {
    const hosts = new Hosts('udp4', undefined, () => 0);
    const context = new AsyncLocalStorage<number>();
    const heard: (number | undefined)[] = [];
    for (const asker of [0, 1]) {
      context.run(asker, () => hosts.find('shared', () => heard.push(context.getStore())));
    }
    assert.equal(answers.length, 1);
    context.run(0, () => answers.shift()?.());
    assert.deepEqual(heard, [0, 1]);
    for (let name = 1; name < 256; name++) hosts.find(`name${name}`, () => undefined);
    for (const answer of answers.splice(0)) answer();
    assert.equal(hosts.known('shared'), host);
    hosts.find('one more', () => undefined);
    answers.shift()?.();
    assert.deepEqual([hosts.known('shared'), hosts.known('one more')], [null, host]);
  } finally {
    dns.lookup = lookup;
    syncBuiltinESMExports();
  }
});

test('dgram: what is sent is what the bytes were, and where they were sent', async (t) => {
  looped(t);
  const receivers = [createSocket('udp4'), createSocket('udp4')] as const;
  const texts: string[] = [];
  for (const [index, receiver] of receivers.entries()) {
    receiver.on('message', (message) => texts.push(`${index} ${message}`));
    receiver.bind(0, host);
    await once(receiver, 'listening');
  }
  const [one, other] = receivers;
  const sender = createSocket({
    type: 'udp4',
    lookup: (_name, _family, done) => setImmediate(() => done(null, host)),
  }).bind(0, host);
  await once(sender, 'listening');
  assert.equal(sender.listenerCount(EventEmitter.errorMonitor), 0);
  const bytes = Buffer.from('named');
  sender.send(bytes, one.address().port, 'some.name');
  bytes.fill('x');
  while (texts.length < 1) await tick();
  const plain = createSocket('udp4').bind(0, host);
  await once(plain, 'listening');
  plain.send('ahead', one.address().port, host);
  plain.connect(other.address().port, host);
  await once(plain, 'connect');
  plain.send('behind');
  while (texts.length < 3) await tick();
  assert.deepEqual(texts.sort(), ['0 ahead', '0 named', '1 behind']);
  for (const socket of [one, other, sender, plain]) {
    socket.close();
    await once(socket, 'close');
  }
});

test('dgram: after a bind or a connect that failed another one may be tried', async (t) => {
  looped(t);
  const taken = createSocket('udp4').bind(0, host);
  await once(taken, 'listening');
  const { port } = taken.address();
  const sendBlockList = new BlockList();
  sendBlockList.addAddress('127.0.0.9');
  const socket = createSocket({ type: 'udp4', sendBlockList });
  socket.bind(port, host);
  const [error] = (await once(socket, 'error')) as [Error & { code: string }];
  assert.equal(error.code, 'EADDRINUSE');
  socket.bind(0, host);
  await once(socket, 'listening');
  const refused = new Promise((resolve) =>
    socket.connect(port, '127.0.0.9', resolve as () => void),
  );
  assert.ok((await refused) instanceof Error);
  assert.throws(() => socket.remoteAddress(), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
  socket.connect(port, host);
  await once(socket, 'connect');
  assert.equal(socket.remoteAddress().port, port);
  for (const one of [socket, taken]) {
    one.close();
    await once(one, 'close');
  }
});

test('dgram: a bind that fails leaves no listener of the sends that waited for it', async (t) => {
  looped(t);
  const socket = createSocket('udp4');
  socket.send('early', 9, host);
  await once(socket, 'listening');
  assert.equal((socket as EventEmitter).listenerCount(EventEmitter.errorMonitor), 0);
  socket.close();
  await once(socket, 'close');
});
