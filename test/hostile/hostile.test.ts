// Goal: hostile peers neither keep a server from serving others, nor make it lose a byte, nor leave
// anything behind.
// Method: every attack on every loop with few peers, the real programs, and good clients beside
// that compare each byte. `make hostile` does the same with many, and measures.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithoutLoop } from '#test/harness/loops.js';
import { reasonWithoutProc } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { ATTACKS } from './attacks.ts';
import { MEMORY } from './bounds.ts';
import { quickRounds } from './cells.ts';
import { nameOf, type Outcome } from './outcome.ts';
import { Stage } from './stage.ts';

const TIMES = { quietMs: 0, besideMs: 150, stillMs: 150, restMs: 3 };
/** The longest wait of a good client, beside all other servers under attack: else it starves. */
const WAIT_MS_MAX = 5000;
/** Mostly they wait. */
const ROUNDS_AT_A_TIME = 7;

test('hostile peers leave good clients, memory, descriptors and the CPU alone', {
  timeout: 240_000,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const stage = new Stage(t);
  const seen: string[] = [];
  const tell = (outcome: Outcome): void => {
    const wrong = [...outcome.findings];
    const { maxMs = 0 } = outcome.beside ?? {};
    if (maxMs > WAIT_MS_MAX) wrong.push(`a good client waited ${Math.round(maxMs)} ms`);
    if (wrong.length > 0) seen.push(`${nameOf(outcome.cell)}: ${wrong.join('; ')}`);
  };
  const rounds = quickRounds().filter(
    ({ loop }) => loop === 'program' || reasonWithoutLoop(loop) === false,
  );
  const left = rounds[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: ROUNDS_AT_A_TIME }, async () => {
      for (const { loop, conditions, cells } of left) {
        await stage.run([loop, conditions], cells, TIMES, tell);
      }
    }),
  );
  assert.deepEqual(seen, []);
});

test('docs/security.md has every attack, and the terms that bound the memory', () => {
  const page = readFileSync(`${root}docs/security.md`, 'utf8');
  for (const { name } of ATTACKS) assert.ok(page.includes(`\n| ${name} | `), name);
  const terms = {
    growth: `${MEMORY.growth / 2 ** 20} MiB`,
    thread: `${MEMORY.thread / 2 ** 20} MiB`,
    state: `${MEMORY.state / 1024} KiB`,
    received: `${MEMORY.received / 1024} KiB`,
    'received on a ring': `${MEMORY.receivedOnRing / 1024} KiB`,
  };
  for (const [term, size] of Object.entries(terms)) {
    assert.ok(page.includes(`\n| ${term} | ${size} | `), term);
  }
});
