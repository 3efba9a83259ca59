// Goal: every message of a slot is answered or fails once, under its own kind and at its own times,
// and a connection carries exactly its share.
// Method: a slot by hand with a clock and a connection that are made up; every reply of an open
// loop or a closed one at the moment that the test says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAUSE_MS, PAUSE_MS_MAX } from '#tools/load/limits.js';
import { BYTES, errorOf, reply, slotWith, troubleOf } from './made-up-slot.ts';

const TIMEOUT_MS = 500;

test('slot: a closed loop sends the next message at the reply to the last, whole', () => {
  const setup = slotWith();
  const { recorder, owner, clock, slot, open } = setup;
  const connection = open();
  assert.deepEqual([connection.sent.length, owner.owed, owner.open], [BYTES, 1, 1]);
  clock.nowMs = 1003;
  reply(setup, connection, BYTES - 1);
  assert.deepEqual([recorder.messages, connection.sent.length], [0, BYTES]);
  clock.nowMs = 1007;
  reply(setup, connection, 1);
  assert.deepEqual([recorder.messages, connection.sent.length, owner.owed], [1, 2 * BYTES, 1]);
  assert.equal(recorder.due, 2);
  assert.deepEqual([slot.busy, slot.awaitsEnd], [true, false]);
  assert.deepEqual(troubleOf(setup), {});
  // It is a stream: the second message is not the first one again.
  const [first, second] = [connection.sent.subarray(0, BYTES), connection.sent.subarray(BYTES)];
  assert.notDeepEqual(first, second);
});

test('slot: as many are in flight as the pipeline says, also behind many replies at once', () => {
  const setup = slotWith({ inFlightMax: 4 });
  const { recorder, owner, open } = setup;
  const connection = open();
  assert.deepEqual([connection.owed.length, owner.owed], [4 * BYTES, 4]);
  reply(setup, connection, 3 * BYTES + 5);
  assert.deepEqual([recorder.messages, connection.owed.length], [3, 4 * BYTES - 5]);
  assert.equal(owner.owed, 4);
});

test('slot: each connection sends the stream of its slot, from its beginning on', () => {
  const setup = slotWith({ inFlightMax: 2 });
  const { owner, slot, open } = setup;
  const { pool } = owner;
  slot.flow();
  assert.equal(owner.owed, 0, 'without a connection nothing begins');
  for (let time = 0; time < 2; time += 1) {
    const connection = open();
    assert.equal(connection.data, slot);
    reply(setup, connection, BYTES + 4);
    assert.equal(connection.sent.length, 3 * BYTES);
    assert.ok(pool.matches(connection.sent, pool.startOf(3)));
    slot.closed(connection.asConnection, errorOf('ECONNRESET'));
  }
  // What the connection before it had received or was owed is not its own.
  const connection = open();
  reply(setup, connection, BYTES - 4);
  assert.equal(setup.recorder.messages, 2);
  reply(setup, connection, 4);
  assert.equal(setup.recorder.messages, 3);
});

test('slot: the right bytes of a message that was not sent are a mismatch', () => {
  const setup = slotWith({ inFlightMax: 2 });
  const { slot, open } = setup;
  const first = open();
  slot.closed(first.asConnection, errorOf('ECONNRESET'));
  const before = troubleOf(setup);
  const connection = open();
  // The peer goes on by itself where the stream does.
  const ahead = slotWith({ inFlightMax: 3 }).open().sent;
  assert.ok(ahead.subarray(0, 2 * BYTES).equals(connection.sent));
  slot.received(ahead);
  assert.deepEqual(troubleOf(setup), {
    ...before,
    replaced: 1,
    mismatch: 1,
    'connection mismatch': 1,
  });
});

test('slot: nothing flows before the start, on an idle connection, or behind the end', () => {
  const early = slotWith({ flowing: false });
  const connection = early.open();
  assert.equal(connection.sent.length, 0);
  early.owner.flowing = true;
  early.slot.flow();
  assert.equal(connection.sent.length, BYTES);
  const idle = slotWith({ isIdle: true });
  const silent = idle.open();
  idle.slot.flow();
  assert.deepEqual([silent.sent.length, idle.owner.open, idle.recorder.connections], [0, 1, 1]);
  const late = slotWith();
  const last = late.open();
  late.clock.nowMs = 100_000;
  reply(late, last, BYTES);
  assert.deepEqual([last.sent.length, late.owner.owed], [BYTES, 0]);
  // It was due in the measured time.
  assert.equal(late.recorder.messages, 1);
});

