/** The programs of the package as command lines, and servers that have said where they listen. */

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { type Command, type Outcome, run, type Scope, start } from './command.ts';

/** The top of the project, seen from build/test/harness. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));

const program = (file: string, words: readonly string[]): string[] => [
  process.execPath,
  `${root}dist/tools/cli/${file}.js`,
  ...words,
];

export const sockloop = (...words: string[]): string[] => program('main', words);
export const tcpserver = (...words: string[]): string[] => program('textbook/tcpserver', words);
export const tcpclient = (...words: string[]): string[] => program('textbook/tcpclient', words);
export const demo = (...words: string[]): string[] => program('demo/demo', words);

/** Words before a command that make its calls of io_uring fail with `errno`: Linux and python3. */
export function refusingRings(errno: 'EPERM' | 'ENOSYS'): string[] {
  return ['python3', `${root}test/harness/peers/refuse-io-uring.py`, errno];
}

/** `words` for sh, each as it is. */
export function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}

/** A server and where it listens: the port, or the name of a UNIX socket. */
export interface Listening {
  readonly command: Command;
  readonly port: number;
}

/** `sockloop serve --port 0` with `words`, listening. */
export async function serve(scope: Scope, ...words: string[]): Promise<Listening> {
  const command = start(scope, sockloop('serve', '--port', '0', ...words));
  const pattern = words.includes('--json') ? /"port":(\d+)/ : /^listening on .*:(\d+) \(/m;
  return { command, port: Number((await command.until('out', pattern))[1]) };
}

/** The same on `--loop blocking`. */
export function serveBlocking(scope: Scope, ...words: string[]): Promise<Listening> {
  return serve(scope, '--loop', 'blocking', ...words);
}

/** The loop that is taken where none is asked for. */
export const autoLoop = backends.find(({ available }) => available(nativeSys()) === true)?.name;

/** `tcpserver 0`, listening. */
export async function serveTextbook(scope: Scope): Promise<Listening> {
  const command = start(scope, tcpserver('0'));
  const [, port] = await command.until('out', /^server listening on port (\d+)\n/);
  return { command, port: Number(port) };
}

/** `sockloop send`, run to its end. */
export function send(
  scope: Scope,
  words: readonly string[],
  input?: string | Uint8Array,
): Promise<Outcome> {
  return run(scope, sockloop('send', ...words), input);
}

/** That a command printed exactly this and ended with `status`. */
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
