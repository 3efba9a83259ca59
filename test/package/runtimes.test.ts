// Goal: the package works as it is installed, on every runtime that it names.
// Method: npm installs the tarball into an empty folder; the examples of README.md and the programs
// run there on each runtime, which npm installs into build/runtimes.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Scope, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { layLibraries, librariesTable, runLibraries } from './libraries.ts';
import { programs, writePrograms } from './programs.ts';
import {
  commandOf,
  FAILURES,
  installRuntimes,
  isTried,
  PROGRAMS,
  RUNTIMES,
  runtimesTable,
} from './runtimes.ts';
import { runStep, stagedPackage, tarballOf } from './tarball.ts';

const NO_NETWORK = /\b(?:EAI_AGAIN|ENOTFOUND|ENOTCACHED|ECONNREFUSED|ECONNRESET|ETIMEDOUT)\b/;
const timeout = 240_000;

/** The reason to skip, or false. In CI nothing is missing: it fails. */
function reasonWithoutRuntimes(): string | false {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return 'the runtimes are locked for Linux on x64';
  }
  const reason = reasonWithout('npm');
  if (reason !== false) return reason;
  const failure = installRuntimes();
  assert.ok(failure === null || process.env['CI'] === undefined, failure ?? '');
  return failure ?? false;
}

const skip = reasonWithoutRuntimes();

describe('the installed package', { skip }, () => {
  const steps: (() => Promise<void> | void)[] = [];
  const scope: Scope = { after: (step) => steps.unshift(step) };
  let folder = '';
  /** Why the package is not installed. */
  let missing: string | null = null;

  before(async () => {
    folder = scratch(scope);
    const tarball = await tarballOf(scope, await stagedPackage(scope));
    // Without a prefix npm takes a folder above, if that has a node_modules.
    const flags = ['--prefix', folder, '--no-audit', '--no-fund', '--prefer-offline'];
    const words = ['npm', 'install', ...flags, tarball];
    const { status, err } = await runStep(scope, words, folder);
    if (NO_NETWORK.test(err) && process.env['CI'] === undefined) {
      missing = `npm cannot install koffi: ${err.split('\n')[0]}`;
      return;
    }
    assert.equal(status, 0, err);
    await writePrograms(scope, folder);
  });

  after(async () => {
    for (const step of steps) await step();
  });

  it('is alone with koffi', (t) => {
    leakCheck(t);
    if (missing !== null) return t.skip(missing);
    const packages = (place: string) =>
      readdirSync(join(folder, 'node_modules', place)).filter((name) => !name.startsWith('.'));
    assert.deepEqual(packages('').sort(), ['@koromix', 'koffi', 'sockloop']);
    assert.equal(packages('@koromix').length, 1);
    assert.deepEqual(packages('.bin').sort(), ['sockloop', 'tcpclient', 'tcpserver']);
  });

  for (const runtime of RUNTIMES) {
    for (const program of PROGRAMS.filter((name) => isTried(name, runtime))) {
      it(`${runtime}: ${program}`, { timeout }, async (t) => {
        leakCheck(t);
        if (missing !== null) return t.skip(missing);
        const installed = { command: commandOf(runtime), folder };
        const fails = FAILURES.some((one) => one.runtime === runtime && one.program === program);
        const done = programs[program](t, installed);
        if (fails) await assert.rejects(done, 'it works: take it out of FAILURES');
        else await done;
      });
    }
  }

  describe('sockloop/net', { skip: reasonWithout('openssl') }, () => {
    before(async () => {
      if (missing === null) await layLibraries(scope, folder);
    });

    for (const runtime of RUNTIMES) {
      it(`${runtime}: servers and libraries on it`, { timeout }, async (t) => {
        leakCheck(t);
        if (missing !== null) return t.skip(missing);
        await runLibraries(t, folder, runtime, commandOf(runtime));
      });
    }
  });
});

describe('sockloop/net', { skip }, () => {
  const newest = 'Node.js 26';

  it(`${newest}: does as node:net does there`, { timeout }, async (t) => {
    leakCheck(t);
    // The tests of that folder that compare the two, in one process.
    const files = readdirSync(`${root}build/test/adapters/net`).filter((name) => {
      return /^(?!http|process).*\.test\.js$/.test(name);
    });
    assert.ok(files.length > 2);
    const imports = files.flatMap((name) => ['--import', `#test/adapters/net/${name}`]);
    // One loop is enough: what versions of Node differ in is above it.
    const flags = ['--test-reporter=spec', '--test-name-pattern=epoll', ...imports, '--eval', ''];
    // Otherwise it would report to the runner of this test.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const command = start(t, [...commandOf(newest), ...flags], { cwd: root, env });
    const { status, out } = await command.end(timeout);
    assert.equal(status, 0, out);
    assert.match(out, /pass \d\d/);
  });
});

describe('docs/runtimes.md', () => {
  it('has the tables of what works', (t) => {
    leakCheck(t);
    const page = readFileSync(`${root}docs/runtimes.md`, 'utf8');
    for (const table of [runtimesTable(), librariesTable()]) {
      assert.ok(page.includes(table), `write into docs/runtimes.md:\n${table}`);
    }
  });

  it('names failures of programs and runtimes that are tried', (t) => {
    leakCheck(t);
    for (const { program, runtime } of FAILURES) {
      assert.ok(RUNTIMES.includes(runtime) && isTried(program, runtime), `${program}, ${runtime}`);
    }
  });
});
