import { COMPARED_LOOPS, type ComparedName, type CompareRequest } from '../../compare/plan.ts';
import { THREADS_MAX } from '../../echo/limits.ts';
import { CONNECTIONS_MAX, DURATION_MS_MAX, MESSAGE_BYTES_MAX } from '../../load/limits.ts';
import { UsageError } from '../../terminal/exit.ts';
import { parseCount, parseDuration, parseSize, parseThreads } from '../../terminal/flags.ts';

/** The flags of `sockloop compare`, as they are written. */
export interface CompareFlags {
  readonly loops?: string;
  readonly connections: string;
  readonly idle: string;
  readonly duration: string;
  readonly rounds: string;
  readonly size: string;
  readonly seed: string;
  readonly threads: string;
  /** False by --no-report. */
  readonly report?: string | false;
  readonly udp?: true;
  readonly json?: true;
}

/** Where the report goes by default. */
export const REPORT = 'report.html';

const ROUNDS_MAX = 1000;
const SEED_MAX = 2 ** 32 - 1;

/** Parses the flags. Throws a UsageError for a value that is out of range. */
export function requestOf(flags: CompareFlags): CompareRequest {
  return {
    connections: countsOf(flags.connections, 1, '--connections'),
    idleConnections: flags.idle === 'none' ? [] : countsOf(flags.idle, 0, '--idle'),
    durationMs: parseDuration(flags.duration, '--duration', { msMax: DURATION_MS_MAX }),
    rounds: parseCount(flags.rounds, 1, ROUNDS_MAX, '--rounds'),
    messageBytes: parseSize(flags.size, MESSAGE_BYTES_MAX, '--size'),
    seed: parseCount(flags.seed, 0, SEED_MAX, '--seed'),
    threads: parseThreads(flags.threads, THREADS_MAX, '--threads'),
    loops: flags.loops === undefined ? null : loopNames(flags.loops),
  };
}

/** Where the report goes; null for none. */
export function reportPath({ report, json }: CompareFlags): string | null {
  if (report === false) return null;
  return report ?? (json === true ? null : REPORT);
}

/** Numbers separated by commas, in rising order and each once. */
export function countsOf(text: string, min: 0 | 1, what: string): number[] {
  const counts = text.split(',').map((word) => parseCount(word.trim(), min, CONNECTIONS_MAX, what));
  return [...new Set(counts)].sort((a, b) => a - b);
}

function loopNames(text: string): ComparedName[] {
  const names = text.split(',').map((word) => loopName(word.trim()));
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new UsageError(`--loops names ${twice} twice`);
  return names;
}

function loopName(word: string): ComparedName {
  const name = COMPARED_LOOPS.find((known) => known === word);
  if (name !== undefined) return name;
  throw new UsageError(`--loops takes ${COMPARED_LOOPS.join(', ')}, not "${word}"`);
}
