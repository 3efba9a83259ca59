// Goal: what came is counted by what the kernel says of each datagram, and by nothing that it said
// of another.
// Method: receives whose datagrams, flags and control messages are made up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimSys } from '#sim/sim-sys.js';
import { type DatagramSettings, newDatagramCounters } from '#src/loop/datagram/contract.js';
import { DatagramReceiver } from '#src/loop/datagram/receiver.js';
import { SharedDatagrams } from '#src/loop/datagram/shared.js';
import type { ControlMessage } from '#src/sys/control/message.js';
import { encodeControl } from '#src/sys/control-messages.js';
import type { MessageVector } from '#src/sys/message-vector.js';
import { abi, SETTINGS } from './made-up-socket.ts';

const { MSG_TRUNC, MSG_CTRUNC } = abi.constants;

interface Made {
  readonly length?: number;
  readonly flags?: number;
  readonly control?: readonly ControlMessage[];
}

function receiverOf(settings: Partial<DatagramSettings> = {}) {
  const counters = newDatagramCounters();
  const closed: number[] = [];
  let next: readonly Made[] = [];
  const sys = Object.assign(new SimSys({ seed: 1, abi }), {
    recvmmsg: (_fd: number, messages: MessageVector, count: number) => {
      const got = Math.min(count, next.length);
      for (let slot = 0; slot < got; slot += 1) {
        const { length = 10, flags = 0, control = [] } = next[slot] ?? {};
        const bytes = encodeControl(abi, control);
        messages.bytes.set(bytes, messages.controlAt(slot));
        messages.setReceived(slot, length, flags);
        messages.setLengths(slot, 16, bytes.length);
      }
      return got;
    },
    close: (fd: number) => {
      closed.push(fd);
      return 0;
    },
  });
  const shared = new SharedDatagrams(sys);
  const receiver = new DatagramReceiver(shared, { ...SETTINGS, ...settings }, counters);
  const receive = (...datagrams: readonly Made[]): number => {
    next = datagrams;
    return receiver.receive(5);
  };
  return { receiver, counters, closed, receive };
}

const dropped = (count: number): ControlMessage => ({ kind: 'SO_RXQ_OVFL', dropped: count });
const joined = (segmentSize: number): ControlMessage => ({ kind: 'UDP_GRO', segmentSize });
const ttl: ControlMessage = { kind: 'IP_TTL', hops: 7 };

test('receiver: those that were cut off are counted, bytes or control messages', () => {
  const { counters, receive } = receiverOf();
  receive({ flags: MSG_TRUNC }, {}, { flags: MSG_TRUNC | MSG_CTRUNC });
  assert.deepEqual([counters.truncated, counters.controlTruncated], [2, 1]);
  receive({ flags: MSG_CTRUNC, length: 3 });
  assert.deepEqual([counters.truncated, counters.controlTruncated], [2, 2]);
  assert.deepEqual([counters.received, counters.receivedBytes], [4, 33]);
});

test('receiver: what the kernel has dropped is what it said last, and it counts all', () => {
  const { counters, receive } = receiverOf();
  receive({}, {});
  assert.equal(counters.droppedByKernel, 0);
  receive({ control: [dropped(3)] }, { control: [ttl, dropped(5)] });
  assert.equal(counters.droppedByKernel, 5);
  receive({ control: [dropped(9)] }, { control: [ttl] });
  assert.equal(counters.droppedByKernel, 5, 'the last one says nothing of it');
  receive({ control: [dropped(4)] });
  assert.equal(counters.droppedByKernel, 5, 'it never falls');
  receive({ control: [ttl, dropped(2 ** 32 - 1)] });
  assert.equal(counters.droppedByKernel, 2 ** 32 - 1, 'it has 32 bits without a sign');
});

test('receiver: datagrams that were joined count each, whatever the others are', () => {
  const { receiver, counters, receive } = receiverOf({ gro: true });
  receive(
    { length: 300, control: [joined(100)] },
    { length: 55 },
    { length: 301, control: [ttl, joined(100)] },
    { length: 40, control: [ttl] },
  );
  assert.equal(counters.received, 3 + 1 + 4 + 1);
  const { segmentBytes, hasSegments } = receiver.received;
  assert.deepEqual([...segmentBytes.subarray(0, 4), hasSegments], [100, 0, 100, 0, true]);
  receive({ length: 20 });
  assert.deepEqual([receiver.received.segmentBytes[0], receiver.received.hasSegments], [0, false]);
  assert.equal(counters.received, 10);
  const apart = receiverOf();
  apart.receive({ length: 300, control: [joined(100)] });
  assert.equal(apart.counters.received, 1, 'it was not asked for');
});

test('receiver: descriptors that were passed are closed, those of every datagram', () => {
  const rights = (...fds: readonly number[]): Made => ({ control: [{ kind: 'SCM_RIGHTS', fds }] });
  const { counters, closed, receive } = receiverOf({ unix: true });
  receive(rights(71, 72), {}, rights(73));
  assert.deepEqual([closed, counters.descriptorsClosed], [[71, 72, 73], 3]);
  const others = receiverOf();
  others.receive(rights(74));
  assert.deepEqual([others.closed, others.counters.descriptorsClosed], [[], 0]);
});

test('receiver: there may be more where as many came as were asked for', () => {
  const { receiver, receive } = receiverOf();
  receive({}, {}, {}, {});
  assert.equal(receiver.mayHaveMore, true);
  receive({}, {}, {}, {});
  assert.equal(receiver.mayHaveMore, false);
  assert.equal(receive(), 0);
  assert.equal(receiver.mayHaveMore, false);
});

test('receiver: rooms of one size or another, of the memory that all share or of its own', () => {
  const sys = new SimSys({ seed: 1, abi });
  const shared = new SharedDatagrams(sys);
  const slots = shared.slotsFor(1000);
  assert.equal(shared.slotsFor(65_536), slots);
  assert.equal(slots.count, 64);
  const own = shared.slotsFor(65_537);
  assert.notEqual(own, slots);
  assert.equal(own.count, 63);
  assert.equal(shared.slotsFor(64 * 65_536 + 1).count, 1);
  assert.equal(shared.slotsFor(32 * 65_536).count, 2);
  // Each receive has the room that its socket has asked for.
  const rooms: number[] = [];
  const measuring = Object.assign(new SimSys({ seed: 1, abi }), {
    recvmmsg: (_fd: number, messages: MessageVector) => {
      rooms.push(messages.bufferLength(0), messages.bufferLength(63));
      return 0;
    },
  });
  const other = new SharedDatagrams(measuring).slotsFor(1000);
  for (const bytes of [1000, 500, 500, 65_536]) other.receive(5, bytes, 4);
  assert.deepEqual(rooms, [1000, 1000, 500, 500, 500, 500, 65_536, 65_536]);
});
