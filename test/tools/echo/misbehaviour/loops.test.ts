// Goal: on every loop `sockloop serve` misbehaves as asked for, and counts what it did: a client
// finds exactly what the totals say.
// Method: the server in this process (the blocking one in a process of its own); clients that know
// what they sent, and the load client.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { nativeSys } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { closed, dial, dismissed, heard, reset, talk } from '#test/harness/clients.js';
import { eventually, type Scope } from '#test/harness/command.js';
import { serveHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { serveBlocking } from '#test/harness/programs.js';
import { errorsOf, openPlan, planFor } from '#test/tools/load/servers.js';
import { type MisbehaviourTotals, newMisbehaviourTotals } from '#tools/echo/misbehaviour/plan.js';
import type { LoadDocument } from '#tools/load/document.js';
import { startLoad } from '#tools/load/engine/run.js';

const timeout = 60_000;

/** The loops of this machine that differ in how they wait. */
const eventLoops = ['epoll', 'io_uring', 'poll', 'kqueue'].filter((name) =>
  backends.some((one) => one.name === name && one.available(nativeSys()) === true),
);
const loops = [...eventLoops, 'threads', 'blocking'];
/** Readiness, completion, blocking calls. */
const fewLoops = [...eventLoops.slice(0, 2), 'blocking'];

interface Server {
  readonly port: number;
  /** Ends it. Returns its totals. */
  stop(): Promise<{ readonly misbehaved: MisbehaviourTotals; readonly connections: number }>;
}

async function misbehaving(scope: Scope, loop: string, ...words: string[]): Promise<Server> {
  const server =
    loop === 'blocking'
      ? await serveBlocking(scope, '--json', ...words)
      : await serveHere(scope, '--loop', loop, '--json', ...words);
  return {
    port: server.port,
    stop: async () => {
      const { status, out, err } = await ('command' in server ? server.command : server).stop();
      assert.equal(status, 0, err);
      const { event, totals } = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '');
      assert.equal(event, 'stopped');
      return totals;
    },
  };
}

/**
 * Loads a server with `words` until it has done `what`. On a busy machine little happens in a short
 * time: it is then loaded for longer.
 */
async function loadUntil(
  scope: Scope,
  what: 'dropped' | 'closed',
  loop: string,
  ...words: string[]
): Promise<{
  readonly document: LoadDocument;
  readonly misbehaved: MisbehaviourTotals;
  readonly connections: number;
}> {
  // A blocking server has a client for each thread, and few threads at first.
  const connections = loop === 'blocking' ? 1 : 2;
  for (const durationMs of [250, 1500, 8000]) {
    const server = await misbehaving(scope, loop, ...words);
    const plan = planFor(server.port, { connections, durationMs, timeoutMs: 1500 });
    const document = await startLoad(plan).done;
    const { misbehaved } = await server.stop();
    if (misbehaved[what] > 0) return { document, misbehaved, connections };
  }
  assert.fail(`nothing was ${what}`);
}

const LINE_BYTES = 16;

/** Line `number` of a client: `000000000000017\n`. */
function lineOf(number: number): string {
  return `${String(number).padStart(LINE_BYTES - 1, '0')}\n`;
}

/** What a client finds that sends numbered lines and compares the answers, line by line. */
interface Findings {
  readonly dropped: number;
  readonly corrupted: number;
  readonly corruptedBytes: number;
  readonly answered: number;
}

/** Compares `answers` with the lines that were sent. A corrupted line is most like its own. */
function compare(answers: Buffer, lines: number): Findings {
  let [dropped, corrupted, corruptedBytes, answered, number] = [0, 0, 0, 0, 0];
  for (let at = 0; at < answers.length; at += LINE_BYTES) {
    const answer = answers.subarray(at, at + LINE_BYTES);
    assert.equal(answer.length, LINE_BYTES);
    const differences = (candidate: number): number =>
      Buffer.from(lineOf(candidate)).reduce(
        (sum, byte, index) => sum + (byte === answer[index] ? 0 : 1),
        0,
      );
    // A digit with a flipped bit may look like another line: a printable one that comes later.
    let found = number;
    while (found < lines && differences(found) > 0) found += 1;
    if (found === lines) {
      found = number;
      while (found < lines && differences(found) > 2) found += 1;
    }
    assert(found < lines, `no line is like ${JSON.stringify(answer.toString('latin1'))}`);
    if (differences(found) > 0) corrupted += 1;
    corruptedBytes += differences(found);
    dropped += found - number;
    number = found + 1;
    answered += 1;
  }
  return { dropped: dropped + lines - number, corrupted, corruptedBytes, answered };
}

/** Sends `lines` lines on each of `connections` connections, one after another. */
async function converse(port: number, connections: number, lines: number): Promise<Findings[]> {
  const text = Array.from({ length: lines }, (_, number) => lineOf(number)).join('');
  const findings: Findings[] = [];
  for (let connection = 0; connection < connections; connection += 1) {
    findings.push(compare(await talk({ port }, text), lines));
  }
  return findings;
}

