import type { Endpoint } from 'sockloop/socket';
import type { EchoMode } from '../../echo/session.ts';
import {
  DURATION_MS_MAX,
  MESSAGE_BYTES_MAX,
  PIPELINE_MAX,
  RATE_MAX,
  THREADS_MAX,
} from '../../load/limits.ts';
import { type ComposedFields, readOwnFields } from '../../load/plan/table.ts';
import type { LoadModel, LoadPlan, MessagePlan, Stage } from '../../load/plan.ts';
import { UsageError } from '../../terminal/exit.ts';
import {
  parseCount,
  parseDuration,
  parsePort,
  parseRate,
  parseSize,
  parseThreads,
} from '../../terminal/flags.ts';
import { readInputFile } from '../../terminal/input-file.ts';
import { unixPath } from '../unix-flag.ts';
import type { LoadFlags } from './flags.ts';
import { parseSourceAddresses, parseSourcePorts } from './sources.ts';
import { parseStart } from './start.ts';

const SECONDS_MAX = DURATION_MS_MAX / 1000;
const STAGES_MAX = 1000;

const LONG = { msMax: DURATION_MS_MAX };
const FROM_ZERO = { zero: true, msMax: DURATION_MS_MAX };

const DURATION_MS = 10_000;
const WARMUP_MS = 1000;
const MESSAGE_BYTES = 64;

/** The plan that a command line asks for. `nowMs` is the wall clock, which `--start-at` goes by. */
export function planOf(words: readonly string[], flags: LoadFlags, nowMs: number): LoadPlan {
  refuseContradictions(flags);
  const own = readOwnFields(flags);
  const model = modelOf(flags);
  const { startAt, sourceAddresses, sourcePorts } = flags;
  const composed: ComposedFields = {
    endpoint: endpointOf(words, flags.unix),
    threads: threadsOf(flags.threads ?? '1', own.connections),
    model,
    message: messageOf(flags, own.mode),
    ...timesOf(flags, model),
    sourceAddresses: sourceAddresses === undefined ? [] : parseSourceAddresses(sourceAddresses),
    sourcePorts: sourcePorts === undefined ? null : parseSourcePorts(sourcePorts),
    startAtMs: startAt === undefined ? null : parseStart(startAt, nowMs),
  };
  return { ...own, ...composed };
}

/** Flags that do not go together, each pair with the reason. */
function refuseContradictions(flags: LoadFlags): void {
  const open = flags.rate === undefined ? '--stages' : '--rate';
  const isOpen = flags.rate !== undefined || flags.stages !== undefined;
  const wrong: [boolean, string][] = [
    [
      isOpen && flags.pipeline !== undefined,
      `${open} is an open loop and --pipeline belongs to a closed one: leave out one of them`,
    ],
    [
      flags.rate !== undefined && flags.stages !== undefined,
      '--rate and --stages both say how many messages are due: leave out one of them',
    ],
    [
      flags.stages !== undefined && flags.duration !== undefined,
      '--stages say how long they last: leave out --duration',
    ],
    [
      !isOpen && flags.arrivals !== undefined,
      '--arrivals belongs to an open loop: give --rate or --stages as well',
    ],
    [
      flags.mode === 'once' && flags.churn !== undefined,
      '--mode once takes a new connection for every message: leave out --churn',
    ],
    [
      flags.mode === 'once' && flags.pipeline !== undefined && flags.pipeline !== '1',
      '--mode once has one message on a connection: leave out --pipeline',
    ],
    [
      [flags.message, flags.file, flags.size].filter((flag) => flag !== undefined).length > 1,
      '--message, --file and --size each say what a message is: give one of them',
    ],
    [
      flags.unix !== undefined && (flags.sourceAddresses ?? flags.sourcePorts) !== undefined,
      'a UNIX socket has no source addresses and ports: leave them out with --unix',
    ],
  ];
  for (const [holds, why] of wrong) {
    if (holds) throw new UsageError(why);
  }
}

function endpointOf(words: readonly string[], unix: string | undefined): Endpoint {
  if (unix !== undefined) {
    const [word] = words;
    if (word === undefined) return { path: unixPath(unix) };
    throw new UsageError(`load takes a HOST and a PORT or --unix PATH, not "${word}" as well`);
  }
  const [host, port, word] = words;
  if (host === undefined || port === undefined) {
    throw new UsageError('load takes a HOST and a PORT, or --unix PATH');
  }
  if (word !== undefined)
    throw new UsageError(`load takes a HOST and a PORT, not "${word}" as well`);
  return { host, port: parsePort(port, 1, 'PORT') };
}

