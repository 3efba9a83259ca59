import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import type { LoadDocument, Trouble } from '#tools/load/document.js';
import { startLoad } from '#tools/load/engine/run.js';
import { SharedState } from '#tools/load/engine/shared-state.js';
import { LoadThread } from '#tools/load/engine/thread.js';
import { judgeReplies } from '#tools/load/engine/wrong-reply.js';
import type { ThreadResult } from '#tools/load/record/thread-messages.js';
import { errorsOf, load, openPlan, planFor, serve, sharedServers } from '../servers.ts';

const servers = sharedServers('echo', 'silent', 'reset');

// Every lost message and connection counts once, under its kind and in its phase.

function lossesOf({ lost }: Trouble): Record<string, number> {
  return Object.fromEntries(Object.entries(lost).filter(([, count]) => count > 0));
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Asserts that every message sent in the measured time was answered or is an error. */
function assertAllAccounted({ counts }: LoadDocument, what: string): void {
  assert.equal(counts.messages + sumOf(counts.errors), counts.sentBytes / 64, what);
}

test('connections that the server ends are told, with what became of them', async (t) => {
  leakCheck(t);
  for (const how of ['reset', 'close'] as const) {
    const times = { durationMs: 250, warmupMs: 250 };
    const changes = { ...times, loop: 'poll', connections: 2, idleConnections: 3 } as const;
    const document = await load(t, { kind: 'leave', afterMs: 20, how }, changes);
    const { counts, warmup } = document;
    const kind = how === 'reset' ? 'reset' : 'closed';
    assert.deepEqual(Object.keys(lossesOf(counts)), [kind]);
    assert(counts.lost[kind] >= 5, `${counts.lost[kind]} lost`);
    assert(warmup.lost[kind] >= 5, `${warmup.lost[kind]} lost in the warm-up`);
    // The last losses may have no successor yet, and those of the warm-up may have one now.
    assert(Math.abs(counts.replaced - counts.lost[kind]) <= 5, `${counts.replaced} replaced`);
    // Some of the successors may be under way yet.
    assert(counts.connections >= counts.replaced + warmup.replaced);
    assertAllAccounted(document, how);
  }
});

test('a wrong byte is one mismatch, whatever else was under way on its connection', async (t) => {
  leakCheck(t);
  const pipelined = { model: { kind: 'closed', pipeline: 16 }, connections: 2 } as const;
  const server = await serve(t, { kind: 'flip', every: 150, most: 17 });
  const document = await startLoad(planFor(server.port, { ...pipelined, durationMs: 400 })).done;
  const flips = (await server.stop()).length;
  const { mismatch, lost } = document.counts.errors;
  // 17, unless the machine is too busy to open as many connections.
  assert(flips > 0 && flips <= 17, `${flips} wrong bytes`);
  // The last wrong byte of each connection may be under way when the time ends.
  assert(mismatch <= flips && mismatch >= flips - 2, `${mismatch} of ${flips} mismatches`);
  // The right replies in the same chunk count as answers.
  assert(lost <= flips * 15, `${lost} lost`);
  assert.equal(sumOf(document.counts.errors), mismatch + lost);
  assert.deepEqual(lossesOf(document.counts), { mismatch });
  assertAllAccounted(document, 'closed');
  const open = await serve(t, { kind: 'flip', every: 40, most: 9 });
  const plan = openPlan(open.port, 2000, 500, { connections: 2, timeoutMs: 10_000 });
  const answered = await startLoad(plan).done;
  assert.equal(answered.counts.errors.mismatch, (await open.stop()).length);
  assert.equal(answered.counts.messages + sumOf(answered.counts.errors), 1000);
});

test('replies with wrong bytes are judged one by one as long as they are in step', () => {
  const size = 4;
  const stream = Uint8Array.from({ length: 64 }, (_, at) => at);
  const pool = {
    messageBytes: size,
    after: (at: number, length: number) => at + length,
    rightBytes: (chunk: Uint8Array, at: number) =>
      chunk.filter((byte, index) => byte === stream[at + index]).length,
  };
  const judged = (bytes: readonly number[], at = 0, partial = 0, awaited = 4) =>
    judgeReplies(pool, Uint8Array.from(bytes), { at, partial, awaited })
      .map((judgement) => judgement[0])
      .join('');
  assert.equal(judged([0, 1, 2, 3, 99, 5, 6, 7, 8, 9, 10, 11]), 'ama');
  assert.equal(judged([99, 1, 2, 3, 4, 99, 6, 7, 8, 9]), 'mm');
  // A missing byte shifts all bytes behind it.
  assert.equal(judged([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12]), 'am');
  // Part of a reply came before; part of one is wrong.
  assert.equal(judged([2, 3, 4, 5, 6, 99], 2, 2), 'am');
  assert.equal(judged([2, 3, 4, 99], 2, 2), 'am');
  // More than was sent, behind the last reply and behind none.
  assert.equal(judged([0, 1, 2, 3, 4, 5, 6, 7, 0], 0, 0, 2), 'am');
  assert.equal(judged([0], 0, 0, 0), 'm');
});

test('what was due in the warm-up is an error of the warm-up, whenever it fails', async (t) => {
  leakCheck(t);
  const port = servers.port('silent');
  const plan = openPlan(port, 100, 1000, { warmupMs: 1000, timeoutMs: 400, connections: 2 });
  const { counts, warmup } = await startLoad(plan).done;
  for (const [name, { errors }] of Object.entries({ counts, warmup })) {
    assert.equal(errors.timeout + errors.lost, 100, `${name}: ${JSON.stringify(errors)}`);
    assert.equal(sumOf(errors), 100, name);
  }
});

test('connects of the warm-up are no connects of the measured time', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const churn = { messagesPerConnection: 1, warmupMs: 200, durationMs: 150, timeoutMs: 10_000 };
  const { connect, counts } = await startLoad(planFor(port, churn)).done;
  assert(Math.abs(connect.count - counts.messages) <= 8, `${connect.count}, ${counts.messages}`);
  assert(counts.connections > connect.count + 4);
  const kept = await startLoad(planFor(port)).done;
  assert.equal(kept.connect.count, 4);
});