test('the same seed does the same on every loop, and the client finds what was done', {
  timeout,
}, async (t) => {
  leakCheck(t);
  let first: MisbehaviourTotals | null = null;
  // The first loop once more: the same again in a new process of the server.
  for (const loop of [...loops, loops[0] ?? '']) {
    const words = ['--mode', 'line', '--drop', '5%', '--corrupt', '0.05%'];
    const random = ['--delay', '1ms', '--jitter', '3ms', '--misbehave-seed', '11'];
    const server = await misbehaving(t, loop, ...words, ...random);
    const findings = await converse(server.port, 3, 400);
    const { misbehaved, connections } = await server.stop();
    assert.equal(connections, 3);
    const sum = (count: keyof Findings): number =>
      findings.reduce((total, one) => total + one[count], 0);
    assert.deepEqual(
      [sum('dropped'), sum('corrupted'), sum('corruptedBytes'), sum('answered')],
      [
        misbehaved.dropped,
        misbehaved.corrupted,
        misbehaved.corruptedBytes,
        1200 - misbehaved.dropped,
      ],
      loop,
    );
    assert(misbehaved.dropped > 0 && misbehaved.corrupted > 0);
    assert.equal(misbehaved.delayed, 1200 - misbehaved.dropped);
    first ??= misbehaved;
    assert.deepEqual(misbehaved, first, loop);
  }
});

for (const loop of [...fewLoops, 'threads']) {
  test(`${loop}: the load client counts what the server did`, { timeout }, async (t) => {
    leakCheck(t);
    const words = ['--drop', '2%', '--corrupt', '0.05%'];
    const { document, misbehaved, connections } = await loadUntil(t, 'dropped', loop, ...words);
    const { messages, dropped, corrupted } = misbehaved;
    const found = { mismatch: corrupted, timeout: dropped };
    const kinds = Object.entries(found).filter(([, count]) => count > 0);
    assert.deepEqual(errorsOf(document), Object.fromEntries(kinds));
    const { counts } = document;
    assert.equal(counts.messages, messages - dropped - corrupted);
    // A connection that is given up behind the measured time is not counted as lost.
    const lost = counts.lost.timeout + counts.lost.mismatch;
    assert(lost <= dropped + corrupted && lost >= dropped + corrupted - connections, `${lost}`);
    assert.equal(counts.lost.reset + counts.lost.closed, 0);
  });

  test(`${loop}: the load client loses the connections that the server closes`, {
    timeout,
  }, async (t) => {
    leakCheck(t);
    for (const how of ['fin', 'reset']) {
      const words = ['--close-after', '20', '--close-how', how];
      const { document, misbehaved, connections } = await loadUntil(t, 'closed', loop, ...words);
      const { counts } = document;
      const { reset: broken, closed: ended } = counts.lost;
      assert.equal(how === 'fin' ? broken : ended, 0, how);
      const lost = broken + ended;
      // The last end of each connection may come when the client is done.
      assert(lost <= misbehaved.closed && lost >= misbehaved.closed - connections, `${lost} lost`);
      assert(counts.replaced <= lost && counts.replaced >= lost - connections);
      assert.equal(counts.messages, misbehaved.messages);
    }
  });

  test(`${loop}: an answer comes after its delay, and soon after`, { timeout }, async (t) => {
    leakCheck(t);
    const words = ['--mode', 'line', '--delay', '20ms', '--jitter', '10ms'];
    const server = await misbehaving(t, loop, ...words);
    const plan = openPlan(server.port, 50, 400, { connections: 1, mode: 'line' });
    const document = await startLoad(plan).done;
    const { misbehaved } = await server.stop();
    assert.deepEqual(errorsOf(document), {});
    assert.equal(misbehaved.delayed, 20);
    const { minUs, meanUs } = document.service;
    assert(minUs >= 20_000, `${minUs} us at least`);
    // The fastest of 20 is near the delay, whatever else the machine does.
    assert(minUs < 40_000, `${minUs} us at least`);
    assert(meanUs >= misbehaved.delayUs / 20, `${meanUs} us on average`);
  });

  test(`${loop}: bandwidth is what it is said to be`, { timeout }, async (t) => {
    leakCheck(t);
    const rate = 256 * 1024;
    const burst = 64 * 1024;
    const server = await misbehaving(t, loop, '--bandwidth', '256k', '--burst', '64k');
    const socket = await dial({ port: server.port });
    const bytes = Buffer.alloc(rate + burst, 'x');
    // A thread of a pool may only start now.
    socket.write('x');
    assert.equal(`${await heard(socket)}`, 'x');
    const sys = nativeSys();
    const startMs = sys.monotonicMs();
    socket.write(bytes);
    let received = 0;
    while (received < bytes.length) received += (await heard(socket)).length;
    const seconds = (sys.monotonicMs() - startMs) / 1000;
    socket.destroy();
    await closed(socket);
    const { misbehaved } = await server.stop();
    assert(seconds >= 0.99 && seconds <= 1.1, `${seconds} s`);
    // The burst went at once; what came behind it in the same chunk waited.
    assert(misbehaved.throttledBytes > rate / 2, `${misbehaved.throttledBytes} bytes waited`);
    assert(misbehaved.throttledBytes <= rate);
  });

  test(`${loop}: connections are closed behind their last message`, { timeout }, async (t) => {
    leakCheck(t);
    for (const how of ['fin', 'reset']) {
      const words = ['--mode', 'line', '--close-after', '3', '--close-how', how];
      const server = await misbehaving(t, loop, ...words, '--delay', '10ms');
      for (let connection = 0; connection < 2; connection += 1) {
        const socket = await dial({ port: server.port });
        const pieces: Buffer[] = [];
        socket.on('data', (piece: Buffer) => pieces.push(piece));
        socket.write('one\ntwo\n');
        await eventually(() => assert.equal(`${Buffer.concat(pieces)}`, 'one\ntwo\n'));
        socket.write('three\n');
        await dismissed(socket);
        assert.equal(`${Buffer.concat(pieces)}`, 'one\ntwo\nthree\n');
      }
      const { misbehaved } = await server.stop();
      assert.deepEqual([misbehaved.closed, misbehaved.messages], [2, 6]);
    }
  });
}

