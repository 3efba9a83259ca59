// Goal: one thread of `sockloop serve` holds thousands of connections, each of which is answered.
// Method: the real program, and the clients in a process of their own. 2,000 of them here; with
// the 10,000 that epoll and poll hold under a `ulimit -n` of 20,000:
//   SOCKLOOP_CONNECTIONS=10000 node --test build/test/serve-loops-many.test.js
// The diagnostics say how long it took and what an idle connection costs in resident memory.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { talk } from './commands/clients.ts';
import { start } from './commands/command.ts';
import { loops, serveOn } from './commands/loops.ts';
import { reasonWithoutProc } from './commands/tools.ts';
import { leakCheck } from './leaks.ts';

const timeout = 120_000;
const count = Number(process.env['SOCKLOOP_CONNECTIONS'] ?? 2000);
const CLIENTS = fileURLToPath(new URL('./commands/many-clients.js', import.meta.url));
const ROUNDS = 5;

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

for (const loop of loops) {
  const { name, skip, shared } = loop;
  const few = shared && name !== 'select' ? false : `holds fewer than ${count} connections`;
  const unfit = skip || few || reasonWithoutFds();
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
}
