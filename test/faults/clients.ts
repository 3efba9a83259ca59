import { setTimeout as delay } from 'node:timers/promises';
import { echoPeer } from '#test/harness/clients.js';
import type { Scope } from '#test/harness/command.js';
import type { LoadDocument } from '#tools/load/document.js';
import type { Cell } from './cells.ts';
import { type Gated, startGated } from './gated.ts';
import type { Injection } from './injection.ts';
import { allowed, type CellOutcome, endAhead, endOf, forbidden } from './outcome.ts';
import type { End } from './program.ts';
import { backendOf, environmentOf } from './server-process.ts';

/** How long every call fails, and how long a client may take then. */
const FAULT_MS = 400;
const END_MS = 25_000;
const CALLS_PER_SECOND_MAX = 3000;

let peerPort: Promise<number> | null = null;

/** `send` to an echo server: each line is back, or it says why not and ends with status 1. */
export async function runSend(scope: Scope, cell: Cell): Promise<CellOutcome> {
  peerPort ??= echoPeer(scope);
  const words = ['send', '--timeout', '5', '127.0.0.1', String(await peerPort)];
  const gated = await startGated(scope, cell, words);
  const lines = Array.from({ length: 40 }, (_, line) => `line ${line}\n`);
  const input = `${lines.join('')}${'x'.repeat(600_000)}\n`;
  gated.program.command.child.stdin?.end(input);
  const outcome = await ended(gated, cell);
  if ('word' in outcome) return outcome;
  if (!input.startsWith(outcome.out)) return forbidden('wrong bytes', outcome.out.slice(-100));
  // To a call that blocks the kernel says so once its timeout has passed.
  const fault = cell.fault === 'EAGAIN' && cell.call !== 'connect' ? 'ETIMEDOUT' : cell.fault;
  if (outcome.status !== 0) return endOf(outcome, fault);
  if (outcome.out !== input)
    return forbidden('lost bytes', `${outcome.out.length} of ${input.length}`);
  return allowed(outcome.err === '' ? 'served' : 'served, said', outcome.err.trim().slice(0, 300));
}

/** `load` on an echo server: it compares each byte, and counts what failed by its kind. */
export async function runLoad(scope: Scope, cell: Cell): Promise<CellOutcome> {
  peerPort ??= echoPeer(scope);
  const words = [
    ...['load', '127.0.0.1', String(await peerPort), '--loop', backendOf(cell.loop), '--json'],
    ...['--connections', '4', '--rate', '200', '--duration', '0.6', '--warmup', '0'],
    ...['--timeout', '2'],
  ];
  const gated = await startGated(scope, cell, words, environmentOf(cell.loop));
  const outcome = await ended(gated, cell);
  if ('word' in outcome) return outcome;
  if (outcome.status !== 0 && outcome.out === '') return endOf(outcome, cell.fault);
  return judged(outcome.out, outcome.err, outcome.status);
}

function judged(out: string, err: string, status: number | null): CellOutcome {
  const { counts } = JSON.parse(out) as LoadDocument;
  const counted = Object.entries(counts.errors).filter(([, count]) => count > 0);
  const detail = `${counted.map(([kind, count]) => `${kind} ${count}`).join(', ')} ${err.trim()}`;
  if (counted.some(([kind]) => kind === 'mismatch')) return forbidden('wrong bytes', detail);
  if (counted.some(([kind]) => kind === 'timeout')) return forbidden('hang', detail);
  if (status !== 0 && status !== 1) return forbidden('crash', `status ${status}: ${detail}`);
  if (counted.length > 0) return allowed(status === 1 ? 'exit 1' : 'closed', detail.slice(0, 300));
  return allowed(err === '' ? 'served' : 'served, said', detail.trim().slice(0, 300));
}

/** Waits for the end of a program, and ends a fault that lasts ahead of it. */
async function ended(
  { program, injection }: Gated,
  { times, fault }: Cell,
): Promise<CellOutcome | End> {
  const lasts = times === 'always' && fault !== 'delay';
  const calls = lasts && injection !== null ? await callsPerSecond(injection) : 0;
  if (lasts) await injection?.end();
  const end = await program.end(END_MS);
  await injection?.end();
  if (end === null) return forbidden('hang', `it does not end: ${program.err.slice(-300)}`);
  if (injection === null) return endAhead(end);
  if (injection.count === 0) return allowed('not met');
  if (calls > CALLS_PER_SECOND_MAX) return forbidden('spin', `${Math.round(calls)} calls a second`);
  return end;
}

async function callsPerSecond(injection: Injection): Promise<number> {
  await delay(FAULT_MS / 2);
  const before = injection.count;
  await delay(FAULT_MS / 2);
  return ((injection.count - before) * 2000) / FAULT_MS;
}
