// Goal: the queue holds exactly what was pushed, whatever it joins, cuts, wraps or moves.
// Method: the same random calls to a queue and to a list of datagrams; limits at their very edge.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SimSys } from '#sim/sim-sys.js';
import type { EncodedAddress, SendControl } from '#src/loop/datagram/contract.js';
import { SendQueue } from '#src/loop/datagram/send-queue.js';
import { abiFor } from '#src/sys/abi/index.js';
import { decodeControl } from '#src/sys/control-messages.js';

const abi = abiFor('linux', 'x64');
assert.ok(abi !== null);
const sys = new SimSys({ seed: 1, abi });

const sockaddr = (byte: number): EncodedAddress => ({ sockaddr: new Uint8Array(16).fill(byte) });
const ADDRESSES = [null, sockaddr(1), sockaddr(2)] as const;

/** A control message of 4 bytes, IP_TOS, as `ecn` has it. */
function control(value: number): SendControl {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 20, true);
  view.setInt32(12, 1, true);
  view.setInt32(16, value, true);
  return { bytes };
}
const CONTROLS = [null, control(1), control(2)] as const;

interface Datagram {
  readonly bytes: string;
  readonly to: EncodedAddress | null;
  readonly control: SendControl | null;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Bytes that occur nowhere else. */
let stamp = 0;
function fresh(length: number): Uint8Array {
  stamp += 1;
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (stamp >> (8 * (at & 3))) + at;
  return bytes;
}

/** What the kernel would send for the message of a slot. */
function sentBy(queue: SendQueue, slot: number): string[] {
  const { messages } = queue;
  const at = messages.bufferOffset(slot);
  const bytes = messages.bytes.slice(at, at + messages.bufferLength(slot));
  const controlAt = messages.controlAt(slot);
  const all = messages.bytes.slice(controlAt, controlAt + messages.controlLength(slot));
  const segment = decodeControl(sys.abi, all, all.length).find(
    ({ kind }) => kind === 'UDP_SEGMENT',
  );
  const nameAt = messages.nameAt(slot);
  const name = hex(messages.bytes.slice(nameAt, nameAt + messages.nameLength(slot)));
  const step = segment === undefined ? Math.max(bytes.length, 1) : segmentOf(segment);
  const own = hex(all.subarray(0, segment === undefined ? all.length : all.length - 24));
  const datagrams: string[] = [];
  for (let from = 0; from === 0 || from < bytes.length; from += step) {
    datagrams.push(`${name} ${own} ${hex(bytes.subarray(from, from + step))}`);
  }
  if (segment !== undefined) {
    assert.ok(datagrams.length > 1, 'one datagram needs no cut');
    assert.ok(datagrams.length <= 64 && bytes.length <= 65_507, 'the kernel refuses to cut it');
  }
  return datagrams;
}

function segmentOf(message: object): number {
  const value = Object.values(message).find((one) => typeof one === 'number');
  assert.ok(typeof value === 'number' && value > 0);
  return value;
}

function checkSame(queue: SendQueue, model: readonly Datagram[]): void {
  const expected = model.map(
    ({ bytes, to, control: own }) =>
      `${to === null ? '' : hex(to.sockaddr)} ${own === null ? '' : hex(own.bytes)} ${bytes}`,
  );
  const found: string[] = [];
  let runs = 0;
  for (let index = 0; index < queue.count; index += 1) {
    const datagrams = sentBy(queue, (queue.first + index) % queue.messages.count);
    if (datagrams.length > 1) runs += 1;
    if (index === 0) assert.equal(queue.firstDatagrams, datagrams.length);
    if (index === 0) assert.equal(queue.cutsFirst, datagrams.length > 1);
    found.push(...datagrams);
  }
  assert.deepEqual(found, expected);
  assert.equal(queue.datagrams, model.length);
  assert.equal(
    queue.bytes,
    model.reduce((sum, { bytes }) => sum + bytes.length / 2, 0),
  );
  assert.equal(queue.runs, runs);
  assert.ok(
    queue.sideBySide <= queue.count && queue.first + queue.sideBySide <= queue.messages.count,
  );
  assert.equal(queue.sideBySide > 0, queue.count > 0);
}

const BYTES_MAX = 400_000;

interface Push {
  readonly kind: 'push';
  readonly times: number;
  readonly length: number;
  /** Which of the addresses, and of the control messages. */
  readonly to: number;
  readonly control: number;
  readonly segment: number;
}
interface Take {
  readonly kind: 'shift' | 'cut' | 'rejoin';
  readonly times: number;
}
type Step = Push | Take | { readonly kind: 'grow' };

const push: fc.Arbitrary<Push> = fc.record({
  kind: fc.constant('push' as const),
  // The same again and again, so that many are joined.
  length: fc.oneof(fc.constantFrom(100, 100, 100, 40, 0, 1200), fc.nat(9000), fc.nat(65_507)),
  to: fc.constantFrom(0, 1, 1, 1, 2),
  control: fc.constantFrom(0, 0, 0, 1, 2),
  segment: fc.constantFrom(0, 0, 0, 0, 100, 1000, 40_000),
  times: fc.constantFrom(1, 1, 2, 3, 70),
});
const take: fc.Arbitrary<Take> = fc.record({
  kind: fc.constantFrom('shift' as const, 'cut' as const, 'rejoin' as const),
  times: fc.constantFrom(1, 1, 2, 10, 65),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: push },
  { weight: 3, arbitrary: take },
  { weight: 1, arbitrary: fc.constant({ kind: 'grow' as const }) },
);

/** Pushes, and whether the queue may refuse. */
function pushOne(queue: SendQueue, model: Datagram[], step: Push, grown: boolean) {
  const to = ADDRESSES[step.to] ?? null;
  const own = CONTROLS[step.control] ?? null;
  const bytes = fresh(step.length);
  // From the middle of a larger piece, as `offset` allows.
  const piece = Buffer.concat([Buffer.alloc(3), bytes, Buffer.alloc(2)]);
  const isFull = queue.bytes + step.length > BYTES_MAX;
  const before = queue.count;
  const taken = grown
    ? queue.pushGrown(piece, 3, step.length, to, own, step.segment)
    : queue.push(piece, 3, step.length, to, own, step.segment);
  if (!taken) {
    assert.equal(queue.count, before);
    const messages = step.segment === 0 ? 1 : Math.ceil(step.length / Math.max(step.segment, 1));
    const hasSlots = queue.count + messages <= queue.messages.count;
    // A ring with slack has room for all that its bound allows.
    assert.ok(isFull || !hasSlots || !grown, 'there was room');
    return;
  }
  assert.ok(!isFull, 'it was more than the bound');
  const isCut = step.segment > 0 && step.length > step.segment;
  const size = isCut ? step.segment : Math.max(step.length, 1);
  for (let from = 0; from === 0 || from < step.length; from += size) {
    model.push({ bytes: hex(bytes.subarray(from, from + size)), to, control: own });
  }
}

function takeOne(queue: SendQueue, model: Datagram[], kind: 'shift' | 'cut' | 'rejoin'): void {
  if (queue.count === 0) return;
  if (kind === 'shift' || !queue.cutsFirst) {
    model.splice(0, queue.firstDatagrams);
    queue.shift();
    return;
  }
  queue.cutOff();
  assert.equal(sentBy(queue, queue.first).length, 1, 'one datagram is cut off');
  if (kind === 'rejoin') queue.rejoin();
  else {
    queue.uncut();
    model.shift();
  }
}

test('send queue: what is taken out is what was put in, however it is joined and cut', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 40 }), (segmenting, steps) => {
      const queue = new SendQueue(sys, BYTES_MAX, segmenting);
      const model: Datagram[] = [];
      let grown = false;
      for (const one of steps) {
        if (one.kind === 'grow') {
          grown = true;
        } else {
          for (let time = 0; time < one.times; time += 1) {
            if (one.kind === 'push') pushOne(queue, model, one, grown);
            else takeOne(queue, model, one.kind);
          }
        }
        checkSame(queue, model);
      }
      while (queue.count > 0) takeOne(queue, model, 'shift');
      checkSame(queue, []);
    }),
    { numRuns: 120, seed: 20_261_128 },
  );
});