function threadsOf(text: string, connections: number): number {
  const threads = parseThreads(text, THREADS_MAX, '--threads');
  if (threads <= connections) return threads;
  // One per core, but none without a connection.
  if (text === 'max') return connections;
  throw new UsageError(
    `--threads ${threads} takes as many connections at least, not --connections ${connections}`,
  );
}

function modelOf({ rate, stages, arrivals, pipeline, duration }: LoadFlags): LoadModel {
  if (rate === undefined && stages === undefined) {
    const count = pipeline === undefined ? 1 : parseCount(pipeline, 1, PIPELINE_MAX, '--pipeline');
    return { kind: 'closed', pipeline: count };
  }
  return {
    kind: 'open',
    arrivals: arrivalsOf(arrivals),
    stages:
      stages === undefined
        ? [
            {
              durationMs: durationOf(duration),
              ratePerSecond: parseRate(rate ?? '', RATE_MAX, '--rate'),
            },
          ]
        : parseStages(stages),
  };
}

function arrivalsOf(text: string | undefined): 'uniform' | 'poisson' {
  if (text === undefined || text === 'uniform' || text === 'poisson') return text ?? 'uniform';
  throw new UsageError(`--arrivals takes uniform or poisson, not "${text}"`);
}

/** `10s@1000,20s@5000`: how long, and how many a second. */
function parseStages(text: string): Stage[] {
  const words = text.split(',');
  if (words.length > STAGES_MAX) {
    throw new UsageError(`--stages takes up to ${STAGES_MAX} stages, not ${words.length}`);
  }
  const stages = words.map((word): Stage => {
    const [, time, rate] = /^\s*([^@]+)@([^@]*?)\s*$/.exec(word) ?? [];
    if (time === undefined || rate === undefined) {
      throw new UsageError(
        `--stages takes a list like 10s@1000,20s@5000, and "${word}" is no stage`,
      );
    }
    return {
      durationMs: parseDuration(time, 'a stage', LONG),
      ratePerSecond: parseRate(rate, RATE_MAX, 'a stage'),
    };
  });
  if (totalOf(stages) <= DURATION_MS_MAX) return stages;
  throw new UsageError(`--stages last up to ${SECONDS_MAX} seconds together`);
}

function totalOf(stages: readonly Stage[]): number {
  return stages.reduce((sum, { durationMs }) => sum + durationMs, 0);
}

type Times = Pick<LoadPlan, 'warmupMs' | 'durationMs' | 'rampMs'>;

function timesOf({ duration, warmup, ramp }: LoadFlags, model: LoadModel): Times {
  const rampMs = ramp === undefined ? 0 : parseDuration(ramp, '--ramp', FROM_ZERO);
  const warmupMs =
    warmup === undefined
      ? Math.min(rampMs + WARMUP_MS, DURATION_MS_MAX)
      : parseDuration(warmup, '--warmup', FROM_ZERO);
  if (rampMs > warmupMs) {
    throw new UsageError(
      `--ramp is a part of the warm-up: --ramp ${ramp} does not fit into --warmup ${warmup}`,
    );
  }
  return {
    rampMs,
    warmupMs,
    durationMs: model.kind === 'open' ? totalOf(model.stages) : durationOf(duration),
  };
}

function durationOf(text: string | undefined): number {
  return text === undefined ? DURATION_MS : parseDuration(text, '--duration', LONG);
}

function messageOf({ message, file, size }: LoadFlags, mode: EchoMode): MessagePlan {
  if (message !== undefined) {
    if (message === '') throw new UsageError('--message takes a text of at least one character');
    // The server waits for a line, and an argument has no newline.
    const text = mode === 'echo' || message.endsWith('\n') ? message : `${message}\n`;
    return given(Buffer.from(text), '--message');
  }
  if (file !== undefined) {
    return given(readInputFile(file, MESSAGE_BYTES_MAX, `take the message from ${file}`), file);
  }
  const bytes = size === undefined ? MESSAGE_BYTES : parseSize(size, MESSAGE_BYTES_MAX, '--size');
  return { kind: 'bytes', bytes };
}

function given(bytes: Buffer, source: string): MessagePlan {
  if (bytes.length === 0) throw new Error(`cannot take the message from ${source}: it is empty`);
  return { kind: 'given', base64: bytes.toString('base64'), source };
}