test('slot: a message that is due goes out at once, or when a reply makes room', () => {
  const setup = slotWith({ isOpen: true, inFlightMax: 2 });
  const { recorder, owner, clock, slot, open } = setup;
  // No connection yet: they wait.
  slot.due(1000);
  assert.equal(slot.busy, true);
  clock.nowMs = 1004;
  const connection = open();
  assert.deepEqual([connection.sent.length, recorder.connectionWait.total], [BYTES, 1]);
  for (const dueMs of [1005, 1006]) {
    clock.nowMs = dueMs;
    slot.due(dueMs);
  }
  assert.deepEqual([connection.sent.length, owner.owed], [2 * BYTES, 3]);
  clock.nowMs = 1010;
  reply(setup, connection, BYTES);
  assert.deepEqual([connection.sent.length, owner.owed, recorder.messages], [3 * BYTES, 2, 1]);
  assert.deepEqual([recorder.connectionWait.total, recorder.lag.total], [2, 3]);
  reply(setup, connection, 2 * BYTES);
  assert.deepEqual([owner.owed, slot.busy, recorder.messages], [0, false, 3]);
  assert.deepEqual(troubleOf(setup), {});
});

test('slot: a connection carries its share and is ended, and the next one follows at once', () => {
  for (const serverCloses of [false, true]) {
    const setup = slotWith({ messagesPerConnection: 3, inFlightMax: 2, serverCloses });
    const { recorder, owner, clock, pauses, slot, open } = setup;
    const connection = open();
    reply(setup, connection, 2 * BYTES);
    assert.equal(connection.sent.length, 3 * BYTES);
    assert.equal(slot.awaitsEnd, false);
    clock.nowMs = 1200;
    reply(setup, connection, BYTES);
    assert.deepEqual([connection.sent.length, owner.owed, slot.awaitsEnd], [3 * BYTES, 0, true]);
    assert.deepEqual(connection.calls, serverCloses ? [] : ['end']);
    slot.ended(connection.asConnection);
    slot.closed(connection.asConnection, null);
    assert.deepEqual([pauses, owner.open, slot.awaitsEnd], [[0], 0, false]);
    assert.deepEqual([troubleOf(setup), recorder.messages], [{}, 3]);
    open();
    assert.deepEqual([recorder.connections, recorder.trouble.replaced], [2, 0]);
  }
});

test('slot: one that replaces a lost connection is replaced by an ordinary one', () => {
  const setup = slotWith({ messagesPerConnection: 1 });
  const { slot, open, recorder } = setup;
  slot.closed(open().asConnection, errorOf('ECONNRESET'));
  for (let time = 0; time < 2; time += 1) {
    const connection = open();
    reply(setup, connection, BYTES);
    slot.closed(connection.asConnection, null);
    assert.deepEqual([recorder.connections, recorder.trouble.replaced], [2 + time, 1]);
  }
});

test('slot: a connection that does not end in time is given up, once', () => {
  const setup = slotWith({ messagesPerConnection: 1, serverCloses: true });
  const { clock, slot, open, pauses } = setup;
  const connection = open();
  clock.nowMs = 1100;
  reply(setup, connection, BYTES);
  slot.sweep(1100 + TIMEOUT_MS - 0.1, TIMEOUT_MS);
  assert.deepEqual(troubleOf(setup), {});
  slot.sweep(1100 + TIMEOUT_MS, TIMEOUT_MS);
  slot.sweep(3000, TIMEOUT_MS);
  assert.deepEqual(troubleOf(setup), { notClosed: 1, 'connection timeout': 1 });
  assert.deepEqual([connection.calls, pauses, slot.awaitsEnd], [['reset'], [PAUSE_MS], false]);
  // The end comes late, and is of a connection that is not the slot's any more.
  slot.ended(connection.asConnection);
  slot.closed(connection.asConnection, null);
  assert.equal(pauses.length, 1);
});

