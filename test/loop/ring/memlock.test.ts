// Goal: where a user may lock little memory, a loop asks for less, then `auto` takes the next loop,
// with a word that says what to do; what failed leaves nothing open.
// Method: processes under a small RLIMIT_MEMLOCK, without the capability that lifts it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { sockloop, tcpserver } from '#test/harness/programs.js';
import { withoutRing } from './environment.ts';
import type { MemlockResult } from './memlock/child.ts';

const timeout = 120_000;
const skip = withoutRing || reasonWithout('prlimit') || reasonWithout('setpriv');
const child = fileURLToPath(new URL('./memlock/child.js', import.meta.url));

/** What a ring takes, and a small one: 14 and 4 pages. */
const RING_KIB = 56;
const SMALL_RING_KIB = 16;

/** `command` as a user who may lock so many KiB. */
function limitedTo(lockedKiB: number, command: readonly string[]): string[] {
  const bytes = lockedKiB * 1024;
  const words = ['prlimit', `--memlock=${bytes}:${bytes}`];
  // Root's own rings do not count: only without CAP_IPC_LOCK.
  const asRoot = process.getuid?.() === 0;
  const dropping = ['setpriv', '--bounding-set=-ipc_lock', '--inh-caps=-all'];
  return [...words, ...(asRoot ? dropping : []), ...command];
}

async function loopsOf(t: TestContext, lockedKiB: number, ...words: string[]) {
  const command = limitedTo(lockedKiB, [process.execPath, child, ...words]);
  const { status, out, err } = await run(t, command);
  assert.deepEqual([status, err], [0, '']);
  const result = JSON.parse(out) as MemlockResult;
  assert.equal(result.descriptorsLeft, 0, 'descriptors are left open');
  assert.equal(result.mappingsLeft, 0, 'rings are left mapped');
  return result;
}

const REASON = /^cannot set up an io_uring: ENOMEM \(.+\); the lockable memory .*"ulimit -l"/;

test('ring memlock: the first loop has a ring, a small one if need be, and auto falls back', {
  skip,
  timeout,
}, async (t) => {
  leakCheck(t);
  const table: readonly (readonly [kib: number, count: number, rings: number])[] = [
    [0, 3, 0],
    [SMALL_RING_KIB, 4, 1],
    [RING_KIB + SMALL_RING_KIB, 5, 2],
    [8192, 160, 8192 / RING_KIB],
  ];
  for (const [kib, count, rings] of table) {
    const { loops, reasons, echoed, refusal } = await loopsOf(t, kib, String(count));
    assert.equal(refusal, null);
    const { io_uring = 0, epoll = 0 } = loops;
    assert.equal(io_uring + epoll, count, `${kib} KiB`);
    assert.ok(io_uring >= Math.floor(rings), `${io_uring} rings in ${kib} KiB`);
    assert.ok(epoll > 0);
    assert.equal(reasons.length, 1);
    assert.match(reasons[0] ?? '', REASON);
    assert.equal(echoed, 600, 'the first loop and the last one echo');
  }
});

test('ring memlock: io_uring by name is refused, with the limit and what to do', {
  skip,
  timeout,
}, async (t) => {
  leakCheck(t);
  const { loops, refusal } = await loopsOf(t, RING_KIB, '9', 'io_uring');
  assert.ok((loops['io_uring'] ?? 0) >= 1);
  assert.match(refusal ?? '', /^cannot use the loop io_uring: .* 56 KiB, .*"ulimit -l"/);
});

test('ring memlock: serve, load, tcpserver and doctor say it', { skip, timeout }, async (t) => {
  leakCheck(t);
  const server = start(t, limitedTo(0, sockloop('serve', '--port', '0')));
  const [, port = ''] = await server.until('out', /^listening on .*:(\d+) \(epoll, echo\)/m);
  await server.until('err', /^sockloop: epoll in place of io_uring: .*"ulimit -l"/m);
  const target = ['127.0.0.1', port];
  const short = ['--connections', '2', '--threads', '1', '--duration', '1', '--warmup', '0'];
  const load = await run(t, limitedTo(0, sockloop('load', ...target, ...short)));
  assert.equal(load.status, 0);
  assert.match(load.err, /^sockloop: epoll in place of io_uring: .*"ulimit -l"/m);
  assert.equal((await server.stop()).status, 0);

  const refused = await run(
    t,
    limitedTo(0, sockloop('serve', '--port', '0', '--loop', 'io_uring')),
  );
  assert.deepEqual([refused.status, refused.out], [1, '']);
  assert.match(refused.err, /^sockloop: cannot use the loop io_uring: .*"ulimit -l".*\n$/);
  const textbook = await run(t, limitedTo(0, tcpserver('--loop', 'io_uring', '0')));
  assert.deepEqual([textbook.status, textbook.out], [1, '']);
  assert.match(textbook.err, /^ERROR, no io_uring here: cannot set up .*"ulimit -l".*\n$/);
  const doctor = await run(t, limitedTo(0, sockloop('doctor')));
  assert.match(doctor.out, /^auto takes epoll$/m);
  assert.match(doctor.out, /^RLIMIT_MEMLOCK soft +0 /m);
  assert.match(doctor.out.replace(/\n +/g, ' '), /^io_uring +no .*"ulimit -l"/m);
});
