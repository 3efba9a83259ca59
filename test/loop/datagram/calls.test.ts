// Goal: a queue of datagrams loses none to what a kernel may answer: no memory, no segmentation, no
// call for many messages.
// Method: sockets on this machine, with single answers of the kernel replaced.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DatagramOptions, EventLoop } from 'sockloop';
import { createBackend } from '#src/loop/backends.js';
import type { MessageVector } from '#src/sys/message-vector.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck } from '#test/harness/leaks.js';
import { closeAll, recorded, until } from '#test/net/datagram/drive.js';
import { standIn } from '#test/sys/stand-in.js';

const native = nativeSys();
const { errno, constants, structs } = native.abi;
const missing = structs.mmsghdr === undefined ? 'sendmmsg does not exist here' : false;
const unsegmented = constants.UDP_SEGMENT === undefined ? 'there is no UDP_SEGMENT here' : false;

function loopOver(sys: Sys): EventLoop {
  return new EventLoop({ backend: createBackend('poll', sys), sys });
}

/** The numbers of the datagrams `0`, `1`, ... that came. */
function numbersOf({ came }: { readonly came: readonly { readonly text: string }[] }): number[] {
  return came.map(({ text }) => Number.parseInt(text, 10));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Sends `count` datagrams of `bytes` each over `sys`, and expects all in order. */
function exchange(sys: Sys, count: number, bytes: number, options: Partial<DatagramOptions> = {}) {
  const loop = loopOver(sys);
  const server = recorded(loop, { host: '127.0.0.1', receiveBufferBytes: 1 << 20 });
  const client = recorded(loop, { host: '127.0.0.1', ...options });
  for (let number = 0; number < count; number++) {
    assert.ok(client.socket.send(`${number} `.padEnd(bytes, '.'), { to: server.socket.address }));
  }
  until(loop, () => server.came.length >= count, 'all have come');
  assert.deepEqual(numbersOf(server), upTo(count));
  assert.ok(server.came.every(({ length }) => length === bytes));
  const stats = client.socket.stats();
  closeAll(loop, server, client);
  loop.close();
  return stats;
}

test('datagrams: ENOBUFS is waited out, in the middle too', { skip: missing }, (t) => {
  leakCheck(t);
  let calls = 0;
  const sys = standIn(native, {
    sendmmsg: (
      fd: number,
      messages: MessageVector,
      first: number,
      count: number,
      flags: number,
    ) => {
      calls += 1;
      if (calls === 1 || calls === 3) return -errno.ENOBUFS;
      return native.sendmmsg(fd, messages, first, Math.min(count, 7), flags);
    },
  });
  const { sent, refused, sendErrors } = exchange(sys, 50, 100, { gso: false });
  assert.deepEqual([sent, refused, sendErrors], [50, 0, {}]);
});

for (const code of ['EINVAL', 'EIO', 'EMSGSIZE'] as const) {
  const title = `datagrams: ${code} for a message to be cut turns that off, and loses none`;
  test(title, { skip: unsegmented }, (t) => {
    leakCheck(t);
    let cut = 0;
    const sys = standIn(native, {
      sendmmsg: (fd: number, all: MessageVector, first: number, count: number, flags: number) => {
        for (let slot = first; slot < first + count; slot++) {
          if (all.controlLength(slot) === 0) continue;
          cut += 1;
          return slot > first
            ? native.sendmmsg(fd, all, first, slot - first, flags)
            : -(errno[code] ?? 0);
        }
        return native.sendmmsg(fd, all, first, count, flags);
      },
    });
    const { sent, sendErrors } = exchange(sys, 150, 500);
    assert.equal(cut, 1, 'it was tried once');
    assert.deepEqual([sent, sendErrors], [150, {}]);
  });
}

test('datagrams: bytes with a segmentSize are cut here where the kernel does not', (t) => {
  leakCheck(t);
  const loop = loopOver(native);
  const server = recorded(loop, { host: '127.0.0.1', receiveBufferBytes: 1 << 20 });
  const client = recorded(loop, { host: '127.0.0.1', gso: false });
  const bytes = Buffer.alloc(70_001, 's');
  assert.ok(client.socket.send(bytes, { to: server.socket.address, segmentSize: 1000 }));
  until(loop, () => server.came.length === 71, 'all have come');
  assert.deepEqual(
    server.came.map(({ length }) => length),
    [...new Array<number>(70).fill(1000), 1],
  );
  closeAll(loop, server, client);
  loop.close();
});

test('datagrams: slot by slot where there is no call for many messages', (t) => {
  leakCheck(t);
  const { mmsghdr: _, ...others } = structs;
  const refuse = (): never => assert.fail('a call that the platform lacks');
  const sys = standIn(native, {
    abi: { ...native.abi, structs: others },
    sendmmsg: refuse,
    recvmmsg: refuse,
  });
  const { sent } = exchange(sys, 100, 300);
  assert.equal(sent, 100);
});

test('datagrams: a socket whose descriptor was closed elsewhere fails, once', (t) => {
  leakCheck(t);
  let broken = false;
  const sys = standIn(native, {
    recvmmsg: (fd: number, messages: MessageVector, count: number, flags: number) =>
      broken ? -errno.EBADF : native.recvmmsg(fd, messages, count, flags),
  });
  if (missing !== false) return t.skip(missing);
  const loop = loopOver(sys);
  const server = recorded(loop);
  const client = recorded(loop);
  broken = true;
  client.socket.send('x', { to: server.socket.address });
  until(loop, () => server.events.length > 0, 'it has failed');
  assert.deepEqual(server.events, ['close EBADF']);
  assert.equal(server.socket.isOpen, false);
  closeAll(loop, client);
  loop.close();
});
