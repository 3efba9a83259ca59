import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { LoopName } from '#src/loop/backends.js';
import { startLoad } from '#tools/load/engine/run.js';
import type { LoadPlan } from '#tools/load/plan.js';
import { findProcessClock } from '#tools/measure/process-clock.js';
import { quartiles } from '#tools/measure/quartiles.js';
import { NO_TIME, timedSlice } from '#tools/measure/timed-slice.js';
import { holdWakeLatency } from '#tools/measure/wake-latency.js';
import { LoadClient } from './measure/load-client.ts';
import { unfit } from './measure/machine.ts';
import { count, counts, words } from './measure/option-values.ts';
import { pinnedChild } from './measure/pinned-child.ts';
import {
  buildPrograms,
  contenderOf,
  type Programs,
  REFERENCE,
  startServer,
} from './measure/servers.ts';
import { benchTable } from './measure/text-table.ts';

// What the load client of this package costs beside the C client of the measurements: CPU time of
// the client per message, and the rate, in a closed loop against the C echo server. The clients
// take turns, round by round, on the same core. See bench/README.md.
//
//   node build/bench/load-clients.js [--connections 50,1000] [--loops io_uring,epoll]
//     [--rounds 5] [--slice MS] [--bytes 64] [--pipeline 1]

const C_CLIENT = 'bench/load.c';
/** By then what is hot is compiled, on both sides of the run. */
const WARM_UP_MS = 1500;
const GRACE_MS = 20_000;

const clock = findProcessClock();

interface Shape {
  readonly connections: number;
  readonly bytes: number;
  readonly pipeline: number;
  readonly sliceMs: number;
}

/** What one client came to in one slice. */
interface Slice {
  readonly cpuUsPerMessage: number;
  readonly messagesPerSecond: number;
}

function planOf(loop: LoopName, port: number, shape: Shape): LoadPlan {
  return {
    endpoint: { host: '127.0.0.1', port },
    loop,
    threads: 1,
    connections: shape.connections,
    idleConnections: 0,
    model: { kind: 'closed', pipeline: shape.pipeline },
    message: { kind: 'bytes', bytes: shape.bytes },
    mode: 'echo',
    messagesPerConnection: null,
    warmupMs: WARM_UP_MS,
    durationMs: shape.sliceMs,
    rampMs: 0,
    timeoutMs: 5000,
    sourceAddresses: [],
    sourcePorts: null,
    startAtMs: null,
    seed: 1,
  };
}

/** This program as a client of its own process: prints what it came to, in one line. */
async function client([loop = '', port = '', shape = '']: readonly string[]): Promise<void> {
  const plan = planOf(loop as LoopName, Number(port), JSON.parse(shape) as Shape);
  const { counts, generator, measuredMs, verdict } = await startLoad(plan).done;
  const failed = Object.values(counts.errors).reduce((sum, count) => sum + count, 0);
  if (failed > 0) throw new Error(`errors: ${JSON.stringify(counts.errors)}`);
  // That a thread is busy all the time is what is measured here.
  const denied = verdict.reasons.filter((reason) => !/had no time left/.test(reason));
  for (const reason of denied) process.stderr.write(`load-clients: ${reason}\n`);
  const slice: Slice = {
    cpuUsPerMessage: generator.cpuUsPerMessage,
    messagesPerSecond: (counts.messages / measuredMs) * 1000,
  };
  process.stdout.write(`${JSON.stringify(slice)}\n`);
}

/** One slice of ours, by a process of its own. */
async function ours(loop: string, port: number, shape: Shape): Promise<Slice> {
  const self = fileURLToPath(import.meta.url);
  const words = [self, '--client', loop, String(port), JSON.stringify(shape)];
  const child = pinnedChild('client', [process.execPath, ...words]);
  try {
    return JSON.parse(await child.line(WARM_UP_MS + shape.sliceMs + GRACE_MS)) as Slice;
  } finally {
    await child.stop();
  }
}

/** One slice of the C client. */
async function theirs(programs: Programs, port: number, shape: Shape): Promise<Slice> {
  const { connections, bytes, pipeline, sliceMs } = shape;
  const load = { connections, bytes, inFlight: pipeline, sources: 0 };
  const client = await LoadClient.connect(programs.load, port, load);
  try {
    await client.run(WARM_UP_MS);
    const { result, times } = await timedSlice(clock, [client.pid], () => client.run(sliceMs));
    const { messages, seconds, errors } = result;
    if (errors > 0) throw new Error(`${C_CLIENT}: ${client.lastWords()}`);
    const [{ cpuUs } = NO_TIME] = times;
    return { cpuUsPerMessage: cpuUs / messages, messagesPerSecond: messages / seconds };
  } finally {
    await client.stop();
  }
}

/** The row of one client: medians with quartiles, and beside the C client. */
function rowOf(name: string, slices: readonly Slice[], reference: readonly Slice[]): string[] {
  const cpu = quartiles(slices.map(({ cpuUsPerMessage }) => cpuUsPerMessage));
  const rate = quartiles(slices.map(({ messagesPerSecond }) => messagesPerSecond));
  // Round by round: both had the same neighbours then.
  const beside = (of: (slice: Slice) => number): string =>
    quartiles(
      slices.map((slice, round) => of(slice) / of(reference[round] ?? slice)),
    ).median.toFixed(3);
  return [
    name,
    `${cpu.median.toFixed(2)} (${cpu.lower.toFixed(2)} to ${cpu.upper.toFixed(2)})`,
    beside(({ cpuUsPerMessage }) => cpuUsPerMessage),
    `${rate.median.toFixed(0)} (${rate.lower.toFixed(0)} to ${rate.upper.toFixed(0)})`,
    beside(({ messagesPerSecond }) => messagesPerSecond),
  ];
}

async function compare(): Promise<void> {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '50,1000' },
      loops: { type: 'string', default: 'io_uring,epoll' },
      rounds: { type: 'string', default: '5' },
      slice: { type: 'string', default: '1000' },
      bytes: { type: 'string', default: '64' },
      pipeline: { type: 'string', default: '1' },
    },
  });
  const reason = unfit();
  if (reason !== undefined) throw new Error(reason);
  const programs = buildPrograms();
  const wake = holdWakeLatency();
  const server = await startServer(contenderOf(REFERENCE, programs));
  try {
    for (const connections of counts('--connections', values.connections)) {
      const shape: Shape = {
        connections,
        bytes: count('--bytes', values.bytes),
        pipeline: count('--pipeline', values.pipeline),
        sliceMs: count('--slice', values.slice),
      };
      const loops = words(values.loops);
      const slices = new Map<string, Slice[]>([C_CLIENT, ...loops].map((name) => [name, []]));
      for (let round = 0; round < count('--rounds', values.rounds); round += 1) {
        slices.get(C_CLIENT)?.push(await theirs(programs, server.port, shape));
        for (const loop of loops) slices.get(loop)?.push(await ours(loop, server.port, shape));
      }
      const reference = slices.get(C_CLIENT) ?? [];
      const head = [`${connections} connections`, 'CPU us', 'to C', 'messages/s', 'to C'];
      const rows = [...slices].map(([name, own]) => rowOf(name, own, reference));
      process.stdout.write(`${benchTable(head, rows)}\n\n`);
    }
  } finally {
    await server.stop();
    wake.release();
  }
}

const [, , mode, ...rest] = process.argv;
await (mode === '--client' ? client(rest) : compare());
