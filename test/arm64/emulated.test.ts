// Goal: the library works on Linux arm64: its calls, its layouts, and its loops.
// Method: test files of the other rooms in a Node.js for arm64 under qemu-user; a few of them in
// every run, and all that can run there with `make test-arm64`, which sets ARM64_TESTS=all.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { root, sockloop } from '#test/harness/programs.js';
import { installForArm64 } from './packages.ts';
import { everyTime, everything, leftOut, type Selected } from './selection.ts';

const node = `${root}test/arm64/node`;
const FILE_MS_MAX = 600_000;
const all = process.env['ARM64_TESTS'] === 'all';

/** Libraries of arm64 that Node.js needs, and the packages of Debian that have them. */
const LIBRARIES: ReadonlyMap<string, string> = new Map([
  ['ld-linux-aarch64.so.1', 'libc6-arm64-cross'],
  ['libstdc++.so.6', 'libstdc++6-arm64-cross'],
]);

/** The reason to skip what runs under qemu-user, or false. In CI nothing is missing: it fails. */
function reasonWithoutEmulation(): string | false {
  if (process.platform !== 'linux') return 'qemu-user runs on Linux';
  if (process.arch === 'arm64') return 'this machine is an arm64: `make test` runs everything';
  const reason = reasonWithout('qemu-aarch64', 'npm');
  if (reason !== false) return reason;
  const folder = `${process.env['QEMU_LD_PREFIX'] ?? '/usr/aarch64-linux-gnu'}/lib`;
  const missing = [...LIBRARIES].filter(([library]) => !existsSync(`${folder}/${library}`));
  if (missing.length > 0 && process.env['CI'] === undefined) {
    return `not installed here: ${missing.map(([, name]) => name).join(', ')} (${folder})`;
  }
  const failure = installForArm64();
  assert.ok(failure === null || process.env['CI'] === undefined, failure ?? '');
  return failure ?? false;
}

/** The failed tests in a TAP report, each with what it says of the failure. */
function failuresIn(report: string): string {
  return (report.match(/^ *not ok .*\n(?: *---\n(?:.*\n)*? *\.\.\.\n)?/gm) ?? []).join('');
}

/**
 * A pattern of the names that begin with none of `without`. Node.js runs all below a name that
 * matches, and `<root>` is above all tests of a file.
 */
function patternWithout(without: readonly string[]): string {
  const names = ['<root>', ...without].map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return `^(?!${names.join('|')})`;
}

async function runEmulated(t: TestContext, selected: Selected): Promise<void> {
  leakCheck(t);
  const { file, without } = selected;
  const names = without === undefined ? [] : ['--test-name-pattern', patternWithout(without)];
  const script = `${root}build/test/${file.replace(/ts$/, 'js')}`;
  // Without the mark of the runner the file would not print a report.
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  const env = { ...own, ...selected.env };
  const words = [node, '--test-reporter=tap', ...names, script];
  const command = start(t, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const { status, signal, out, err } = await command.end(FILE_MS_MAX);
  assert.deepEqual([status, signal], [0, null], `${file}\n${failuresIn(out)}\n${err}`);
  const [passed, skipped] = ['pass', 'skipped'].map((word) =>
    Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(out)?.[1]),
  );
  assert.ok(passed !== undefined && passed > 0, `nothing ran:\n${out.slice(-2000)}`);
  t.diagnostic(`${passed} passed, ${skipped} skipped`);
}

const skip = reasonWithoutEmulation();

describe('arm64, emulated', () => {
  it('doctor: it is an arm64, with the loops of Linux', { skip }, async (t) => {
    leakCheck(t);
    const words = sockloop('doctor', '--json').with(0, node);
    const { status, out, err } = await start(t, words).end(FILE_MS_MAX);
    assert.deepEqual([status, err], [0, '']);
    const { platform, loops } = JSON.parse(out);
    assert.equal(platform.table, 'linux-arm64');
    const here = loops.filter((loop: { available: boolean }) => loop.available);
    const names = here.map((loop: { name: string }) => loop.name);
    for (const name of ['epoll', 'poll', 'select', 'threads']) assert.ok(names.includes(name), out);
  });

  for (const selected of all ? everything() : everyTime) {
    it(selected.file, { skip }, (t) => runEmulated(t, selected));
  }
});

describe('the selection for arm64', () => {
  it('names files that exist', () => {
    const paths = [...everyTime.map(({ file }) => file), ...leftOut.map(({ path }) => path)];
    for (const path of paths) assert.ok(existsSync(`${root}test/${path}`), path);
  });

  it('runs more with make test-arm64', () => {
    const files = everything().map(({ file }) => file);
    for (const { file } of everyTime) assert.ok(files.includes(file), file);
  });
});
