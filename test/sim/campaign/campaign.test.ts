// Goal: a failing seed becomes a short story that repeats, and a campaign counts what it runs.
// Method: a planted bug is shrunk; a campaign of a few seeds runs as `make sim` runs it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leakCheck } from '#test/harness/leaks.js';
import { runLoop } from '#test/sim/loop/environment.js';
import { outOfJobs } from '#test/sim/loop/promise-jobs.js';
import { datagramPlay, loadPlay, loopPlay, restartPlay, threadsPlay } from './plays.ts';
import { shrink, told } from './story.ts';

const BUG = 'overlooks a short write';

/** The first seed that finds the bug. */
function failingSeed(): number {
  for (let seed = 1; seed <= 60; seed += 1) {
    if (runLoop('io_uring', seed, { bug: BUG }).violation !== null) return seed;
  }
  assert.fail('no seed finds it');
}

test('sim campaign: a failing seed shrinks to fewer parts and faults, and fails as before', (t) => {
  leakCheck(t);
  const seed = failingSeed();
  const play = loopPlay('io_uring', seed, BUG);
  const story = shrink(play) ?? assert.fail('it did not fail');
  t.diagnostic(told(play, story).split('\n').slice(0, 3).join('; '));
  const { parts, partsAtFirst, faults, faultsAtFirst } = story;
  assert.ok(partsAtFirst > 1 && parts.length < partsAtFirst, `${parts.length} parts`);
  assert.ok(faults < faultsAtFirst, `${faults} faults of ${faultsAtFirst}`);
  const again = play.run(story.options);
  assert.equal(again.violation?.split('\n')[0], story.violation);
  for (const part of parts) {
    const without = new Set([...(story.options.without ?? []), part]);
    const { violation } = play.run({ ...story.options, without });
    assert.notEqual(violation?.split('\n')[0], story.violation, `${part} is not needed`);
  }
  assert.match(story.command, /^SIM_SEED=\d+ SIM_TARGET=io_uring SIM_KINDS=/);
});

test('sim campaign: a failing seed of datagrams shrinks to few turns', (t) => {
  leakCheck(t);
  const play = datagramPlay('poll', 2, 'cuts one');
  const story = shrink(play) ?? assert.fail('it did not fail');
  t.diagnostic(told(play, story).split('\n').slice(0, 3).join('; '));
  assert.ok(story.parts.length < story.partsAtFirst, `${story.parts.length} parts`);
  assert.equal(story.faults, 0, 'no fault is needed');
  assert.equal(play.run(story.options).violation?.split('\n')[0], story.violation);
  assert.match(story.command, /^SIM_SEED=2 SIM_TARGET=poll .* build\/.*\/datagrams\.test\.js$/);
});

test('sim campaign: a failing seed of the load client shrinks to few parts', (t) => {
  leakCheck(t);
  const play = loadPlay('epoll', 2, 'leaves out slow replies');
  const story = shrink(play) ?? assert.fail('it did not fail');
  t.diagnostic(told(play, story).split('\n').slice(0, 3).join('; '));
  assert.ok(story.parts.length < story.partsAtFirst, `${story.parts.length} parts`);
  assert.equal(play.run(story.options).violation?.split('\n')[0], story.violation);
  assert.match(story.command, /^SIM_SEED=2 SIM_TARGET=epoll .* build\/.*\/load\.test\.js$/);
});

test('sim campaign: a failing seed of restarts shrinks to few clients and restarts', async (t) => {
  leakCheck(t);
  const play = restartPlay('poll', 1, 'hands nothing over');
  const story = (await outOfJobs(() => shrink(play))) ?? assert.fail('it did not fail');
  t.diagnostic(told(play, story).split('\n').slice(0, 3).join('; '));
  assert.ok(story.parts.length < story.partsAtFirst, `${story.parts.length} parts`);
  assert.equal(story.faults, 0, 'no fault is needed');
  const again = await outOfJobs(() => play.run(story.options));
  assert.equal(again.violation?.split('\n')[0], story.violation);
  assert.match(story.command, /^SIM_SEED=1 SIM_TARGET=poll .* build\/.*\/restart\.test\.js$/);
});

test('sim campaign: a failing seed of threads shrinks to few clients', async (t) => {
  leakCheck(t);
  const play = threadsPlay('epoll', 3, 'hands over twice');
  const story = (await outOfJobs(() => shrink(play))) ?? assert.fail('it did not fail');
  t.diagnostic(told(play, story).split('\n').slice(0, 3).join('; '));
  assert.ok(story.parts.length < story.partsAtFirst, `${story.parts.length} parts`);
  const again = await outOfJobs(() => play.run(story.options));
  assert.equal(again.violation?.split('\n')[0], story.violation);
  assert.match(story.command, /^SIM_SEED=3 SIM_TARGET=epoll .* build\/.*\/threads\.test\.js$/);
});

test('sim campaign: a seed that holds has no story', (t) => {
  leakCheck(t);
  assert.equal(shrink(loopPlay('io_uring', 1)), null);
});

test('sim campaign: it runs seeds on every core and counts the faults', (t) => {
  leakCheck(t);
  const run = fileURLToPath(new URL('./run.js', import.meta.url));
  const options = ['--count', '8', '--seed', '1', '--targets', 'io_uring,epoll'];
  const { stdout, status } = spawnSync(process.execPath, [run, ...options], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
  const lines = stdout.split('\n');
  const last = lines.find((line) => / failures$/.test(line) && !line.startsWith('0 seeds'));
  assert.match(
    last ?? '',
    /^\d+ seeds, \d+ a second, .* virtual hours, [1-9]\d* faults, 0 failures$/,
  );
  assert.match(stdout, /^seeds: .*io_uring \d+/m);
  assert.match(stdout, /^seeds: .*restarts on io_uring \d+/m);
  assert.match(stdout, /^seeds: .*threads on epoll \d+/m);
  assert.match(stdout, /^ {2}shortReceive +\d+$/m);
  const wrong = spawnSync(process.execPath, [run, '--targets', 'aio'], { encoding: 'utf8' });
  assert.notEqual(wrong.status, 0);
  assert.match(wrong.stderr, /--targets takes io_uring,epoll/);
});
