// Goal: the flags of a server that misbehaves take what they should, and say what they did.
// Method: the command in this process.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { talk } from '#test/harness/clients.js';
import { serveHere, sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';

const timeout = 60_000;

test('serve: a wrong flag of a server that misbehaves is a sentence', { timeout }, async (t) => {
  leakCheck(t);
  const share = (flag: string, value: string): string =>
    `${flag} takes a share from 0% to 100%, such as 1% or 0.01%, not "${value}"`;
  const wrong: readonly (readonly [string, string])[] = [
    ['--drop 1', share('--drop', '1')],
    ['--drop 101%', share('--drop', '101%')],
    ['--drop=-1%', share('--drop', '-1%')],
    ['--corrupt 1e-3%', share('--corrupt', '1e-3%')],
    ['--refuse 0.5', share('--refuse', '0.5')],
    ['--delay 5x', '--delay takes a time from 0 and up to'],
    ['--jitter -1', '--jitter takes a time from 0 and up to'],
    ['--bandwidth 0', '--bandwidth takes a size from 1 to'],
    ['--bandwidth fast', '--bandwidth takes a size from 1 to'],
    ['--burst 1k', '--burst is the size of what --bandwidth lets through: give both'],
    ['--bandwidth 1M --burst 0', '--burst takes a size from 1 to'],
    ['--close-after 0', '--close-after takes a number from 1 to'],
    ['--close-after 1M5', '--close-after takes a number from 1 to'],
    ['--close-after-bytes 0', '--close-after-bytes takes a size from 1 to'],
    ['--close-after 1 --close-how rst', '--close-how takes fin or reset, not "rst"'],
    ['--misbehave-seed 1.5', '--misbehave-seed takes a number from 0 to'],
    [
      '--delay 5ms --jitter 2ms --idle-timeout 7ms',
      '--idle-timeout takes more than --delay and --jitter (7 ms), or it would close clients ' +
        'that wait',
    ],
  ];
  for (const [words, sentence] of wrong) {
    const { status, out, err } = await sockloopHere('serve', '--port', '0', ...words.split(' '));
    assert.equal(status, 2, words);
    assert.equal(out, '');
    assert(err.includes(sentence), `${words}: ${err}`);
  }
});

test('serve: what it is going to do and what it did, in words', { timeout }, async (t) => {
  leakCheck(t);
  const words = ['--delay', '5ms', '--jitter', '2ms', '--drop', '0.25%', '--refuse', '0%'];
  const limits = ['--bandwidth', '1M/s', '--close-after', '2', '--close-after-bytes', '1k'];
  const server = await serveHere(t, ...words, ...limits, '--mode', 'line', '--misbehave-seed', '4');
  assert.equal(`${await talk({ port: server.port }, 'one\ntwo\nthree\n')}`, 'one\ntwo\n');
  const { status, out } = await server.stop();
  assert.equal(status, 0);
  const [, planned, served, misbehaved] = out.split('\n');
  assert.equal(
    planned,
    'misbehaves by seed 4: delay 5 to 7 ms, drop 0.25 %, ' +
      'bandwidth 1048576 bytes/s in bursts of 52429, close after 2 messages, ' +
      'close after 1024 bytes',
  );
  assert.equal(served, 'served 1 connection: 14 bytes in, 8 out');
  assert.match(
    misbehaved ?? '',
    /^misbehaved: 2 messages, 2 delayed \([56]\.?\d* ms on average\); connections: 1 closed$/,
  );
});

test('serve --json: the plan, and the counts', { timeout }, async (t) => {
  leakCheck(t);
  const server = await serveHere(t, '--json', '--drop', '100%', '--close-how', 'reset');
  assert.equal(`${await talk({ port: server.port }, 'hello')}`, '');
  const { out } = await server.stop();
  const events = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(events[0].misbehaviour, {
    seed: 1,
    delayMs: 0,
    jitterMs: 0,
    dropShare: 1,
    corruptShare: 0,
    refuseShare: 0,
    closeAfterMessages: null,
    closeAfterBytes: null,
    closeHow: 'reset',
    bandwidthBytesPerSecond: null,
    burstBytes: 1,
  });
  const { misbehaved } = events.at(-1).totals;
  assert.deepEqual([misbehaved.messages, misbehaved.dropped], [1, 1]);
});

test('serve: a server that does nothing wrong says nothing of it', { timeout }, async (t) => {
  leakCheck(t);
  const server = await serveHere(t, '--json', '--drop', '0%', '--delay', '0');
  assert.equal(`${await talk({ port: server.port }, 'hello')}`, 'hello');
  const { out } = await server.stop();
  assert.doesNotMatch(out, /misbehav/);
});
