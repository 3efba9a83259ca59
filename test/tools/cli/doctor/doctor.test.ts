// Goal: `sockloop doctor` tells the truth about this machine, readably and as JSON.
// Method: the real program, beside what /proc says; a loop that an environment variable takes away.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { type TestContext, test } from 'node:test';
import { backends, createBackend } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { quoted, refusingRings, root, sockloop } from '#test/harness/programs.js';
import { textTable, wrapped } from '#tools/report/text/table.js';

const timeout = 60_000;

/** What the tests look at; the program has the rest of the schema. */
interface Report {
  readonly version: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly platform: { readonly table: string; readonly release: string; readonly cores: number };
  readonly streams: Readonly<Record<string, string>>;
  readonly loops: readonly { name: string; available: boolean; reason: string | null }[];
  readonly auto: string | null;
  readonly systemCalls: Readonly<Record<string, unknown>>;
  readonly limits: readonly {
    name: string;
    value: number | null;
    state: string;
    meaning: string;
  }[];
}

const doctorWithout = { ...process.env, SOCKLOOP_LIBKQUEUE: '/nowhere/libkqueue.so' };

async function report(t: TestContext, env: NodeJS.ProcessEnv = process.env): Promise<Report> {
  const { status, out, err } = await run(t, sockloop('doctor', '--json'), '', { env });
  assert.deepEqual([status, err], [0, '']);
  assert.equal(out.split('\n').length, 2, 'one document, one line');
  return JSON.parse(out) as Report;
}

test('doctor: the text fits a terminal and names every loop', { timeout }, async (t) => {
  leakCheck(t);
  const { status, out, err } = await run(t, sockloop('doctor'));
  assert.deepEqual([status, err], [0, '']);
  const lines = out.trimEnd().split('\n');
  assert.deepEqual(
    lines.filter((line) => line.length > 80 || /\s$/.test(line)),
    [],
  );
  for (const name of ['io_uring', 'epoll', 'kqueue', 'poll', 'select', 'threads', 'blocking']) {
    assert.match(out, new RegExp(`^${name} +(yes|no)  `, 'm'));
  }
  const { auto } = await report(t);
  assert.equal(lines.at(-1), `auto takes ${auto}`);
  assert.match(out, /^system calls: (in batches, by \d+ bytes of machine code|one by one: .+)$/m);
});

test('doctor: the JSON agrees with the loops', { timeout }, async (t) => {
  leakCheck(t);
  const { version, loops, auto, platform, versions } = await report(t);
  assert.equal(version, 1);
  const sys = nativeSys();
  for (const { name, available } of backends) {
    const answer = available(sys);
    const facts = loops.find((loop) => loop.name === name);
    assert.equal(facts?.available, answer === true, name);
    assert.equal(facts?.reason === null, answer === true, name);
    if (answer === true) createBackend(name, sys).destroy();
    else assert.throws(() => createBackend(name, sys));
  }
  assert.equal(auto, backends.find(({ available }) => available(sys) === true)?.name ?? null);
  assert.deepEqual(platform.table, sys.abi.platform);
  assert.deepEqual([platform.release, platform.cores], [release(), availableParallelism()]);
  const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  const koffi = JSON.parse(readFileSync(`${root}node_modules/koffi/package.json`, 'utf8'));
  assert.deepEqual(versions, {
    sockloop: manifest.version,
    node: process.versions.node,
    koffi: koffi.version,
  });
});

test('doctor: the limits are those of /proc', { timeout, skip: reasonWithoutProc }, async (t) => {
  leakCheck(t);
  const words = quoted(sockloop('doctor', '--json'));
  const { out } = await run(t, ['sh', '-c', `ulimit -n 900; ${words} | cat`]);
  const { limits, streams } = JSON.parse(out) as Report;
  assert.equal(streams['stdout'], 'pipe');
  const value = (name: string) => limits.find((limit) => limit.name === name)?.value;
  const proc = (name: string) => readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  const [first = 0, last = 0] = proc('net/ipv4/ip_local_port_range').split(/\s+/).map(Number);
  const expected = {
    'RLIMIT_NOFILE soft': 900,
    'RLIMIT_NOFILE hard': 900,
    'net.core.somaxconn': Number(proc('net/core/somaxconn')),
    'net.ipv4.tcp_max_syn_backlog': Number(proc('net/ipv4/tcp_max_syn_backlog')),
    'net.ipv4.ip_local_port_range': last - first + 1,
    'kernel.threads-max': Number(proc('kernel/threads-max')),
    FD_SETSIZE: 1024,
  };
  for (const [name, number] of Object.entries(expected)) assert.equal(value(name), number, name);
  assert.ok(limits.every(({ meaning }) => meaning !== ''));
});

test('doctor: a loop that cannot be had says why, and what to do', {
  timeout,
  skip: process.platform === 'linux' ? false : 'kqueue is part of this system',
}, async (t) => {
  leakCheck(t);
  const { loops } = await report(t, doctorWithout);
  const kqueue = loops.find(({ name }) => name === 'kqueue');
  assert.equal(kqueue?.available, false);
  assert.match(
    kqueue?.reason ?? '',
    /could not be loaded.*"\/nowhere\/libkqueue.so", which does not/,
  );
  const { out } = await run(t, sockloop('doctor'), '', { env: doctorWithout });
  assert.match(out, /^kqueue +no .*could not be loaded/m);
});

test('doctor: says who forbids io_uring, and what auto takes instead', {
  timeout,
  skip: reasonWithoutProc || reasonWithout('python3'),
}, async (t) => {
  leakCheck(t);
  for (const [errno, why] of [
    [
      'EPERM',
      /: EPERM \(operation not permitted\); a seccomp filter forbids it, as in containers$/,
    ],
    ['ENOSYS', /: ENOSYS \(.*\); a seccomp filter is in force, as in containers, and may hide it$/],
  ] as const) {
    const { status, out } = await run(t, [
      ...refusingRings(errno),
      ...sockloop('doctor', '--json'),
    ]);
    assert.equal(status, 0);
    const { loops, auto } = JSON.parse(out) as Report;
    const ring = loops.find(({ name }) => name === 'io_uring');
    assert.equal(ring?.available, false);
    assert.match(ring?.reason ?? '', why);
    assert.equal(auto, 'epoll');
  }
});

test('text table: columns are as wide as they must be, the last one wraps', () => {
  const columns = [
    { title: 'NAME', align: 'left' },
    { title: 'N', align: 'right' },
    { title: 'WORDS', align: 'left' },
  ] as const;
  const rows = [
    ['a', '1', 'one two three four five six'],
    ['longer', '1000', ''],
  ];
  assert.deepEqual(textTable(columns, rows, 34), [
    'NAME       N  WORDS',
    'a          1  one two three four',
    '              five six',
    'longer  1000',
  ]);
  assert.deepEqual(wrapped('abcdefgh ij', 3), ['abc', 'def', 'gh', 'ij']);
  assert.deepEqual(wrapped('', 3), ['']);
});
