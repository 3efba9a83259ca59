// Goal: a run whose generator did not run when it could is INVALID, whatever the reason.
// Method: real runs that are stopped by a signal, or share their core with busy programs; quotas
// of control groups from texts. The assertions hold on a machine that is busy itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { Command, eventually } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { sockloop } from '#test/harness/programs.js';
import type { LoadDocument } from '#tools/load/document.js';
import { findCpuQuota } from '#tools/load/engine/cpu-quota.js';
import { CpuWatch } from '#tools/load/engine/cpu-watch.js';
import { parseDocument } from '#tools/load/result/parse-document.js';
import { serve } from '../servers.ts';

/** Programs start late on a busy machine. */
const timeout = 200_000;
const END_MS = 90_000;

test('load: a run that was stopped for a second is INVALID, on every loop', {
  timeout,
}, async (t) => {
  leakCheck(t);
  // A closed loop that waits for most of its replies leaves the cores to the others.
  const { port } = await serve(t, { kind: 'delay' });
  const sys = nativeSys();
  const loops = backends.filter(({ available }) => available(sys) === true);
  const models = [...loops.map(({ name }) => name), '200'];
  const program = fileURLToPath(new URL('./stoppable-runs.js', import.meta.url));
  const runs = new Command(t, [process.execPath, program, `${port}`, ...models]);
  await eventually(() => assert.match(runs.out, /^measuring\n/), END_MS);
  runs.child.kill('SIGSTOP');
  await delay(1000);
  runs.child.kill('SIGCONT');
  const { out, status, err } = await runs.end(END_MS);
  assert.equal(status, 0, err);
  const documents = JSON.parse(out.slice(out.indexOf('\n'))) as LoadDocument[];
  for (const [index, { verdict, generator }] of documents.entries()) {
    const what = `${models[index]}: ${verdict.reasons.join('; ')}`;
    const [thread] = generator.threads;
    assert(thread !== undefined && thread.turnMaxMs > 900, `${thread?.turnMaxMs}: ${what}`);
    assert.equal(verdict.valid, false, what);
    assert.match(what, /the generator was held up for/);
  }
});

test('load: a run that shares its core with busy programs is INVALID, and its status says so', {
  timeout,
  skip: reasonWithout('taskset') || reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { port } = await serve(t, { kind: 'echo' });
  const busy = Array.from({ length: 3 }, () => {
    return new Command(t, ['taskset', '-c', '0', process.execPath, '-e', 'for (;;);']);
  });
  const words = sockloop(
    ...['load', '127.0.0.1', `${port}`, '--json', '--duration', '1', '--warmup', '0'],
    ...['--timeout', '20', '--fail-if', 'invalid', '--fail-if', 'rate<1'],
  );
  const run = new Command(t, ['taskset', '-c', '0', ...words]);
  const { out, status, err } = await run.end(END_MS);
  for (const { child } of busy) child.kill('SIGKILL');
  const { verdict, generator } = parseDocument(out, 'standard output');
  assert.equal(verdict.valid, false);
  assert((generator.threads[0]?.waitedShare ?? 0) > 0.1, `${generator.threads[0]?.waitedShare}`);
  assert.match(verdict.reasons.join(), /the generator waited \d+ % of the time for a CPU/);
  assert.equal(status, 3, err);
  assert.match(err, /^sockloop: --fail-if invalid: the run is INVALID: /m);
});

test('the quota of a control group is read of both versions, and of the groups above', () => {
  const quotaOf = (files: Readonly<Record<string, string>>) =>
    findCpuQuota((path) => files[path] ?? null);
  const v2 = {
    '/proc/self/cgroup': '0::/a/b\n',
    '/sys/fs/cgroup/cpu.stat': 'usage_usec 5\n',
    '/sys/fs/cgroup/a/cpu.stat':
      'usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 4500\n',
    '/sys/fs/cgroup/a/b/cpu.stat': 'nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n',
  };
  assert.deepEqual(quotaOf(v2)?.(), { periods: 3, ms: 4.5 });
  // A container sees its own group as the root.
  const v1 = {
    '/proc/self/cgroup': '9:pids:/\n4:cpu,cpuacct:/docker/ab\n0::/\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.stat':
      'nr_periods 20\nnr_throttled 7\nthrottled_time 9000000\n',
  };
  assert.deepEqual(quotaOf(v1)?.(), { periods: 7, ms: 9 });
  assert.equal(
    quotaOf({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.stat': 'x 1\n' }),
    null,
  );
  assert.equal(quotaOf({}), null);
});

test('what a thread was denied is that of the measured time', () => {
  let [cpuMs, waitedMs, periods] = [10, 20, 30];
  const watch = new CpuWatch({
    threadTimes: () => ({ cpuMs, waitedMs }),
    quota: () => ({ periods, ms: 2 * periods }),
  });
  const window = { startMs: 100, endMs: 200 };
  watch.look(99, window);
  [cpuMs, waitedMs, periods] = [11, 22, 33];
  watch.look(100, window);
  [cpuMs, waitedMs, periods] = [15, 28, 34];
  watch.look(199, window);
  assert.equal(watch.isDone, false);
  watch.look(201, window);
  assert.deepEqual([watch.cpuMs, watch.waitedMs, watch.isDone], [4, 6, true]);
  assert.deepEqual(watch.throttled, { periods: 1, ms: 2 });
  const blind = new CpuWatch({ threadTimes: () => null, quota: null });
  blind.look(300, window);
  assert.deepEqual([blind.cpuMs, blind.waitedMs, blind.throttled], [null, null, null]);
});
