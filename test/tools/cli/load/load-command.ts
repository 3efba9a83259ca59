/** `sockloop load` as a command under test, in this process or in one of its own. */

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Outcome } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { type Listening, serve, sockloop } from '#test/harness/programs.js';
import type { LoadDocument } from '#tools/load/document.js';
import { parseDocument } from '#tools/load/result/parse-document.js';

/** A short run over few connections. A flag that is given again replaces these. */
const SHORT = ['--duration', '0.3', '--warmup', '0', '--connections', '4', '--timeout', '20'];

/** A closed loop takes two cores for all of its time. */
const CLOSED = ['--duration', '0.2'];

/** A `sockloop serve` that all tests of a file load, one after the other. */
export function sharedServer(): { readonly port: string } {
  const steps: (() => Promise<void> | void)[] = [];
  let server: Listening | null = null;
  before(async () => {
    server = await serve({ after: (step) => steps.push(step) });
  });
  after(async () => {
    for (const step of steps) await step();
  });
  return {
    get port() {
      return String(server?.port);
    },
  };
}

/** The words of a short run: stages have a duration of their own. */
function shortWords(words: readonly string[]): string[] {
  if (words.includes('--stages')) return ['load', ...SHORT.slice(2), ...words];
  const closed = words.includes('--rate') ? [] : CLOSED;
  return ['load', ...SHORT, ...closed, ...words];
}

/** The command line of a short run, for a process of its own. */
export function shortLoad(...words: string[]): string[] {
  return sockloop(...shortWords(words));
}

/** Runs it to its end, in this process. */
export function load(...words: string[]): Promise<Outcome> {
  return sockloopHere(...shortWords(words));
}

/** Runs it with `--json`, to its end with status 0. */
export async function loadDocument(...words: string[]): Promise<LoadDocument> {
  const { status, out, err } = await load('--json', ...words);
  assert.equal(status, 0, err);
  return parseDocument(out, 'standard output');
}

/** How many errors there were, of every kind. */
export function errorsOf({ counts }: LoadDocument): Record<string, number> {
  return Object.fromEntries(Object.entries(counts.errors).filter(([, count]) => count > 0));
}