/** The datagrams of each message after pushes of these lengths to one address. */
function joined(lengths: readonly number[], queue = new SendQueue(sys, BYTES_MAX, true)): number[] {
  for (const length of lengths) {
    assert.ok(queue.push(fresh(length), 0, length, ADDRESSES[1], null, 0));
  }
  const sizes: number[] = [];
  while (queue.count > 0) {
    sizes.push(queue.firstDatagrams);
    queue.shift();
  }
  return sizes;
}

const times = (count: number, length: number): number[] => new Array<number>(count).fill(length);

test('send queue: what is joined, at the edge of every limit', () => {
  assert.deepEqual(joined(times(129, 100)), [64, 64, 1], '64 segments');
  assert.deepEqual(joined([...times(12, 5039), 5039, 5039]), [13, 1], '65,507 bytes');
  assert.deepEqual(joined(times(14, 5040)), [12, 2], '65,520 bytes are too many');
  assert.deepEqual(joined([100, 100, 99, 99, 99]), [3, 2], 'a shorter one is the last');
  assert.deepEqual(joined([100, 101, 101]), [1, 2], 'none is longer');
  assert.deepEqual(joined([0, 100, 0, 100]), [1, 1, 1, 1], 'an empty one stays alone');
  assert.deepEqual(joined(times(3, 100), new SendQueue(sys, BYTES_MAX, false)), [1, 1, 1]);
});

