/** What a client of threads prints, and the servers that it is tried against. */

import assert from 'node:assert/strict';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import type { Outcome } from './command.ts';

/** Ways of waiting that a server may have, each with why it cannot be tested here, or false. */
export const serverLoops = (['blocking', 'threads', 'epoll', 'io_uring'] as const).map((name) => {
  return { name, skip: reasonWithoutLoop(name) };
});

function reasonWithoutLoop(name: string): string | false {
  const answer = backends.find((entry) => entry.name === name)?.available(nativeSys());
  return answer === undefined || answer === true ? false : answer.reason;
}

/** That each of `threads` threads printed `lines` in that order, and nothing else was printed. */
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

/** The last line of a client that did all: so many threads, messages and bytes of replies. */
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

/** How long it took, as the last line has it. */
export const TIME = /\d+\.\d+ m?s/;

/** That a signal ended a client that had stopped its threads and said so. */
export function assertStopped({ status, signal, err }: Outcome, threads: number): void {
  assert.deepEqual([status, signal], [null, 'SIGINT']);
  const form = `^${threads} threads \\(${threads} stopped\\), .* bytes back, ${TIME.source}\n$`;
  assert.match(err, new RegExp(form));
}
