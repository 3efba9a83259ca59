/** The output of a threaded client. */

import assert from 'node:assert/strict';
import type { Outcome } from './command.ts';

/** Asserts that each thread printed `lines` in order, and nothing else was printed. */
export function assertLines(out: string, threads: number, lines: readonly string[]): void {
  const printed = new Map<string, string>();
  for (const line of out.split(/(?<=\n)/)) {
    const [name = ''] = line.split(': ', 1);
    printed.set(name, (printed.get(name) ?? '') + line);
  }
  assert.equal(printed.size, threads);
  for (let thread = 1; thread <= threads; thread++) {
    const own = lines.map((line) => `thread ${thread}: ${line}\n`).join('');
    // Not strictEqual: it would print megabytes.
    assert.ok(printed.get(`thread ${thread}`) === own, `the lines of thread ${thread}`);
  }
}

/** The last line of a client that did all its work. */
export function allDone(threads: number, messages: number, bytes: number): RegExp {
  const noun = (count: number, one: string, many: string): string =>
    `${count} ${count === 1 ? one : many}`;
  const counts = [
    noun(threads, 'thread', 'threads'),
    noun(messages, 'message', 'messages'),
    noun(messages, 'reply', 'replies'),
    noun(bytes, 'byte', 'bytes'),
  ];
  return new RegExp(`^${counts.join(', ')} back, ${TIME.source}\n$`);
}

/** The duration in the last line. */
export const TIME = /\d+\.\d+ m?s/;

/** Asserts that a signal ended a client after it stopped its threads and reported them. */
export function assertStopped({ status, signal, err }: Outcome, threads: number): void {
  assert.deepEqual([status, signal], [null, 'SIGINT']);
  const form = `^${threads} threads \\(${threads} stopped\\), .* bytes back, ${TIME.source}\n$`;
  assert.match(err, new RegExp(form));
}
