// Goal: the checks of the memory of calls find what they are there for.
// Method: calls with wrong lengths, addresses and descriptors; memory that was collected; a reader
// that is late.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { openRing } from '#src/ring/open-ring.js';
import { Arena } from '#src/sys/arena.js';
import { CallList, listBytes } from '#src/sys/batch/call-list.js';
import { makeCalls } from '#src/sys/batch/make-calls.js';
import { nativeSys } from '#src/sys/native.js';
import { closePair, connectedPair, turnOn, until } from '#test/conformance/environment.js';
import { targets } from '#test/conformance/targets.js';
import { collectGarbage } from '#test/harness/garbage.js';
import { leakCheck } from '#test/harness/leaks.js';
import { withoutRing } from '#test/loop/ring/environment.js';
import { checkedSys } from './checked-sys.ts';
import { takeMemoryFaults } from './known-memory.ts';
import { POISON } from './poison.ts';

const sys = checkedSys(nativeSys());
const { batching } = nativeSys();
const skip = batching === true ? false : batching.reason;

/** What the calls of `body` do wrong. */
function faultOf(body: () => unknown): string {
  assert.throws(body, /^(Error: memory|RangeError): /);
  return takeMemoryFaults().join('; ');
}

/** A pair of connected sockets. */
function pair(): Int32Array {
  const { AF_UNIX, SOCK_STREAM } = sys.abi.constants;
  const fds = new Int32Array(2);
  assert.equal(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  return fds;
}

test('memory: descriptors and lengths that are none', (t) => {
  leakCheck(t);
  assert.match(
    faultOf(() => sys.close(-1)),
    /close of descriptor -1/,
  );
  assert.match(
    faultOf(() => sys.recv(0.5, new Uint8Array(9), 0, 9, 0)),
    /descriptor 0.5/,
  );
  assert.match(
    faultOf(() => sys.read(0, new Uint8Array(9), 5, 5)),
    /5 bytes at 5 of 9/,
  );
  assert.match(
    faultOf(() => sys.write(0, new Uint8Array(9), -1, 5)),
    /5 bytes at -1 of 9/,
  );
});

test('memory: a batch that leaves its memory', { skip }, (t) => {
  leakCheck(t);
  using arena = new Arena(sys, listBytes(4) + 4096);
  const at = listBytes(4);
  const list = new CallList(sys, arena.bytes, 4, false);
  const [one = -1, other = -1] = pair();
  t.after(() => {
    sys.close(one);
    sys.close(other);
  });
  list.send(one, at, 5, 0);
  list.recv(other, at + 64, 64);
  arena.bytes.set([1, 2, 3, 4, 5], at);
  assert.equal(makeCalls(sys, list, 0), 2);
  assert.deepEqual([...arena.bytes.subarray(at + 64, at + 70)], [1, 2, 3, 4, 5, POISON]);
  list.count = 0;
  list.recv(other, arena.length - 10, 11);
  assert.match(
    faultOf(() => makeCalls(sys, list, 0)),
    /a receive of a batch: 11 bytes at .* do not fit/,
  );
  list.count = 0;
  list.send(-1, at, 5, 0);
  assert.match(
    faultOf(() => makeCalls(sys, list, 0)),
    /a batch calls -1/,
  );
});

test('memory: the kernel cannot write beyond an arena', { skip }, (t) => {
  leakCheck(t);
  using arena = new Arena(sys, 4096);
  const [one = -1, other = -1] = pair();
  t.after(() => {
    sys.close(one);
    sys.close(other);
  });
  assert.equal(sys.write(one, new Uint8Array(100).fill(7), 0, 100), 100);
  // Unchecked, as a wrong length would be without the checks: the page behind is nobody's.
  const calls = new CallList(nativeSys(), arena.bytes, 4, false);
  calls.recv(other, arena.length - 50, 100);
  makeCalls(nativeSys(), calls, 0);
  const EFAULT = 14;
  assert.ok([50, -EFAULT].includes(calls.result(0)), `${calls.result(0)}`);
});

test("memory: an address whose array was collected is nobody's", { skip }, async (t) => {
  leakCheck(t);
  const addressOfNobody = (): number => sys.address(new Uint8Array(10_000));
  const address = addressOfNobody();
  for (let turns = 0; turns < 4; turns += 1) {
    await turn();
    collectGarbage();
  }
  await turn();
  assert.match(
    faultOf(() => sys.batch(address, 1)),
    /in no memory that is known, or no more/,
  );
});

test('memory: a ring that sends what is not its own', { skip: withoutRing }, (t) => {
  leakCheck(t);
  const { ring } = openRing(sys);
  t.after(() => ring.close());
  const { region, submission } = ring;
  assert.ok(submission.send(1, region.address + region.length - 9, 10, 0, 0));
  assert.match(
    faultOf(() => ring.enter(0)),
    /a send of a ring: 10 bytes at .* do not fit/,
  );
});

for (const name of ['epoll', 'io_uring']) {
  const target = targets.find((one) => one.name === name);
  const reason = target?.available === true ? false : `${name} is not here`;
  test(`memory: a late reader of a borrowed chunk sees poison: ${name}`, { skip: reason }, (t) => {
    leakCheck(t);
    assert.ok(target !== undefined);
    const environment = target.create();
    t.after(() => environment.close());
    const kept: Uint8Array[] = [];
    const borrowing = { chunks: 'borrowed' } as const;
    const pair = connectedPair(
      environment,
      { data: (_, chunk) => void kept.push(chunk) },
      {},
      undefined,
      borrowing,
    );
    pair.client.write('secret');
    until(environment, () => kept.length > 0, 'a chunk has come');
    // The buffer is used again, or given back.
    pair.client.write('x');
    until(environment, () => pair.server.bytesReceived === 7, 'another has come');
    turnOn(environment);
    assert.deepEqual([...(kept[0]?.subarray(1) ?? [])], [POISON, POISON, POISON, POISON, POISON]);
    closePair(environment, pair);
  });
}
