/** `sockloop load` as a command under test: short runs, whatever they are to measure. */

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { type Outcome, run, type Scope } from '#test/harness/command.js';
import { type Listening, serve, sockloop } from '#test/harness/programs.js';
import type { LoadDocument } from '#tools/load/document.js';
import { parseDocument } from '#tools/load/result/parse-document.js';

/** A short run over few connections. A flag that is given again takes the place of these. */
const SHORT = ['--duration', '0.4', '--warmup', '0.1', '--connections', '4', '--timeout', '2'];

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

/** Stages have a duration of their own. */
export function shortLoad(...words: string[]): string[] {
  const short = words.includes('--stages') ? SHORT.slice(2) : SHORT;
  return sockloop('load', ...short, ...words);
}

/** Runs it to its end. */
export function load(scope: Scope, ...words: string[]): Promise<Outcome> {
  return run(scope, shortLoad(...words));
}

/** Runs it with `--json`, to its end with status 0. */
export async function loadDocument(scope: Scope, ...words: string[]): Promise<LoadDocument> {
  const { status, out, err } = await load(scope, '--json', ...words);
  assert.equal(status, 0, err);
  return parseDocument(out, 'standard output');
}

/** How many errors there were, of every kind. */
export function errorsOf({ counts }: LoadDocument): Record<string, number> {
  return Object.fromEntries(Object.entries(counts.errors).filter(([, count]) => count > 0));
}