test('a connection is closed in the middle of an answer', { timeout }, async (t) => {
  leakCheck(t);
  for (const loop of loops) {
    const server = await misbehaving(t, loop, '--close-after-bytes', '5');
    const socket = await dial({ port: server.port });
    socket.write('abc');
    assert.equal(`${await heard(socket)}`, 'abc');
    socket.write('defghi');
    assert.equal(`${await heard(socket)}`, 'de');
    await dismissed(socket);
    const { misbehaved } = await server.stop();
    assert.deepEqual([misbehaved.closed, misbehaved.messages], [1, 2], loop);
  }
});

test('refused connections end without an answer', { timeout }, async (t) => {
  leakCheck(t);
  const refused: number[] = [];
  for (const loop of loops) {
    const server = await misbehaving(t, loop, '--refuse', '50%', '--misbehave-seed', '3');
    let empty = 0;
    for (let connection = 0; connection < 8; connection += 1) {
      const answer = await talk({ port: server.port }, 'hello');
      assert(['', 'hello'].includes(`${answer}`));
      if (answer.length === 0) empty += 1;
    }
    const { misbehaved, connections } = await server.stop();
    assert.deepEqual([misbehaved.refused, connections], [empty, 8], loop);
    refused.push(empty);
  }
  assert(
    refused.every((count) => count === refused[0] && count > 0 && count < 8),
    `${refused}`,
  );
});

test('mode once: a dropped line gets no answer and no end; a delayed one both', {
  timeout,
}, async (t) => {
  leakCheck(t);
  for (const loop of fewLoops) {
    const silent = await misbehaving(t, loop, '--mode', 'once', '--drop', '100%');
    assert.equal(`${await talk({ port: silent.port }, 'hello\n')}`, '');
    const stays = await dial({ port: silent.port });
    let isOver = false;
    stays.once('end', () => {
      isOver = true;
    });
    stays.write('hello\n');
    await delay(100);
    assert.equal(isOver, false);
    stays.destroy();
    await closed(stays);
    assert.equal((await silent.stop()).misbehaved.dropped, 2, loop);
    const slow = await misbehaving(t, loop, '--mode', 'once', '--delay', '50ms');
    assert.equal(`${await talk({ port: slow.port }, 'hello\n', 'stay')}`, 'hello\n');
    assert.equal((await slow.stop()).misbehaved.delayed, 1, loop);
  }
});

test('a server that stops gives the answers that wait', { timeout }, async (t) => {
  leakCheck(t);
  for (const loop of fewLoops) {
    const server = await misbehaving(t, loop, '--delay', '400ms');
    const socket = await dial({ port: server.port });
    socket.write('late');
    // Until it is received.
    await delay(150);
    const stopped = server.stop();
    assert.equal(`${await heard(socket)}`, 'late', loop);
    await dismissed(socket);
    assert.equal((await stopped).misbehaved.delayed, 1, loop);
  }
});

test('a client that leaves takes its answers along', { timeout }, async (t) => {
  leakCheck(t);
  for (const loop of eventLoops) {
    const server = await misbehaving(t, loop, '--delay', '60s');
    const socket = await dial({ port: server.port });
    socket.write('never');
    await delay(50);
    await reset(socket);
    // A server that stops gives what waits 5 s.
    const startMs = nativeSys().monotonicMs();
    await server.stop();
    const ms = nativeSys().monotonicMs() - startMs;
    assert(ms < 4000, `${loop} took ${ms} ms to stop`);
  }
});

test('threads with an event loop each add their counts', { timeout }, async (t) => {
  leakCheck(t);
  for (const loop of eventLoops.slice(0, 2)) {
    const words = ['--threads', '2', '--close-after', '1', '--mode', 'line'];
    const server = await misbehaving(t, loop, ...words);
    const clients = Array.from({ length: 8 }, () => talk({ port: server.port }, 'a\nb\n'));
    for (const answer of await Promise.all(clients)) assert.equal(`${answer}`, 'a\n');
    const { misbehaved } = await server.stop();
    assert.deepEqual(misbehaved, { ...newMisbehaviourTotals(), messages: 8, closed: 8 });
  }
});
