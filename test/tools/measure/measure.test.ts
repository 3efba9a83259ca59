// Goal: what is measured of processes is what they have used, and sums are of what was measured.
// Method: this process and small ones, clocks that are made up, and arithmetic.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { Child } from '#tools/measure/child.js';
import { Cleanup } from '#tools/measure/cleanup.js';
import { inTurns } from '#tools/measure/in-turns.js';
import { commandWords, listeningPorts } from '#tools/measure/listening-ports.js';
import { ownProcessUse } from '#tools/measure/own-process.js';
import { readProcFile, readProcNumber, readProcNumbers } from '#tools/measure/proc.js';
import type { ProcessClock } from '#tools/measure/process-clock.js';
import { cpuTicks, openDescriptors } from '#tools/measure/process-facts.js';
import { median, quartiles } from '#tools/measure/quartiles.js';
import { timedSlice } from '#tools/measure/timed-slice.js';

const timeout = 60_000;

test('measure: quartiles lie between values, and their order does not matter', () => {
  assert.deepEqual(quartiles([4, 1, 3, 2]), { lower: 1.75, median: 2.5, upper: 3.25, count: 4 });
  assert.deepEqual(quartiles([100, 9, 10]), { lower: 9.5, median: 10, upper: 55, count: 3 });
  assert.deepEqual(quartiles([7]), { lower: 7, median: 7, upper: 7, count: 1 });
  const given = [3, 1, 2];
  assert.equal(median(given), 2);
  assert.deepEqual(given, [3, 1, 2], 'they stay as they are');
  assert.ok(Number.isNaN(median([])));
  assert.equal(quartiles([]).count, 0);
});

test('measure: a slice costs what each process has used in it', async () => {
  const events: string[] = [];
  const clock: ProcessClock = {
    words: 'made up',
    stepUs: 1,
    residentBytes: () => 0,
    times: (pid) => {
      events.push(`${pid}`);
      const so = events.length;
      return { cpuUs: pid * so, userUs: 10 * pid * so, systemUs: 100 * so, waitedUs: so };
    },
  };
  const { result, times } = await timedSlice(clock, [3, 5], () => {
    events.push('slice');
    return Promise.resolve('done');
  });
  assert.deepEqual([events, result], [['3', '5', 'slice', '3', '5'], 'done']);
  assert.deepEqual(times, [
    { cpuUs: 9, userUs: 90, systemUs: 300, waitedUs: 3 },
    { cpuUs: 15, userUs: 150, systemUs: 300, waitedUs: 3 },
  ]);
});

test('measure: work in turns is done once each, two at a time at most', async () => {
  let [underWay, most] = [0, 0];
  const outcomes = await inTurns(['a', 'b', 'c', 'd', 'e'], async (item, at) => {
    underWay += 1;
    most = Math.max(most, underWay);
    await delay(item === 'a' ? 20 : 1);
    underWay -= 1;
    if (item === 'c') throw new Error('not this one');
    return `${item}${at}`;
  });
  const found = outcomes.map((one) =>
    one.status === 'fulfilled' ? one.value : one.reason.message,
  );
  assert.deepEqual(found, ['a0', 'b1', 'not this one', 'd3', 'e4']);
  assert.ok(most <= 2, `${most}`);
});

test('measure: the ports of a process, in the order of its descriptors', {
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const hosts = ['127.0.0.1', '::1', '127.0.0.1'];
  const before = listeningPorts(process.pid);
  const ports: number[] = [];
  for (const host of hosts) {
    const server = createServer();
    server.listen(0, host);
    await once(server, 'listening');
    t.after(() => void server.close());
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    ports.push(address.port);
  }
  assert.deepEqual(listeningPorts(process.pid), [...before, ...ports]);
  assert.deepEqual(listeningPorts(2 ** 30), []);
  assert.equal(commandWords(process.pid)?.[0], process.argv0);
  assert.equal(commandWords(2 ** 30), null);
});

test('measure: descriptors, memory and limits of this process', {
  skip: reasonWithoutProc,
}, (t) => {
  leakCheck(t);
  // The listing itself takes one.
  assert.equal(openDescriptors(process.pid), readdirSync('/proc/self/fd').length);
  const before = openDescriptors(process.pid) ?? 0;
  const fd = openSync('/dev/null', 'r');
  assert.equal(openDescriptors(process.pid), before + 1);
  closeSync(fd);
  assert.equal(openDescriptors(2 ** 30), null);
  const use = ownProcessUse();
  const { user, system } = process.cpuUsage();
  assert.ok(use.cpuSeconds > 0 && use.cpuSeconds <= (user + system) / 1e6);
  assert.ok(Math.abs(use.startSeconds - (Date.now() / 1000 - process.uptime())) < 1);
  assert.ok(Math.abs(use.residentBytes / process.memoryUsage.rss() - 1) < 0.2);
  assert.ok(use.descriptorsMax >= (use.openDescriptors ?? 0));
});

