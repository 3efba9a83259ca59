// Goal: where system calls cannot be made in batches, the loops work call by call and doctor says
// why. Method: each refusal, in the real programs.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { nativeSys } from '#src/sys/native.js';
import { run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { refusingExecutablePages, send, sockloop } from '#test/harness/programs.js';

const timeout = 120_000;

/** The command line of `sockloop` under some circumstance, and what doctor says there. */
interface Circumstance {
  readonly name: string;
  readonly skip: string | false;
  readonly command: (...words: string[]) => string[];
  readonly env: NodeJS.ProcessEnv;
  readonly says: string;
}

const none = { ...process.env };
delete none['SOCKLOOP_BATCH'];

const refused: readonly Circumstance[] = [
  {
    name: 'SOCKLOOP_BATCH=0',
    skip: false,
    command: sockloop,
    env: { ...none, SOCKLOOP_BATCH: '0' },
    says: 'SOCKLOOP_BATCH=0 turns it off',
  },
  {
    name: 'node --jitless',
    skip: false,
    command: (...words) => sockloop(...words).toSpliced(1, 0, '--jitless'),
    env: none,
    says: 'node --jitless forbids machine code',
  },
  {
    name: 'a seccomp filter',
    skip: reasonWithout('python3'),
    command: (...words) => [...refusingExecutablePages('EACCES'), ...sockloop(...words)],
    env: none,
    says: 'the kernel allows no executable page: mprotect: EACCES (permission denied)',
  },
];

/** Whether there is code for this processor at all. */
const { platform } = nativeSys().abi;
const otherwise = platform.startsWith('linux-')
  ? reasonWithoutProc
  : `there is none on ${platform}`;

async function doctorOf(t: TestContext, { command, env }: Pick<Circumstance, 'command' | 'env'>) {
  const json = await run(t, command('doctor', '--json'), '', { env });
  assert.equal(json.status, 0, json.err);
  const text = await run(t, command('doctor'), '', { env });
  const paragraph = /^system calls: .*(?:\n.+)*/m.exec(text.out)?.[0];
  const { systemCalls } = JSON.parse(json.out.slice(json.out.indexOf('{')));
  return { systemCalls, words: paragraph?.replaceAll('\n', ' ') };
}

/** Starts `sockloop serve` on a loop, and has two clients talk to it. */
async function echoes(t: TestContext, { command, env }: Circumstance, loop: string): Promise<void> {
  const server = start(t, command('serve', '--port', '0', '--loop', loop), { env });
  const [, port = ''] = await server.until('out', /^listening on .*:(\d+) \(/m);
  const long = 'x'.repeat(200_000);
  for (const line of ['hello', long]) {
    const { status, out, err } = await send(t, ['127.0.0.1', port], `${line}\n`);
    assert.deepEqual([status, err], [0, '']);
    assert.equal(out, `${line}\n`);
  }
  const { status } = await server.stop();
  assert.equal(status, 0);
}

for (const circumstance of refused) {
  const { name, says } = circumstance;
  const skip = otherwise || circumstance.skip;

  test(`batches: ${name}: doctor says so`, { timeout, skip }, async (t) => {
    leakCheck(t);
    const { systemCalls, words } = await doctorOf(t, circumstance);
    assert.deepEqual(systemCalls, { inBatches: false, machineCodeBytes: null, reason: says });
    assert.equal(words, `system calls: one by one: ${says}`);
  });

  for (const loop of ['epoll', 'poll']) {
    test(`batches: ${name}: ${loop} echoes call by call`, { timeout, skip }, async (t) => {
      leakCheck(t);
      await echoes(t, circumstance, loop);
    });
  }
}

test('batches: doctor says that they are made, and by what', {
  timeout,
  skip: otherwise,
}, async (t) => {
  leakCheck(t);
  const { systemCalls, words } = await doctorOf(t, { command: sockloop, env: none });
  const { batching } = nativeSys();
  if (batching !== true) {
    assert.equal(systemCalls.reason, batching.reason);
    return;
  }
  const bytes = platform === 'linux-x64' ? 81 : 76;
  assert.deepEqual(systemCalls, { inBatches: true, machineCodeBytes: bytes, reason: null });
  assert.equal(words, `system calls: in batches, by ${bytes} bytes of machine code`);
});
