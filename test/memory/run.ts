// `make memory`: the suites over the real kernel, with the memory of every call checked in each of
// their processes and threads, and in the programs that they start. MEMORY=net takes the files
// whose names have the word. Exit status 1 if a test fails, or an address or a length is wrong.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { named } from '#test/harness/asked.js';
import { root } from '#test/harness/programs.js';
import { printOut } from '#tools/terminal/output.js';

/** Folders of build/test with suites that call the kernel. */
const FOLDERS: readonly string[] = [
  ...['adapters', 'conformance', 'docs', 'examples', 'loop', 'net', 'poller', 'ring', 'service'],
  ...['socket', 'tools', 'workers'],
];

/** What fails under these checks although no call is wrong, by the beginning of its name. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'net/datagram/heap': 'counts what is allocated, and the checks allocate',
  'tools/cli/limits': 'the preload takes descriptors and threads, of which there are few',
  'tools/cli/serve/threads': 'counts threads, of which the hooks of the preload take some',
  'tools/cli/serve/user': 'the permission model of Node lets nothing be preloaded',
};

const faultsFile = `${root}build/memory-faults.txt`;
const tests = `${root}build/test/`;

function suites(): readonly string[] {
  const all = FOLDERS.flatMap((folder) =>
    readdirSync(`${tests}${folder}`, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => `${folder}/${name}`),
  );
  const leftOut = Object.keys(LEFT_OUT);
  for (const name of leftOut) {
    if (!all.some((one) => one.startsWith(name))) throw new Error(`there is no ${name}`);
  }
  const taken = all.filter((one) => !leftOut.some((name) => one.startsWith(name)));
  return named('MEMORY', taken.sort(), (name) => name);
}

mkdirSync(`${root}build`, { recursive: true });
rmSync(faultsFile, { force: true });
writeFileSync(faultsFile, '');
const preload = new URL('./preload.js', import.meta.url);
const env = {
  ...process.env,
  SOCKLOOP_CHECKS: '1',
  SOCKLOOP_MEMORY_FAULTS: faultsFile,
  NODE_OPTIONS: `--import=${preload}`,
};
for (const [name, reason] of Object.entries(LEFT_OUT)) printOut(`without ${name}: ${reason}`);
const flags = ['--test', '--test-concurrency=3', '--test-timeout=600000', '--test-reporter=dot'];
const files = suites().map((name) => `${tests}${name}`);
const { status } = spawnSync(process.execPath, [...flags, ...files], { env, stdio: 'inherit' });
const faults = readFileSync(faultsFile, 'utf8');
if (faults !== '') printOut(faults);
printOut(`${files.length} files, ${faults === '' ? 'no wrong address or length' : faultsFile}`);
process.exitCode = status === 0 && faults === '' ? 0 : 1;