test('slot: what is not answered in time is a timeout, and what was sent behind it is lost', () => {
  const setup = slotWith({ isOpen: true, inFlightMax: 3 });
  const { owner, clock, slot, open, pauses } = setup;
  const connection = open();
  for (const dueMs of [1000, 1100, 1101, 1102]) {
    clock.nowMs = dueMs;
    slot.due(dueMs);
  }
  assert.equal(connection.sent.length, 3 * BYTES);
  slot.sweep(1000 + TIMEOUT_MS - 0.1, TIMEOUT_MS);
  assert.deepEqual([troubleOf(setup), owner.owed], [{}, 4]);
  slot.sweep(1000 + TIMEOUT_MS, TIMEOUT_MS);
  assert.deepEqual(troubleOf(setup), { timeout: 1, lost: 2, 'connection timeout': 1 });
  // The last one was not sent, and waits for the next connection: not for ever.
  assert.deepEqual([owner.owed, owner.open, pauses], [1, 0, [PAUSE_MS]]);
  slot.sweep(1102 + TIMEOUT_MS - 0.1, TIMEOUT_MS);
  assert.equal(owner.owed, 1);
  slot.sweep(1102 + TIMEOUT_MS, TIMEOUT_MS);
  assert.deepEqual(troubleOf(setup), { timeout: 2, lost: 2, 'connection timeout': 1 });
  assert.deepEqual([owner.owed, slot.busy], [0, false]);
});

test('slot: a message that was due long ago and sent late has its whole time for a reply', () => {
  const setup = slotWith({ isOpen: true, inFlightMax: 2 });
  const { clock, slot, open } = setup;
  const connection = open();
  for (const dueMs of [1000, 1000, 1001]) {
    clock.nowMs = dueMs;
    slot.due(dueMs);
  }
  clock.nowMs = 1300;
  reply(setup, connection, BYTES);
  assert.equal(connection.sent.length, 3 * BYTES);
  slot.sweep(1001 + TIMEOUT_MS, TIMEOUT_MS);
  assert.deepEqual(troubleOf(setup), { timeout: 1, lost: 1, 'connection timeout': 1 });
});

test('slot: an end or a reset is what became of all that was under way', () => {
  const cases = [
    { code: null, ends: true, expected: { shortReply: 2, 'connection closed': 1 } },
    { code: null, ends: false, expected: { shortReply: 2, 'connection closed': 1 } },
    { code: 'EPIPE', ends: false, expected: { shortReply: 2, 'connection closed': 1 } },
    { code: 'ECONNRESET', ends: false, expected: { reset: 2, 'connection reset': 1 } },
  ] as const;
  for (const { code, ends, expected } of cases) {
    const setup = slotWith({ inFlightMax: 2 });
    const { owner, slot, open, pauses } = setup;
    const connection = open();
    if (ends) slot.ended(connection.asConnection);
    else slot.closed(connection.asConnection, code === null ? null : errorOf(code));
    assert.deepEqual(troubleOf(setup), expected, String(code));
    assert.deepEqual([owner.owed, owner.open, pauses], [0, 0, [PAUSE_MS]]);
    const next = open();
    assert.equal(setup.recorder.trouble.replaced, 1, 'the next one replaces it');
    assert.equal(next.calls.length, 0);
    slot.closed(connection.asConnection, errorOf('ECONNRESET'));
    assert.deepEqual([owner.open, pauses.length], [1, 1], 'it is not that of the slot any more');
  }
});

test('slot: the end of an idle connection is a loss, though nothing was under way', () => {
  const setup = slotWith({ isIdle: true });
  const connection = setup.open();
  setup.slot.ended(connection.asConnection);
  assert.deepEqual(connection.calls, ['end']);
  setup.slot.closed(connection.asConnection, null);
  assert.deepEqual(troubleOf(setup), { 'connection closed': 1 });
  setup.open();
  assert.deepEqual(troubleOf(setup), { 'connection closed': 1, replaced: 1 });
});

