import { setTimeout as delay } from 'node:timers/promises';
import { echoPeer } from '#test/harness/clients.js';
import type { Scope } from '#test/harness/command.js';
import type { DatagramLoadDocument } from '#tools/load/datagrams/document.js';
import type { LoadDocument } from '#tools/load/document.js';
import type { Cell } from './cells.ts';
import { datagramPeer } from './datagram-peer.ts';
import { type Gated, startGated } from './gated.ts';
import type { Injection } from './injection.ts';
import { allowed, type CellOutcome, endAhead, endOf, forbidden } from './outcome.ts';
import type { End } from './program.ts';
import { backendOf, environmentOf } from './server-process.ts';

/** How long every call fails, and how long a client may take then. */
const FAULT_MS = 400;
const END_MS = 25_000;
const CALLS_PER_SECOND_MAX = 3000;

/** Echo servers of this process, for streams and for datagrams. */
let peers: Promise<Peers> | null = null;

interface Peers {
  readonly streams: number;
  readonly datagrams: number;
}

async function openPeers(scope: Scope): Promise<Peers> {
  return { streams: await echoPeer(scope), datagrams: await datagramPeer(scope) };
}

async function peerPort(scope: Scope, { variant }: Cell): Promise<string> {
  peers ??= openPeers(scope);
  const { streams, datagrams } = await peers;
  return String(variant === '--udp' ? datagrams : streams);
}

const LINES = Array.from({ length: 40 }, (_, line) => `line ${line}\n`);

/** `send` to an echo server: each line is back, or it says why not and ends with status 1. */
export async function runSend(scope: Scope, cell: Cell): Promise<CellOutcome> {
  const port = await peerPort(scope, cell);
  const isThreaded = cell.variant === '--threads';
  const flags = isThreaded ? ['--threads', '2', '--count', '3'] : [];
  const udp = cell.variant === '--udp' ? ['--udp'] : [];
  // Threads begin once all messages are there.
  const messages = isThreaded ? LINES.map((line) => line.trimEnd()) : [];
  const words = ['send', ...flags, ...udp, '--timeout', '5', '127.0.0.1', port, ...messages];
  const gated = await startGated(scope, cell, words);
  // A datagram holds less.
  const input =
    cell.variant === null ? `${LINES.join('')}${'x'.repeat(600_000)}\n` : LINES.join('');
  gated.program.command.child.stdin?.end(input);
  const outcome = await ended(gated, cell);
  if ('word' in outcome) return outcome;
  const { out, err, status } = outcome;
  const missing = isThreaded ? missingOfThreads(out) : missingOf(out, input);
  if (missing === null) return forbidden('wrong bytes', out.slice(-100));
  if (status !== 0) return endOf(outcome, wordsFor(cell));
  if (missing > 0) return forbidden('lost bytes', `${missing} are missing of ${input.length}`);
  return allowed(err === '' ? 'served' : 'served, said', err.trim().slice(0, 300));
}

/** What a program has to say: a call that blocks says EAGAIN once its timeout has passed. */
function wordsFor({ call, fault, variant }: Cell): string {
  if (fault !== 'EAGAIN' || call === 'connect') return fault;
  return variant === '--udp' ? 'no reply' : 'ETIMEDOUT';
}

/** How many bytes of `input` are not in `out`; null if others are. */
function missingOf(out: string, input: string): number | null {
  return input.startsWith(out) ? input.length - out.length : null;
}

/** How many lines two threads have not printed that each send all three times; null for others. */
function missingOfThreads(out: string): number | null {
  const counts = new Map<string, number>();
  for (const line of out.split('\n').slice(0, -1)) {
    if (/^2 threads, /.test(line)) continue;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  let missing = 0;
  for (const thread of [1, 2]) {
    for (const line of LINES) {
      const printed = `thread ${thread}: ${line.trimEnd()}`;
      const count = counts.get(printed) ?? 0;
      if (count > 3) return null;
      missing += 3 - count;
      counts.delete(printed);
    }
  }
  return counts.size > 0 ? null : missing;
}

/** `load` on an echo server: it compares each byte, and counts what failed by its kind. */
export async function runLoad(scope: Scope, cell: Cell): Promise<CellOutcome> {
  const isUdp = cell.variant === '--udp';
  const words = [
    ...['load', '127.0.0.1', await peerPort(scope, cell), '--loop', backendOf(cell.loop)],
    ...['--json', '--rate', '200', '--duration', '0.6', '--warmup', '0'],
    ...(isUdp ? ['--udp', '--timeout', '0.5'] : ['--connections', '4', '--timeout', '8']),
  ];
  const gated = await startGated(scope, cell, words, environmentOf(cell.loop));
  const outcome = await ended(gated, cell);
  if ('word' in outcome) return outcome;
  const { out, err, status } = outcome;
  if (status !== 0 && out === '') return endOf(outcome, cell.fault);
  return isUdp ? judgedDatagrams(cell, outcome) : judged(out, err, status);
}

/** Errors of a send that is not made again: its datagram is lost here, not on the network. */
const REFUSALS: ReadonlySet<string> = new Set(['ENETUNREACH', 'EPERM', 'EINVAL']);

/** Every datagram is answered, or counted as not sent, refused, or lost by its kind. */
function judgedDatagrams({ call, fault }: Cell, { out, err, status }: End): CellOutcome {
  const { counts } = JSON.parse(out) as DatagramLoadDocument;
  const { sent, answered, lost, corrupted, duplicates, foreign, unsent, refused } = counts;
  const detail = `${JSON.stringify(counts)} ${err.trim()}`;
  if (corrupted + duplicates + foreign > 0) return forbidden('wrong bytes', detail);
  if (sent !== answered + lost) return forbidden('lost', detail);
  if (status !== 0 && status !== 1) return forbidden('crash', `status ${status}: ${detail}`);
  const isKept = call !== 'sendmmsg' || !REFUSALS.has(fault);
  if (lost > 0 && !isKept && !err.includes(fault)) return forbidden('no reason', detail);
  if (status === 1) return allowed('exit 1', detail);
  if (lost + unsent + refused > 0) return allowed('counted', detail);
  return allowed(err === '' ? 'served' : 'served, said', err.trim());
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
