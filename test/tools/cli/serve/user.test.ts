// Goal: `serve` with fewer rights: `--user` makes it somebody else, in every thread; the permission
// model of Node lets it work with the flags that the docs name.
// Method: the real program, its /proc status, and clients.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { send, serve, sockloop } from '#test/harness/programs.js';

const isRoot = process.getuid?.() === 0 && process.platform === 'linux';
const skip = isRoot ? false : 'only root on Linux can become another user';
const timeout = 60_000;

/** The real, effective, saved and file system ids of every thread of a process, without repeats. */
function idsOf(pid: number, field: 'Uid' | 'Gid' | 'Groups'): string[] {
  const lines = readdirSync(`/proc/${pid}/task`).map((task) => {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(status)?.[1]?.trim() ?? 'none';
  });
  return [...new Set(lines)];
}

for (const [words, loop] of [
  [['--user', '1234:1235'], 'epoll'],
  [['--user', '1234:1235', '--threads', '2'], 'io_uring'],
  [['--user', 'nobody'], 'threads'],
] as const) {
  test(`${words.join(' ')} on ${loop}: no thread is root`, { skip, timeout }, async (t) => {
    leakCheck(t);
    const { command, port } = await serve(t, '--loop', loop, ...words);
    const [uid, gid] = words[1] === 'nobody' ? ['65534', '65534'] : ['1234', '1235'];
    assert.deepEqual(idsOf(command.pid, 'Uid'), [[uid, uid, uid, uid].join('\t')]);
    assert.deepEqual(idsOf(command.pid, 'Gid'), [[gid, gid, gid, gid].join('\t')]);
    assert.deepEqual(idsOf(command.pid, 'Groups'), [gid]);
    const { status, out } = await send(t, ['127.0.0.1', String(port)], 'hello\n');
    assert.deepEqual([status, out], [0, 'hello\n']);
    assert.equal((await command.stop()).status, 0);
  });
}

test('a user that there is not, or that cannot be: nothing listens', { timeout }, async (t) => {
  leakCheck(t);
  for (const [user, expected] of [
    ['no-such-user', 'names a user that there is not: no-such-user'],
    ['1000', 'takes a name, or UID:GID as in 1000:1000, not "1000"'],
    ['1000:9999999999', 'takes a name, or UID:GID as in 1000:1000'],
    ['a b', 'takes a name, or UID:GID'],
  ] as const) {
    const { status, err } = await run(t, sockloop('serve', '--port', '0', '--user', user));
    assert.equal(status, 2, user);
    assert.ok(err.includes(`--user ${expected}`), err);
  }
});

test('under the permission model of Node: the flags of docs/security.md', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const [node = '', ...words] = sockloop('serve', '--port', '0', '--threads', '2');
  const [major = 0] = process.versions.node.split('.').map(Number);
  const model = major < 23 ? '--experimental-permission' : '--permission';
  const flags = [model, '--allow-fs-read=*', '--allow-addons'];
  const denied = await run(t, [node, ...flags, ...words]);
  assert.equal(denied.status, 1);
  assert.match(denied.err, /sockloop: the permission model of Node.js denies WorkerThreads/);
  const command = start(t, [node, ...flags, '--allow-worker', ...words]);
  const [, port = ''] = await command.until('out', /^listening on .*:(\d+) \(/m);
  assert.equal((await send(t, ['127.0.0.1', port], 'hello\n')).out, 'hello\n');
  assert.equal((await command.stop()).status, 0);
});