test('slot: wrong bytes are those of their message, and the right ones before are answers', () => {
  const setup = slotWith({ inFlightMax: 4 });
  const { owner, recorder, slot, open } = setup;
  const connection = open();
  const chunk = Buffer.from(connection.owed.subarray(0, 2 * BYTES));
  chunk[BYTES + 3] = (chunk[BYTES + 3] ?? 0) ^ 1;
  slot.received(chunk);
  assert.equal(recorder.messages, 1);
  assert.deepEqual(troubleOf(setup), { mismatch: 1, lost: 2, 'connection mismatch': 1 });
  assert.deepEqual([owner.owed, connection.calls], [0, ['reset']]);
});

test('slot: one byte too many is a mismatch, also where nothing is awaited', () => {
  const setup = slotWith({ isOpen: true });
  const { clock, slot, open, recorder } = setup;
  const connection = open();
  clock.nowMs = 1001;
  slot.due(1001);
  slot.received(Buffer.concat([connection.owed, Buffer.of(0)]));
  assert.deepEqual(troubleOf(setup), { mismatch: 1, 'connection mismatch': 1 });
  open();
  slot.received(Buffer.of(7));
  assert.equal(recorder.trouble.errors.mismatch, 2);
  assert.equal(setup.owner.owed, 0);
});

test('slot: the pause before the next connect doubles up to a second, and a reply ends it', () => {
  const setup = slotWith();
  const { slot, open, pauses } = setup;
  for (let time = 0; time < 8; time += 1) slot.refused('refused', 1000);
  const doubled = [1, 2, 4, 8, 16, 32].map((times) => PAUSE_MS * times);
  assert.deepEqual(pauses, [...doubled, PAUSE_MS_MAX, PAUSE_MS_MAX]);
  assert.deepEqual(troubleOf(setup), { refused: 8 });
  slot.refused('reset', 1000);
  assert.deepEqual(troubleOf(setup), { refused: 8, reset: 1, 'connection reset': 1 });
  const connection = open();
  assert.equal(setup.recorder.trouble.replaced, 1, 'a connection that was reset was one');
  reply(setup, connection, BYTES);
  pauses.length = 0;
  slot.closed(connection.asConnection, errorOf('ECONNRESET'));
  assert.deepEqual(pauses, [PAUSE_MS]);
});

test('slot: what is under way when the run is over is a timeout', () => {
  const setup = slotWith({ isOpen: true });
  for (const dueMs of [1000, 1001, 1002]) setup.slot.due(dueMs);
  setup.open();
  setup.slot.giveUp(2000);
  assert.deepEqual([troubleOf(setup), setup.owner.owed], [{ timeout: 3 }, 0]);
  assert.equal(setup.slot.busy, false);
});

test('slot: a silence begins when a message is due and none was awaited', () => {
  const { slot, clock, recorder, open, ...others } = slotWith({ isOpen: true, inFlightMax: 2 });
  const connection = open();
  clock.nowMs = 3000;
  slot.due(3000);
  clock.nowMs = 3100;
  slot.due(3100);
  clock.nowMs = 3150;
  reply({ slot, clock, recorder, open, ...others }, connection, 2 * BYTES);
  assert.deepEqual(recorder.silence.longest(3200, false), { startMs: 2000, durationMs: 150 });
  clock.nowMs = 9000;
  slot.due(9000);
  assert.deepEqual(recorder.silence.longest(9500, true), { startMs: 8000, durationMs: 500 });
});

test('slot: of 2^20 messages that wait the oldest is a timeout, and what was sent is lost', () => {
  const setup = slotWith({ isOpen: true, inFlightMax: 2 });
  const { slot, open, owner } = setup;
  open();
  for (let message = 0; message < 2 + 2 ** 20; message += 1) slot.due(1000);
  assert.deepEqual([troubleOf(setup), owner.owed], [{}, 2 + 2 ** 20]);
  slot.due(1000);
  assert.deepEqual(troubleOf(setup), { lost: 2, timeout: 1, 'connection timeout': 1 });
  assert.equal(owner.owed, 2 ** 20);
  slot.due(1000);
  assert.deepEqual(troubleOf(setup), { lost: 2, timeout: 2, 'connection timeout': 1 });
});
