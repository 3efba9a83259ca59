import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { firstLines, ROOT } from './c-compiler.ts';

/** Runtimes that are installed for the bench alone. */

/** Not among the packages that this one needs: 100 MB each. */
const BUN_VERSION = '1.4.5';
const DENO_VERSION = '2.9.6';

/** Go compiles its standard library at the first time. */
const INSTALL_MS = 180_000;
export const ASK_MS = 10_000;
const OUTPUT_BYTES_MAX = 1024 * 1024;

/** What is one program needs no scripts of its own; where there is no registry, one try tells. */
const NPM_FLAGS = [
  '--no-save',
  '--no-package-lock',
  '--no-audit',
  '--no-fund',
  '--ignore-scripts',
  '--loglevel=error',
  '--fetch-retries=1',
  '--fetch-retry-mintimeout=1000',
];

const INSTALLED = join(ROOT, 'build/bench-peers');
/** Runs a tool to its end and returns what it printed. Throws what it said, if it fails. */
export function run(
  command: readonly string[],
  timeoutMs: number,
  debianPackage: string,
  tried: string = command.join(' '),
) {
  const [tool = '', ...words] = command;
  const options = { timeout: timeoutMs, maxBuffer: OUTPUT_BYTES_MAX };
  return new Promise<string>((resolve, reject) => {
    execFile(tool, words, options, (error, out, errors) => {
      if (error === null) return resolve(out);
      const needed = `needs ${tool} on the PATH (on Debian: the package ${debianPackage})`;
      if (error.code === 'ENOENT') return reject(new Error(needed));
      const why = error.killed ? `nothing after ${timeoutMs} ms` : firstLines(errors);
      reject(new Error(`"${tried}" failed: ${why}`));
    });
  });
}

/** Installs a package that is one program, unless it is there, and returns the program's path. */
async function install(name: string, version: string, file: string): Promise<string> {
  const what = `${name}@${version}`;
  const folder = join(INSTALLED, what);
  const program = join(folder, 'node_modules', name, file);
  if (existsSync(program)) return program;
  const command = ['npm', 'install', '--prefix', folder, ...NPM_FLAGS, what];
  await run(command, INSTALL_MS, 'npm', `npm install ${what}`);
  return program;
}

/** Installs Bun, and returns the path of its program. */
export function bunProgram(): Promise<string> {
  const arch = process.arch === 'arm64' ? 'aarch64' : process.arch;
  return install(`@oven/bun-linux-${arch}`, BUN_VERSION, 'bin/bun');
}

/** Likewise Deno. */
export function denoProgram(): Promise<string> {
  return install(`@deno/linux-${process.arch}-glibc`, DENO_VERSION, 'deno');
}
