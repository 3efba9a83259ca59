// Goal: a turn makes as many calls as its budgets say: not one more, and not fewer for ever.
// Method: the calls of each turn counted over this kernel, with the answers that take no memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Connection, EventLoop } from 'sockloop';
import { backends, createBackend } from '#src/loop/backends.js';
import type { MessageVector } from '#src/sys/message-vector.js';
import { nativeSys } from '#src/sys/native.js';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import type { Sys } from '#src/sys/sys.js';
import { portOf } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';

const native = nativeSys();
const { abi } = native;
const TURNS_MAX = 2000;

/** One test for each poller of this machine. */
function overPollers(title: string, body: (name: string) => void): void {
  for (const { name, available } of backends.filter((one) => one.name !== 'io_uring')) {
    const here = available(native);
    const skip = here === true ? false : here.reason;
    test(`budgets: ${title} (${name})`, { skip, timeout: 60_000 }, (t) => {
      leakCheck(t);
      body(name);
    });
  }
}

function loopOver(name: string, own: Partial<Sys>): EventLoop {
  const sys = standIn(native, own);
  return new EventLoop({ backend: createBackend(name as 'poll', sys), sys });
}

/** What `count()` gains in each turn, until `done`. */
function perTurn(loop: EventLoop, count: () => number, done: () => boolean): number[] {
  const gains: number[] = [];
  while (!done()) {
    assert.ok(gains.length < TURNS_MAX, `waited in vain: ${gains.filter((gain) => gain > 0)}`);
    const before = count();
    loop.turn(5);
    gains.push(count() - before);
  }
  return gains.filter((gain) => gain > 0);
}

function loopback(port: number): { readonly address: Uint8Array; readonly length: number } {
  const address = new Uint8Array(SOCKADDR_BYTES_MAX);
  const to = { family: 'IPv4', address: '127.0.0.1', port } as const;
  return { address, length: encodeSockaddr(abi, to, address) };
}

/** Connects raw sockets, which is done when the call returns: the listener is on this machine. */
function rawClients(port: number, count: number): number[] {
  const { address, length } = loopback(port);
  return Array.from({ length: count }, () => {
    const fd = native.socket(abi.constants.AF_INET, abi.constants.SOCK_STREAM, 0);
    assert.ok(fd >= 0);
    assert.equal(native.connect(fd, address, length), 0);
    return fd;
  });
}

overPollers('16 sends of a queue in a turn, in chunks, and drain once', (name) => {
  const lengths: number[] = [];
  const loop = loopOver(name, {
    // It takes a byte, then all: nothing is sent, so that no reader is needed.
    send: (_fd: number, _bytes: Uint8Array, _offset: number, length: number) => {
      lengths.push(length);
      return lengths.length === 1 ? 1 : length;
    },
  });
  const opened: Connection[] = [];
  let drained = 0;
  const listener = loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
  loop.connect({
    host: '127.0.0.1',
    port: portOf(listener),
    handlers: { open: (connection) => opened.push(connection), drain: () => (drained += 1) },
  });
  perTurn(
    loop,
    () => 0,
    () => opened.length === 1,
  );
  const [connection] = opened;
  assert.ok(connection !== undefined);
  const chunk = 65_536;
  assert.equal(connection.write(Buffer.alloc(40 * chunk + 1)), false);
  assert.deepEqual([lengths, connection.queuedBytes], [[40 * chunk + 1], 40 * chunk]);
  const counts = perTurn(
    loop,
    () => lengths.length,
    () => drained > 0,
  );
  assert.deepEqual(counts, [16, 16, 8]);
  assert.ok(lengths.slice(1).every((length) => length === chunk));
  for (let turn = 0; turn < 5; turn += 1) loop.turn(1);
  assert.deepEqual([drained, lengths.length, connection.queuedBytes], [1, 41, 0]);
  loop.close();
});