test('measure: user and system time are told apart, whatever a process calls itself', {
  skip: reasonWithoutProc,
}, (t) => {
  const { title } = process;
  t.after(() => {
    process.title = title;
  });
  process.title = 'a) b (c) 1';
  const started = process.cpuUsage();
  const before = cpuTicks(process.pid);
  // The clock is a system call, and is looked at rarely.
  while (process.cpuUsage(started).user < 150_000) sumOf(1e6);
  const after = cpuTicks(process.pid);
  const [user, system] = [after.user - before.user, after.system - before.system];
  assert.ok(user >= 8 && user <= 80, `${user} ticks of 10 ms`);
  assert.ok(system < user, `${system} of the kernel`);
  const inKernel = process.cpuUsage();
  while (process.cpuUsage(inKernel).system < 80_000) openDescriptors(process.pid);
  const ticks = cpuTicks(process.pid);
  const told = process.cpuUsage();
  assert.ok(Math.abs(told.system / 10_000 - ticks.system) < 4, `${ticks.system} ticks`);
  assert.ok(Math.abs(told.user / 10_000 - ticks.user) < 4, `${ticks.user} ticks`);
});

/** Takes time. */
function sumOf(numbers: number): number {
  let sum = 0;
  for (let number = 0; number < numbers; number += 1) sum += Math.sqrt(number);
  return sum;
}

test('measure: files of numbers hold numbers, or nothing', (t) => {
  const path = `${scratch(t)}/file`;
  const read = (text: string) => {
    writeFileSync(path, text);
    return [readProcFile(path), readProcNumbers(path), readProcNumber(path)];
  };
  assert.deepEqual(read('32768\t60999\n'), ['32768\t60999', [32_768, 60_999], 32_768]);
  assert.deepEqual(read('max 100000\n'), ['max 100000', null, null]);
  assert.deepEqual(read('0'), ['0', [0], 0]);
  assert.deepEqual(readProcNumber(`${path}-none`), null);
});

test('measure: what was added to a cleanup is done once, unless it was taken back', () => {
  const done: string[] = [];
  const before = process.listenerCount('exit');
  const cleanup = new Cleanup();
  assert.equal(process.listenerCount('exit'), before + 1);
  cleanup.add(() => done.push('one'));
  cleanup.add(() => done.push('two'))();
  cleanup[Symbol.dispose]();
  cleanup[Symbol.dispose]();
  assert.deepEqual([done, process.listenerCount('exit')], [['one'], before]);
});

/** A process of Node with this program. */
function program(t: TestContext, text: string): Child {
  const cleanup = new Cleanup();
  t.after(() => cleanup[Symbol.dispose]());
  return new Child([process.execPath, '-e', text], { cleanup });
}

test('measure: a child is heard line by line, and its end says why', { timeout }, async (t) => {
  leakCheck(t);
  const waits = 'process.stdin.on("data", (text) => process.stdout.write(text));';
  const child = program(t, `console.log("listening on 127.0.0.1:4711\\nready"); ${waits}`);
  assert.equal(await child.port(timeout), 4711);
  assert.equal(await child.line(timeout), 'ready');
  child.tell('and this');
  assert.equal(await child.line(timeout), 'and this');
  await assert.rejects(child.line(1), { message: 'silent for 1 ms' });
  assert.equal(child.end, null);
  await child.stop();
  assert.equal(child.end, 'SIGTERM');
  await assert.rejects(child.line(timeout), { message: 'SIGTERM' });
  const broken = program(t, 'console.error("first\\nSomeError: why"); process.exitCode = 3;');
  await broken.closed;
  assert.equal(broken.end, 'status 3 (SomeError: why)');
  assert.equal(broken.lastWords('nothing'), 'SomeError: why');
  const odd = program(t, 'console.log("hello"); console.log("listening 80")');
  await assert.rejects(odd.port(timeout), { message: 'said "hello" instead of where it listens' });
  assert.equal(await odd.port(timeout), 80);
  await odd.closed;
  assert.equal(odd.end, 'status 0');
  const aborted = program(t, 'process.kill(process.pid, "SIGABRT")');
  await aborted.closed;
  assert.match(aborted.end ?? '', /raise the limit of processes/);
});
