import { nativeSys } from 'sockloop/sys';
import { backends } from '#src/loop/backends.js';
import { SERVER_LOOPS, type ServerLoop } from '../echo/servers.ts';
import { CONNECTIONS_MAX, DURATION_MS_MAX, MESSAGE_BYTES_MAX } from '../load/limits.ts';
import { UsageError } from '../terminal/exit.ts';
import { parseCount, parseDuration, parseSize } from '../terminal/flags.ts';
import type { ComparePlan, LoadPoint } from './document.ts';

/** The flags of `sockloop compare`, as they are written. */
export interface CompareFlags {
  readonly loops?: string;
  readonly connections: string;
  readonly idle: string;
  readonly duration: string;
  readonly rounds: string;
  readonly size: string;
  readonly seed: string;
  /** False by --no-report. */
  readonly report?: string | false;
  readonly json?: true;
}

/** A way of waiting that can be compared: `auto` is one of the others. */
export type ComparedName = Exclude<ServerLoop, 'auto'>;

/** All of them, best first. */
export const COMPARED_LOOPS = SERVER_LOOPS.filter((name) => name !== 'auto');

/** What is to be compared. */
export interface Comparison {
  readonly plan: ComparePlan;
  /** In the order asked for, each with the reason why this machine does not have it, or null. */
  readonly loops: readonly { readonly name: ComparedName; readonly reason: string | null }[];
  /** Where they are measured, in rising order. */
  readonly loadPoints: readonly LoadPoint[];
}

/** Where the report goes if nobody says anything else. */
export const REPORT = 'report.html';

/** How many connections carry messages beside the idle ones. */
const BESIDE_IDLE = 10;

/** Before the slices of a loop at a load point: connections settle, new code is compiled. */
const WARMUP_MS = 60;

const ROUNDS_MAX = 1000;
const SEED_MAX = 2 ** 32 - 1;

/**
 * The comparison that a command line asks for. Throws a UsageError for what cannot be meant, and an
 * Error where a loop that was asked for by its name is not available.
 */
export function comparisonOf(flags: CompareFlags): Comparison {
  const connections = countsOf(flags.connections, 1, '--connections');
  const idleConnections = flags.idle === 'none' ? [] : countsOf(flags.idle, 0, '--idle');
  const durationMs = parseDuration(flags.duration, '--duration', { msMax: DURATION_MS_MAX });
  const plan: ComparePlan = {
    durationMs,
    warmupMs: WARMUP_MS,
    rounds: parseCount(flags.rounds, 1, ROUNDS_MAX, '--rounds'),
    connections,
    idleConnections,
    besideIdle: BESIDE_IDLE,
    messageBytes: parseSize(flags.size, MESSAGE_BYTES_MAX, '--size'),
    seed: parseCount(flags.seed, 0, SEED_MAX, '--seed'),
  };
  return { plan, loadPoints: loadPointsOf(plan), loops: loopsOf(flags.loops) };
}

/** Each number of connections, and the busy few beside each number of idle ones. */
function loadPointsOf({ connections, idleConnections, besideIdle }: ComparePlan): LoadPoint[] {
  const busy = connections.map((count) => ({ connections: count, idleConnections: 0 }));
  const beside = idleConnections
    .filter((idle) => idle > 0 || !connections.includes(besideIdle))
    .map((idle) => ({ connections: besideIdle, idleConnections: idle }));
  return [...busy, ...beside].sort(
    (a, b) => a.connections - b.connections || a.idleConnections - b.idleConnections,
  );
}

/** Numbers with commas between them, in rising order and each once. */
function countsOf(text: string, min: 0 | 1, what: string): number[] {
  const counts = text.split(',').map((word) => parseCount(word.trim(), min, CONNECTIONS_MAX, what));
  return [...new Set(counts)].sort((a, b) => a - b);
}

function loopsOf(text: string | undefined): Comparison['loops'] {
  if (text === undefined) {
    return COMPARED_LOOPS.map((name) => ({ name, reason: reasonWithout(name) }));
  }
  const names = text.split(',').map((word) => nameOf(word.trim()));
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new UsageError(`--loops names ${twice} twice`);
  for (const name of names) {
    const reason = reasonWithout(name);
    if (reason !== null) throw new Error(`cannot use the loop ${name}: ${reason}`);
  }
  return names.map((name) => ({ name, reason: null }));
}

function nameOf(word: string): ComparedName {
  const name = COMPARED_LOOPS.find((known) => known === word);
  if (name !== undefined) return name;
  throw new UsageError(`--loops takes ${COMPARED_LOOPS.join(', ')}, not "${word}"`);
}

/** Blocking calls are everywhere; an event loop may be missing. */
function reasonWithout(name: ComparedName): string | null {
  const answer = backends.find((entry) => entry.name === name)?.available(nativeSys()) ?? true;
  return answer === true ? null : answer.reason;
}
