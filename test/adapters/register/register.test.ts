// Goal: `--import sockloop/register` puts sockloop under every way to node:net and node:dgram of an
// unchanged program, and leaves to Node what is Node's.
// Method: programs beside the installed package, on the oldest Node and the newest, whose hooks
// differ.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { threadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { type Outcome, run, type Scope, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { commandOf, installRuntimes } from '../../package/runtimes.ts';
import { addDatagramPrograms } from './datagram-programs.ts';
import { programsFolder } from './programs.ts';

const OPTION = ['--import', 'sockloop/register'];
const timeout = 120_000;

/** The reason to skip what runs on another Node. In CI it is a failure. */
function reasonWithoutNewest(): string | false {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return 'the runtimes are locked for Linux on x64';
  }
  const failure = installRuntimes();
  assert.ok(failure === null || process.env['CI'] === undefined, failure ?? '');
  return failure ?? false;
}

const RUNTIMES = [
  { name: 'this Node', command: [process.execPath], skip: false as const },
  { name: 'Node.js 26', command: commandOf('Node.js 26'), skip: reasonWithoutNewest() },
];

const steps: (() => Promise<void> | void)[] = [];
let folder = '';

before(async () => {
  folder = await programsFolder({ after: (step) => steps.unshift(step) });
  addDatagramPrograms(folder);
});

after(async () => {
  for (const step of steps) await step();
});

function runIn(
  scope: Scope,
  words: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
  return run(scope, words, '', { cwd: folder, env: { ...env, ...more } });
}

function outputOf({ status, out, err }: Outcome): string {
  assert.equal(status, 0, `${out}\n${err}`);
  return out;
}

for (const { name, command, skip } of RUNTIMES) {
  describe(`register: ${name}`, { skip, timeout }, () => {
    const output = async (scope: Scope, ...words: string[]): Promise<string> =>
      outputOf(await runIn(scope, [...command, ...words]));

    it('serves what ES modules, CommonJS and dependencies ask for', async (t) => {
      leakCheck(t);
      const outcome = await runIn(t, [...command, ...OPTION, 'served.mjs']);
      assert.equal(outputOf(outcome), 'hello\n');
      assert.equal(outcome.err, '', 'no warning');
    });

    it('serves what they ask for of node:dgram', async (t) => {
      leakCheck(t);
      const outcome = await runIn(t, [...command, ...OPTION, 'datagrams.mjs']);
      assert.equal(outputOf(outcome), 'hello\n');
      assert.equal(outcome.err, '', 'no warning');
    });

    it('serves a program that is CommonJS alone, also by --require', async (t) => {
      leakCheck(t);
      const said = await output(t, '--require', 'sockloop/register', 'commonjs/main.js');
      assert.equal(said, 'true Socket 6 undefined\n');
    });

    it('has the names of this Node and no more', async (t) => {
      leakCheck(t);
      const lines = (await output(t, 'names.mjs')).trim().split('\n');
      const servedLines = (await output(t, ...OPTION, 'names.mjs')).trim().split('\n');
      assert.match(lines[0] ?? '', /_normalizeArgs.*createServer/);
      assert.match(lines[1] ?? '', /Socket.*createSocket/);
      for (const [index, line] of lines.entries()) {
        const [plain = '', all = ''] = line.split(' ');
        const [served, allServed] = servedLines[index]?.split(' ') ?? [];
        assert.equal(served, plain);
        const names = new Set([...all.split(','), 'module.exports']);
        assert.equal(allServed, [...names].sort().join());
      }
    });

    it('holds in threads and, by NODE_OPTIONS, in children; http keeps its own', async (t) => {
      leakCheck(t);
      const options = { NODE_OPTIONS: OPTION.join('=') };
      const inherited = outputOf(await runIn(t, [...command, 'beside.mjs'], options));
      assert.equal(inherited, 'http node\nagent true\nchild createConnection\nworker 0\n');
    });

    it('leaves the workers of a cluster to Node', async (t) => {
      leakCheck(t);
      assert.equal(await output(t, ...OPTION, 'cluster.mjs'), '0,0\n');
    });

    it('goes together with another loader, before it and behind', async (t) => {
      leakCheck(t);
      const other = ['--import', './loader.mjs'];
      for (const options of [
        [...OPTION, ...other],
        [...other, ...OPTION],
      ]) {
        assert.equal(await output(t, ...options, 'loaded.mjs'), 'changed true\n');
      }
    });
  });
}

describe('register', () => {
  it('holds under the test runner', { timeout }, async (t) => {
    leakCheck(t);
    const words = [process.execPath, ...OPTION, '--test', '--test-reporter=tap'];
    assert.match(outputOf(await runIn(t, [...words, 'served.test.mjs'])), /^# pass 2$/m);
  });

  const withoutRedis = reasonWithout('redis-server');

  it('serves a client of redis', { skip: withoutRedis, timeout }, async (t) => {
    leakCheck(t);
    const path = join(scratch(t), 'redis');
    const options = ['--port', '0', '--unixsocket', path, '--save', ''];
    const server = start(t, ['redis-server', ...options]);
    await server.until('out', /ready to accept connections/i);
    const outcome = await runIn(t, [process.execPath, ...OPTION, 'redis.mjs', path]);
    assert.equal(outputOf(outcome), 'true 1\ntrue\n');
  });

  for (const { program, out } of [
    { program: 'multicast.mjs', out: 'asked printer.local A 127.0.0.1\nprinter.local 192.0.2.7\n' },
    { program: 'dns.mjs', out: 'true\ncut 1 0\nwhole 0 60\nETIMEDOUT\n' },
  ]) {
    it(`serves packages that use node:dgram: ${program}`, { timeout }, async (t) => {
      leakCheck(t);
      const expected = `${out}over\n`;
      const plain = await runIn(t, [process.execPath, program]);
      assert.equal(outputOf(plain), expected);
      for (const { name, available } of backends) {
        if (available(nativeSys()) !== true) continue;
        const words = [process.execPath, ...OPTION, program];
        const served = await runIn(t, words, { SOCKLOOP_BACKEND: name });
        assert.deepEqual([outputOf(served), served.err], [expected, ''], name);
      }
    });
  }

  it('serves TypeScript that Node runs itself', { skip: RUNTIMES[1]?.skip, timeout }, async (t) => {
    leakCheck(t);
    const outcome = await runIn(t, [...commandOf('Node.js 26'), ...OPTION, 'typed.ts']);
    assert.equal(outputOf(outcome), 'true\n');
  });

  it('says what is wrong with SOCKLOOP_BACKEND', { timeout }, async (t) => {
    leakCheck(t);
    const words = [process.execPath, ...OPTION, 'opens.mjs'];
    const { status, err } = await runIn(t, words, { SOCKLOOP_BACKEND: 'nowhere' });
    assert.equal(status, 1);
    assert.match(
      err,
      /SOCKLOOP_BACKEND=nowhere: there is no loop called the string "nowhere", only auto, /,
    );
  });
});

describe('SOCKLOOP_BACKEND', () => {
  it('names the loop of sockloop/net', (t) => {
    leakCheck(t);
    t.after(() => {
      delete process.env['SOCKLOOP_BACKEND'];
      useThreadLoop(null);
    });
    for (const name of ['poll', 'select']) {
      process.env['SOCKLOOP_BACKEND'] = name;
      useThreadLoop(null);
      const { loop } = threadLoop();
      assert.equal(loop.backendName, name);
      assert.equal(threadLoop().loop, loop);
      loop.close();
    }
  });
});
