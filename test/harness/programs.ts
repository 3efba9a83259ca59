/** Command lines of the package's programs, and listening servers. */

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Command, type Outcome, run, type Scope, start } from './command.ts';

/** The root of the project, seen from build/test/harness. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * The programs as they are published, which start in half the time since their modules are joined;
 * those that the compiler wrote, if they are newer.
 */
const programs = `${isPackageFresh() ? `${root}build/package/` : root}dist/tools/cli/`;

/** Whether `make package` has run since the compiler has written something. */
function isPackageFresh(): boolean {
  const writtenMs = (path: string): number =>
    statSync(root + path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const rooms = ['src', 'tools', 'tools/report/html/page'];
  const compiledMs = rooms.map((room) => writtenMs(`dist/${room}/.tsbuildinfo`));
  // The last file that the package gets.
  return writtenMs('build/package/CHANGELOG.md') > Math.max(...compiledMs);
}

const program = (file: string, words: readonly string[]): string[] => [
  process.execPath,
  `${programs}${file}.js`,
  ...words,
];

export const sockloop = (...words: string[]): string[] => program('main', words);
export const tcpserver = (...words: string[]): string[] => program('textbook/tcpserver', words);
export const tcpclient = (...words: string[]): string[] => program('textbook/tcpclient', words);

const compiled = (file: string, words: readonly string[]): string[] => [
  process.execPath,
  `${root}dist/tools/cli/${file}.js`,
  ...words,
];

/** `sockloop` as the compiler wrote it: it opens a hundred modules, many at a time. */
export const sockloopOfModules = (...words: string[]): string[] => compiled('main', words);
/** `make demo`, which is not published. */
export const demo = (...words: string[]): string[] => compiled('demo/demo', words);

/** A prefix that makes the io_uring calls of a command fail with `errno`. Needs python3. */
export function refusingRings(errno: 'EPERM' | 'ENOSYS'): string[] {
  return ['python3', `${root}test/harness/peers/refuse-calls.py`, 'io_uring', errno];
}

/** A prefix that keeps a command from making a page executable. Needs python3. */
export function refusingExecutablePages(errno: 'EACCES' | 'EPERM'): string[] {
  return ['python3', `${root}test/harness/peers/refuse-calls.py`, 'executable-page', errno];
}

/** `words` quoted for sh. */
export function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}

/** A server and its port. */
export interface Listening {
  readonly command: Command;
  readonly port: number;
}

/** Starts `sockloop serve --port 0` with `words` and waits until it listens. */
export async function serve(scope: Scope, ...words: string[]): Promise<Listening> {
  const command = start(scope, sockloop('serve', '--port', '0', ...words));
  const pattern = words.includes('--json') ? /"port":(\d+)/ : /^listening on .*:(\d+) \(/m;
  return { command, port: Number((await command.until('out', pattern))[1]) };
}

/** {@link serve} on `--loop blocking`. */
export function serveBlocking(scope: Scope, ...words: string[]): Promise<Listening> {
  return serve(scope, '--loop', 'blocking', ...words);
}

/** Starts `tcpserver 0` and waits until it listens. */
export async function serveTextbook(scope: Scope): Promise<Listening> {
  const command = start(scope, tcpserver('0'));
  const [, port] = await command.until('out', /^server listening on port (\d+)\n/);
  return { command, port: Number(port) };
}

/** Runs `sockloop send` to its end. */
export function send(
  scope: Scope,
  words: readonly string[],
  input?: string | Uint8Array,
): Promise<Outcome> {
  return run(scope, sockloop('send', ...words), input);
}

/** Asserts the exact output and status of a command. */
export function assertOutcome(
  outcome: Outcome,
  status: number,
  out: string,
  err: string | RegExp,
): void {
  const { signal } = outcome;
  const told = typeof err === 'string' ? outcome.err : err.test(outcome.err) ? err : outcome.err;
  assert.deepEqual(
    { status: outcome.status, signal, out: outcome.out, err: told },
    { status, signal: null, out, err },
  );
}