overPollers('32 accepts in a turn where more wait, and few where few do', (name) => {
  let [accepted, calls] = [0, 0];
  const accept4: Sys['accept4'] = (fd, address, length, flags) => {
    calls += 1;
    const result = native.accept4(fd, address, length, flags);
    if (result >= 0) accepted += 1;
    return result;
  };
  const loop = loopOver(name, { accept4 });
  const listener = loop.listen({ host: '127.0.0.1', port: 0, backlog: 511, handlers: {} });
  const fds = rawClients(portOf(listener), 400);
  const counts = perTurn(
    loop,
    () => calls,
    () => accepted === 400,
  );
  assert.equal(Math.max(...counts), 32, `${counts}`);
  // The burst doubles behind four that were full.
  assert.deepEqual(counts.slice(0, 9), [1, 1, 1, 1, 2, 2, 2, 2, 4]);
  const before = calls;
  for (let one = 0; one < 5; one += 1) {
    fds.push(...rawClients(portOf(listener), 1));
    perTurn(
      loop,
      () => calls,
      () => accepted === 401 + one,
    );
  }
  // The first burst was too long by 31, or what was left of the last one; the others are right.
  assert.ok(calls - before <= 32 + 4 + 5, `${calls - before} calls for 5 connections`);
  for (const fd of fds) native.close(fd);
  loop.close();
});

overPollers('four receives of datagrams in a turn, of 4, 16, 64 and 64 at first', (name) => {
  const asked: number[] = [];
  let endless = false;
  const loop = loopOver(name, {
    // As many as are asked for, each of one byte.
    recvmmsg: (fd: number, messages: MessageVector, count: number, flags: number) => {
      if (!endless) return native.recvmmsg(fd, messages, count, flags);
      asked.push(count);
      for (let slot = 0; slot < count; slot += 1) {
        messages.setReceived(slot, 1, 0);
        messages.setLengths(slot, 16, 0);
      }
      return count;
    },
  });
  const sockets = ['server', 'client'].map(() =>
    loop.datagram({ host: '127.0.0.1', handlers: { datagrams: () => undefined } }),
  );
  const [server, client] = sockets;
  assert.ok(server !== undefined && client !== undefined);
  endless = true;
  client.send('it is readable', { to: server.address });
  const turns: number[][] = [];
  while (turns.length < 3) {
    asked.length = 0;
    loop.turn(5);
    if (asked.length > 0) turns.push([...asked]);
  }
  assert.deepEqual(turns, [
    [4, 16, 64, 64],
    [64, 64, 64, 64],
    [64, 64, 64, 64],
  ]);
  const { received, receivedBytes, truncated } = server.stats();
  const came = 4 + 16 + 10 * 64;
  assert.deepEqual([received, receivedBytes, truncated], [came, came, 0]);
  loop.close();
});

overPollers('sends of datagrams are made by 64, and the rest at the end of the turn', (name) => {
  const calls: number[] = [];
  const loop = loopOver(name, {
    sendmmsg: (_fd: number, _messages: MessageVector, _first: number, count: number) => {
      calls.push(count);
      return count;
    },
  });
  const client = loop.datagram({ host: '127.0.0.1', gso: false, handlers: {} });
  const to = client.address;
  for (let number = 0; number < 63; number += 1) client.send('x', { to });
  assert.deepEqual(calls, []);
  client.send('x', { to });
  assert.deepEqual(calls, [64]);
  for (let number = 0; number < 70; number += 1) client.send('x', { to });
  assert.deepEqual(calls, [64, 64]);
  loop.turn(0);
  assert.deepEqual(calls, [64, 64, 6]);
  assert.deepEqual([client.stats().sent, client.queuedDatagrams], [134, 0]);
  loop.close();
});

overPollers('32 errors of unreachable peers in a turn', (name) => {
  if (abi.constants.IP_RECVERR === undefined) return;
  const loop = loopOver(name, {});
  let reports = 0;
  const nobody = loop.datagram({ host: '127.0.0.1', handlers: {} });
  const to = nobody.address;
  nobody.close();
  loop.turn(0);
  const client = loop.datagram({
    host: '127.0.0.1',
    reportUnreachable: true,
    gso: false,
    handlers: { unreachable: () => (reports += 1) },
  });
  for (let number = 0; number < 80; number += 1) client.send('x', { to });
  const counts = perTurn(
    loop,
    () => reports,
    () => reports === 80,
  );
  assert.equal(Math.max(...counts), 32, `${counts}`);
  loop.close();
});