test('a server that does not end the connection, though it was to', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const soon = await startLoad(planFor(port, { mode: 'once', timeoutMs: 700, durationMs: 1500 }))
    .done;
  assert.deepEqual(Object.keys(errorsOf(soon)), ['notClosed']);
  assert(soon.counts.messages > 0);
  assert.equal(soon.verdict.valid, false);
  assert.match(soon.verdict.reasons.join(), /for the server to end them/);
  const long = { durationMs: 1500, timeoutMs: 20_000 };
  const stuck = await startLoad(planFor(port, { mode: 'once', ...long })).done;
  assert.deepEqual([stuck.counts.messages, stuck.verdict.valid], [4, false]);
  assert.match(stuck.verdict.reasons.join(), /4 connections wait for the server to end them/);
  assert.doesNotMatch(stuck.verdict.reasons.join(), /was out for/);
  const never = await startLoad(planFor(port, { mode: 'once', warmupMs: 200 })).done;
  assert.equal(never.counts.messages, 0);
  assert.match(never.verdict.reasons[0] ?? '', /4 connections wait for the server to end them/);
});

test('a reset right behind accept is a reset, on every loop', async (t) => {
  leakCheck(t);
  const port = servers.port('reset');
  const sys = nativeSys();
  for (const { name, available } of backends) {
    if (available(sys) !== true) continue;
    // Long enough for a thread that starts on a busy machine.
    const document = await startLoad(planFor(port, { loop: name, durationMs: 600 })).done;
    assert.deepEqual(Object.keys(errorsOf(document)), ['reset'], name);
    assert.deepEqual(Object.keys(lossesOf(document.counts)), ['reset'], name);
  }
});

test('a run that is stopped before it was to begin sends nothing', (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  for (const plan of [planFor(port), openPlan(port, 1000, 300)]) {
    const shared = new SharedState(1);
    const results: ThreadResult[] = [];
    const task = { memory: shared.memory, plan, thread: 0, target: { host: '127.0.0.1', port } };
    const thread = new LoadThread(task, (message) => {
      // All connections are open, and the start is not set yet.
      if (message.kind === 'ready') shared.stop();
      if (message.kind === 'ended') results.push(message.result);
    });
    let sent = 0;
    thread.recorder.sent = () => {
      sent += 1;
    };
    thread.run();
    assert.equal(sent, 0, 'not even what does not count');
    const [result] = results;
    assert.equal(result?.connections, 4);
    assert.deepEqual([result.messages, result.sentBytes, result.due], [0, 0, 0]);
    assert.equal(result.measuredMs, 0);
  }
});
