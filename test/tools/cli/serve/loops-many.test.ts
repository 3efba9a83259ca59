// Goal: one thread of `sockloop serve`, on a loop of each kind, holds thousands of connections, and
// answers each of them.
// Method: the real program, and the clients in a process of their own. 2,000 of them here; with
// the 10,000 that epoll holds under a `ulimit -n` of 20,000:
//   SOCKLOOP_CONNECTIONS=10000 node --test build/test/tools/cli/serve/loops-many.test.js
// Then clients that send and never read: what they may cost is bounded.
// The diagnostics say how long it took and what an idle connection costs in resident memory.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bigText, closed, dial, talk } from '#test/harness/clients.js';
import { start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { serveOn, sharedKinds } from '#test/harness/loops.js';
import { reasonWithoutProc } from '#test/harness/other-programs.js';

const timeout = 120_000;
const count = Number(process.env['SOCKLOOP_CONNECTIONS'] ?? 2000);
const CLIENTS = fileURLToPath(new URL('../../../harness/many-clients.js', import.meta.url));
const ROUNDS = 3;

const STUCK = 50;

/**
 * A chunk or two that were received and cannot be sent, and what is still garbage; beside io_uring,
 * whose receives bring up to 2 MiB at once where bytes come in masses behind a short message.
 */
const STUCK_KIB_MAX = 800;

/** A few descriptors beside the connections. */
const FDS_SPARE = 100;

/** The resident memory of a process that is its own and no file's, in KiB: proc(5). */
function residentKiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s*(\d+) kB$/m.exec(status)?.[1]);
}

function reasonWithoutFds(): string | false {
  if (reasonWithoutProc !== false) return reasonWithoutProc;
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? '0';
  if (soft === 'unlimited' || Number(soft) >= count + FDS_SPARE) return false;
  return `ulimit -n is ${soft}, too low for ${count} connections`;
}

for (const loop of sharedKinds) {
  const { name, skip } = loop;
  const few = name === 'select' ? `holds fewer than ${count} connections` : false;
  const unfit = skip || few || reasonWithoutFds();
  const withoutProc = skip || reasonWithoutProc;
  test(`serve --loop ${name}: ${count} connections, all of them echoing`, {
    timeout,
    skip: unfit,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop);
    await Promise.all(Array.from({ length: 50 }, () => talk({ port }, 'warm\n')));
    const before = residentKiB(command.pid);
    const clients = start(t, [process.execPath, CLIENTS, `${port}`, `${count}`]);
    const [connected] = await clients.until('out', /connected \d+ in \d+ ms\n/);
    const each = (residentKiB(command.pid) - before) / count;
    t.diagnostic(`${name}: ${connected.trim()}, ${each.toFixed(2)} KiB for each idle one`);
    for (let round = 1; round <= ROUNDS; round++) {
      clients.child.stdin?.write('!');
      await clients.until('out', new RegExp(`(echoed ${count} in \\d+ ms\n){${round}}`));
    }
    const times = [...clients.out.matchAll(/echoed \d+ in (\d+) ms/g)].map(([, ms]) => ms);
    t.diagnostic(`${name}: each echoed once in ${times.join(', ')} ms`);
    assert.ok(each < 8, `${each} KiB for each connection`);
    clients.child.stdin?.end();
    const ended = await clients.end();
    assert.deepEqual([ended.status, ended.err], [0, '']);
    const { status, out } = await command.stop();
    assert.equal(status, 0);
    assert.match(out, new RegExp(`\nserved ${count + 50} connections.*: \\d+ bytes in`));
  });

  test(`serve --loop ${name}: ${STUCK} clients that send and do not read cost little`, {
    timeout,
    skip: withoutProc,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await serveOn(t, loop);
    await Promise.all(Array.from({ length: 20 }, () => talk({ port }, bigText(1_000_000))));
    const before = residentKiB(command.pid);
    const clients = await Promise.all(Array.from({ length: STUCK }, () => dial({ port })));
    const bytes = bigText();
    for (const client of clients) client.pause().write(bytes);
    const written = (): number =>
      clients.reduce(
        (sum, { bytesWritten, writableLength }) => sum + bytesWritten - writableLength,
        0,
      );
    // Until as much has gone as goes.
    for (let then = -1; then !== written(); await delay(500)) then = written();
    const each = (residentKiB(command.pid) - before) / STUCK;
    t.diagnostic(`${name}: ${each.toFixed(0)} KiB for each stuck client`);
    assert.ok(each < STUCK_KIB_MAX, `${each} KiB for each of them`);
    await Promise.all(clients.map(closed));
    assert.equal((await talk({ port }, 'still there\n')).toString(), 'still there\n');
    assert.equal((await command.stop()).status, 0);
  });
}
