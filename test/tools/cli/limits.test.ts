// Goal: where a process may have too few descriptors or threads, each command says so in a sentence
// and ends with status 1; what failed first is what is told.
// Method: the real programs under prlimit(1), as a user that has no other processes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { sockloop, sockloopOfModules } from '#test/harness/programs.js';
import { firstError } from '#tools/terminal/exit.js';

const timeout = 60_000;
const noPrlimit = reasonWithout('prlimit');
// The limit of processes does not bind root, nor is it one of this process alone.
const noUser =
  process.getuid?.() === 0
    ? noPrlimit || reasonWithout('setpriv')
    : 'only root can be another user';

const LOAD = ['load', '127.0.0.1', '1', '--threads', '8', '--duration', '1'];
const SEND = ['send', '--threads', '8', '127.0.0.1', '1', 'x'];
const COMPARE = ['compare', '--no-report', '--loops', 'poll'];

const COMMANDS = [
  ['serve', '--port', '0', '--loop', 'poll'],
  ['serve', '--port', '0', '--loop', 'threads'],
  LOAD,
  SEND,
  COMPARE,
];

test('with few descriptors: a sentence', { timeout, skip: noPrlimit }, async (t) => {
  leakCheck(t);
  for (const words of COMMANDS) {
    for (const limit of [22, 30]) {
      // The package opens a few files, and starts with 30 descriptors.
      const command = ['prlimit', `--nofile=${limit}`, ...sockloopOfModules(...words)];
      const { status, err } = await run(t, command);
      assert.equal(status, 1, words[0]);
      assert.match(
        err,
        /^sockloop: cannot start: too many open files \(EMFILE\): .*ulimit -n\)\n$/,
      );
    }
  }
});

test('with few threads: a sentence', { timeout, skip: noUser }, async (t) => {
  leakCheck(t);
  let user = 500_000_000 + process.pid;
  const limited = (limit: number, words: readonly string[]) => {
    user += 1;
    const alone = ['setpriv', `--reuid=${user}`, '--clear-groups', 'prlimit', `--nproc=${limit}`];
    return run(t, [...alone, ...sockloop(...words)]);
  };
  // Node itself has some, and aborts without them.
  let least = 8;
  while ((await limited(least, LOAD)).signal === 'SIGABRT') least += 1;
  for (const words of [LOAD, SEND, COMPARE]) {
    const { status, err } = await limited(least, words);
    assert.equal(status, 1, words[0]);
    assert.doesNotMatch(err, /^\s+at /m, 'no stack');
    assert.match(err, /EAGAIN \(no more threads\): .*ulimit -u/, words[0]);
  }
  // Some threads start and some do not: nothing is left that nobody waits for.
  for (const more of [2, 4, 6]) {
    const { status, err } = await limited(least + more, LOAD);
    assert.equal(status, 1);
    assert.doesNotMatch(err, /^\s+at /m, 'no stack');
    assert.match(err, /^sockloop: .*EAGAIN \(no more threads\): .*\n$/);
  }
});

test('of an error and those of closing behind it, the first one is told', () => {
  const fails = (message: string): Disposable => ({
    [Symbol.dispose]: () => {
      throw new Error(message);
    },
  });
  try {
    using _ = fails('third');
    using __ = fails('second');
    throw new Error('first');
  } catch (error) {
    const first = firstError(error);
    assert.ok(first instanceof Error);
    assert.equal(first.message, 'first');
  }
  assert.equal(firstError('no error'), 'no error');
});
