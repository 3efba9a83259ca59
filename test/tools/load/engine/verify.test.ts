import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leakCheck } from '#test/harness/leaks.js';
import type { LoadDocument } from '#tools/load/document.js';
import { startLoad } from '#tools/load/engine/run.js';
import type { LoadPlan } from '#tools/load/plan.js';
import { errorsOf, load, type PlainKind, planFor, sharedServers } from '../servers.ts';

const KINDS = [
  'echo',
  'other',
  'more',
  'swap',
  'trickle',
  'half',
  'once',
  'silent',
  'reset',
] as const;
const servers = sharedServers(...KINDS);

/** Loads the server of that kind. */
function loadKind(kind: PlainKind, changes: Partial<LoadPlan> = {}): Promise<LoadDocument> {
  return startLoad(planFor(servers.port(kind), changes)).done;
}

// Each error of a server is counted under its kind, and never as a message.

test('an honest server: every message comes back, on every loop', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  for (const loop of ['auto', 'poll'] as const) {
    const document = await startLoad(planFor(port, { loop, threads: 2 })).done;
    assert.deepEqual(errorsOf(document), {});
    const { counts, response, service, connect } = document;
    assert(counts.messages > 20, `${counts.messages} messages`);
    assert.equal(response.count, counts.messages);
    assert.equal(service.count, counts.messages);
    assert.equal(counts.receivedBytes, counts.messages * 64);
    assert.equal(counts.connections, 4);
    assert.equal(connect.count, 4);
    const inIntervals = document.intervals.reduce((sum, { messages }) => sum + messages, 0);
    assert.equal(inIntervals, counts.messages);
    const inHeat = document.heat.counts.flat().reduce((sum, count) => sum + count, 0);
    assert.equal(inHeat, counts.messages);
    assert.equal(document.generator.threads.length, 2);
    assert.equal(document.endedEarly, false);
  }
});

test('sizes and pipelines, given messages, lines', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const base64 = Buffer.from('hello\n').toString('base64');
  for (const changes of [
    { message: { kind: 'bytes', bytes: 1 } },
    { message: { kind: 'bytes', bytes: 200_000 } },
    { message: { kind: 'bytes', bytes: 1000 }, model: { kind: 'closed', pipeline: 100 } },
    { message: { kind: 'given', base64, source: 'test' } },
    { message: { kind: 'bytes', bytes: 33 }, mode: 'line' },
    { message: { kind: 'bytes', bytes: 1 }, mode: 'line' },
    { messagesPerConnection: 3 },
    { idleConnections: 5, connections: 1 },
  ] as const) {
    const document = await startLoad(planFor(port, { durationMs: 100, ...changes })).done;
    assert.deepEqual(errorsOf(document), {}, JSON.stringify(changes));
    assert(document.counts.messages > 3, `${JSON.stringify(changes)}: no messages`);
    const opened = document.counts.connections;
    if ('idleConnections' in changes) assert.equal(opened, 6);
    else if ('messagesPerConnection' in changes) assert(opened >= document.counts.messages / 3);
    else assert.equal(opened, 4);
  }
});

test('a bit that is wrong is a mismatch, and so is a byte too many', async (t) => {
  leakCheck(t);
  for (const kind of ['other', 'more'] as const) {
    const document = await loadKind(kind);
    assert.deepEqual(Object.keys(errorsOf(document)), ['mismatch'], kind);
    assert(document.counts.errors.mismatch >= 4);
    if (kind === 'other') assert.equal(document.counts.messages, 0);
    assert.equal(document.verdict.valid, false);
  }
});

test('replies that went to the wrong connection are found out, lines too', async (t) => {
  leakCheck(t);
  for (const changes of [
    {},
    { mode: 'line' },
    { message: { kind: 'bytes', bytes: 20_000 } },
  ] as const) {
    const document = await loadKind('swap', { connections: 2, ...changes });
    assert(document.counts.errors.mismatch > 0, JSON.stringify(changes));
    assert.equal(document.counts.messages, 0);
  }
});

test('a reply that comes byte by byte is a reply', async (t) => {
  leakCheck(t);
  const document = await loadKind('trickle', { message: { kind: 'bytes', bytes: 20 } });
  assert.deepEqual(errorsOf(document), {});
  assert(document.counts.messages > 4);
});

test('half a reply and the end is a short reply', async (t) => {
  leakCheck(t);
  const document = await loadKind('half');
  assert.deepEqual(Object.keys(errorsOf(document)), ['shortReply']);
  assert.equal(document.counts.messages, 0);
});

test('a server that closes after each message is right in mode once only', async (t) => {
  leakCheck(t);
  const wrong = await loadKind('once');
  const errors = errorsOf(wrong);
  assert((errors['shortReply'] ?? 0) + (errors['reset'] ?? 0) > 0, JSON.stringify(errors));
  assert.equal(errors['mismatch'], undefined);
  const right = await loadKind('once', { mode: 'once', durationMs: 200 });
  assert.deepEqual(errorsOf(right), {});
  assert(right.counts.messages > 20);
  assert(right.counts.connections >= right.counts.messages);
});

test('a server that says nothing: timeouts, and the connections are replaced', async (t) => {
  leakCheck(t);
  const document = await loadKind('silent', { timeoutMs: 100, durationMs: 300 });
  assert.deepEqual(Object.keys(errorsOf(document)), ['timeout']);
  assert.equal(document.counts.messages, 0);
  assert(document.counts.connections > 4);
  assert(document.counts.errors.timeout >= 8, `${document.counts.errors.timeout} timeouts`);
});

test('a server that dies: resets, then refusals, at a bounded pace', async (t) => {
  leakCheck(t);
  const document = await load(t, { kind: 'mortal', chunksMax: 200 }, { durationMs: 1000 });
  const { reset, refused, mismatch } = document.counts.errors;
  assert(reset >= 1 && reset <= 4, `${reset} resets`);
  assert.equal(mismatch, 0);
  // 20, 40, ... ms of pause: 6 attempts of each of the 4 in a second.
  assert(refused >= 4 && refused <= 40, `${refused} refusals`);
  assert(document.counts.messages > 0);
});

test('a server that accepts and resets: resets at a bounded pace', async (t) => {
  leakCheck(t);
  const document = await loadKind('reset', { durationMs: 500 });
  // A send that meets the reset takes the error off the socket, and the receive sees an end.
  const { reset = 0, shortReply = 0, ...others } = errorsOf(document);
  assert.deepEqual(others, {});
  assert(reset > 0);
  assert(reset + shortReply <= 60, `${reset + shortReply} failures`);
  assert.equal(document.counts.messages, 0);
});

test('nobody listens: refusals, an invalid run, and no busy waiting', async (t) => {
  leakCheck(t);
  const before = process.cpuUsage();
  const document = await startLoad(planFor(1, { durationMs: 1000, connections: 50 })).done;
  const used = process.cpuUsage(before);
  assert.deepEqual(Object.keys(errorsOf(document)), ['refused']);
  assert.equal(document.counts.messages, 0);
  assert.equal(document.verdict.valid, false);
  assert.match(document.verdict.reasons[0] ?? '', /no message came back .*refused \d+/);
  assert((used.user + used.system) / 1e6 < 0.8, `${(used.user + used.system) / 1e6} s of CPU`);
});