test('send queue: bytes to be cut are messages of as many segments as the kernel cuts', () => {
  const sizesOf = (length: number, segment: number): number[] => {
    const queue = new SendQueue(sys, BYTES_MAX, true);
    assert.ok(queue.push(fresh(length), 0, length, null, null, segment));
    return joined([], queue);
  };
  assert.deepEqual(sizesOf(12_800, 100), [64, 64]);
  assert.deepEqual(sizesOf(6401, 100), [64, 1]);
  assert.deepEqual(sizesOf(101, 100), [2]);
  assert.deepEqual(sizesOf(100, 100), [1]);
  assert.deepEqual(sizesOf(2 * 65_507, 5039), [13, 13], 'messages of 65,507 bytes');
  assert.deepEqual(sizesOf(120_000, 40_000), [1, 1, 1]);
});

test('send queue: a ring of bytes is never quite full, or its end would be its start', () => {
  for (const spare of [0, 10]) {
    const queue = new SendQueue(sys, BYTES_MAX, false);
    const model: Datagram[] = [];
    const { bytes, bufferAt } = queue.messages;
    const half = Math.floor((bytes.length - bufferAt.call(queue.messages, 0)) / 6) - spare;
    const put = (length: number): void => {
      const step = { kind: 'push', times: 1, length, to: 1, control: 0, segment: 0 } as const;
      pushOne(queue, model, step, false);
      checkSame(queue, model);
    };
    for (let piece = 0; piece < 6; piece += 1) put(half);
    takeOne(queue, model, 'shift');
    // As much as was taken out, in one piece or in two, and then a byte more.
    for (const length of spare === 0 ? [half, 1] : [half - spare, spare, 1]) put(length);
  }
});

test('send queue: its bound is exact, in bytes and in messages', () => {
  const queue = new SendQueue(sys, 1000, false);
  const put = (length: number): boolean => queue.push(fresh(length), 0, length, null, null, 0);
  assert.deepEqual(
    [put(1001), put(999), put(2), put(1), put(1), put(0)],
    [false, true, false, true, false, true],
  );
  assert.deepEqual([queue.bytes, queue.datagrams], [1000, 3]);
  const many = new SendQueue(sys, BYTES_MAX, false);
  const fill = (way: 'push' | 'pushGrown'): number => {
    let count = 0;
    while (many[way](fresh(1), 0, 1, null, null, 0)) count += 1;
    return count;
  };
  assert.equal(fill('push'), 64);
  assert.equal(fill('pushGrown'), 1024 - 64);
  assert.equal(fill('pushGrown'), 0);
  many.shift();
  assert.equal(fill('push'), 1);
  assert.equal(many.first, 1);
  assert.equal(many.sideBySide, 1023);
});
