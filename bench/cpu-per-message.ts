import { parseArgs } from 'node:util';
import { LoadClient } from './measure/load-client.ts';
import { positive, positives, words } from './measure/option-values.ts';
import { type CpuTicks, cpuTicks } from './measure/process-facts.ts';
import { withFacts } from './measure/report.ts';
import {
  AGAIN,
  buildPrograms,
  type Programs,
  REFERENCE,
  specName,
  startServer,
} from './measure/servers.ts';
import { measure, nsPerMessage, type Slice, type Subject } from './measure/slices.ts';
import { median, type Quartiles, quartiles, seededRandom } from './measure/statistics.ts';
import { percent, textTable } from './measure/text-table.ts';

// Server CPU per message beside the C epoll server's. See bench/README.md.
//
//   node build/bench/cpu-per-message.js [--servers c-epoll-again,epoll,poll,NAME=COMMAND]
//     [--connections 50,1000] [--size 64] [--pipeline 1] [--rounds 20] [--slice MS] [--seed N]
//     [--json FILE]

interface Options {
  readonly servers: readonly string[];
  readonly connections: readonly number[];
  readonly bytes: number;
  readonly inFlight: number;
  readonly rounds: number;
  readonly sliceMs: number;
  readonly seed: number;
  readonly json: string | undefined;
}

interface ServerResult {
  readonly name: string;
  readonly ratio: Quartiles;
  readonly cpuUsPerMessage: Quartiles;
  /** Sampled by the kernel at its ticks, over all slices. */
  readonly userShare: number;
  readonly messagesPerSecond: number;
  /** How much of the slice the server was on its core: near 1, the server is the limit. */
  readonly busyShare: number;
  /** How much of the slice it waited for its core: above 0, something disturbed. */
  readonly waitedShare: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface CaseResult {
  readonly connections: number;
  readonly bytes: number;
  readonly inFlight: number;
  readonly results: readonly ServerResult[];
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
  readonly slices: readonly Slice[];
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      servers: { type: 'string', default: `${AGAIN},epoll,poll,select,blocking` },
      connections: { type: 'string', default: '50,1000' },
      size: { type: 'string', default: '64' },
      pipeline: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '20' },
      slice: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
    },
  });
  return {
    // The reference runs whatever is asked for.
    servers: words(values.servers).filter((name) => name !== REFERENCE),
    connections: positives(values.connections),
    bytes: positive(values.size),
    inFlight: positive(values.pipeline),
    rounds: positive(values.rounds),
    sliceMs: positive(values.slice),
    seed: positive(values.seed),
    json: values.json,
  };
}

/** By then V8 has compiled all there is to compile; sooner, the first rounds cost more. */
const WARM_UP_MESSAGES = 400_000;
/** But no more than so often a second of it. */
const WARM_UP_RUNS = 6;
const WARM_UP_MS = 1000;

async function prepare(
  spec: string,
  connections: number,
  programs: Programs,
  options: Options,
): Promise<Subject> {
  const server = await startServer(spec, programs);
  const shape = { connections, bytes: options.bytes, inFlight: options.inFlight, sources: 0 };
  let client: LoadClient | undefined;
  try {
    client = await LoadClient.connect(programs.load, server.port, shape);
    await client.verify();
    let messages = 0;
    for (let run = 0; run < WARM_UP_RUNS && messages < WARM_UP_MESSAGES; run++) {
      messages += (await client.run(WARM_UP_MS)).messages;
    }
    return { server, client };
  } catch (error) {
    await client?.stop();
    await server.stop();
    throw error;
  }
}

async function runCase(
  connections: number,
  programs: Programs,
  options: Options,
): Promise<CaseResult> {
  const { bytes, inFlight, rounds, sliceMs } = options;
  const subjects: Subject[] = [];
  const missing: { name: string; reason: string }[] = [];
  try {
    const reference = await prepare(REFERENCE, connections, programs, options);
    subjects.push(reference);
    for (const spec of options.servers) {
      try {
        subjects.push(await prepare(spec, connections, programs, options));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        missing.push({ name: specName(spec), reason });
      }
    }
    const random = seededRandom(options.seed);
    const before = new Map(subjects.map(({ server }) => [server.name, cpuTicks(server.pid)]));
    const slices = await measure(reference, subjects.slice(1), { rounds, sliceMs, random });
    const results = subjects.map(({ server }) => {
      const mine = slices.filter(({ name }) => name === server.name);
      return sumUp(server.name, mine, before.get(server.name), cpuTicks(server.pid));
    });
    return { connections, bytes, inFlight, results, missing, slices };
  } finally {
    for (const { client, server } of subjects) {
      await client.stop();
      await server.stop();
    }
  }
}

function sumUp(
  name: string,
  slices: readonly Slice[],
  before: CpuTicks = { user: 0, system: 0 },
  after: CpuTicks,
): ServerResult {
  const user = after.user - before.user;
  const system = after.system - before.system;
  return {
    name,
    ratio: quartiles(slices.map(({ ratio }) => ratio)),
    cpuUsPerMessage: quartiles(slices.map((slice) => nsPerMessage(slice) / 1000)),
    userShare: user / (user + system),
    messagesPerSecond: median(slices.map(({ messages, seconds }) => messages / seconds)),
    busyShare: median(slices.map(({ cpuNs, seconds }) => cpuNs / 1e9 / seconds)),
    waitedShare: median(slices.map(({ waitedNs, seconds }) => waitedNs / 1e9 / seconds)),
    p50Us: median(slices.map(({ p50Us }) => p50Us)),
    p99Us: median(slices.map(({ p99Us }) => p99Us)),
  };
}

const HEAD = 'server,ratio,quartiles,CPU us,user,system,msg/s,busy,waited,p50 us,p99 us'.split(',');

function row(result: ServerResult): string[] {
  const { name, ratio, cpuUsPerMessage, userShare } = result;
  const isReference = name === REFERENCE;
  return [
    name,
    isReference ? '1' : ratio.median.toFixed(3),
    isReference ? '' : `${ratio.lower.toFixed(3)} to ${ratio.upper.toFixed(3)}`,
    cpuUsPerMessage.median.toFixed(2),
    (cpuUsPerMessage.median * userShare).toFixed(2),
    (cpuUsPerMessage.median * (1 - userShare)).toFixed(2),
    Math.round(result.messagesPerSecond).toString(),
    percent(result.busyShare),
    percent(result.waitedShare, 1),
    Math.round(result.p50Us).toString(),
    Math.round(result.p99Us).toString(),
  ];
}

function print({ connections, bytes, inFlight, results, missing }: CaseResult): void {
  console.log(`\n${connections} connections, ${bytes} bytes, ${inFlight} in flight on each`);
  console.log(textTable(HEAD, results.map(row)));
  for (const { name, reason } of missing) console.log(`  ${name} is missing: ${reason}`);
}

async function run(options: Options): Promise<object> {
  const { servers: _, json: __, ...plan } = options;
  console.log(`${plan.rounds} rounds, slices of ${plan.sliceMs} ms, seed ${plan.seed}`);
  const programs = buildPrograms();
  const cases: CaseResult[] = [];
  for (const connections of options.connections) {
    const result = await runCase(connections, programs, options);
    print(result);
    cases.push(result);
  }
  return { plan, cases };
}

const options = readOptions();
await withFacts('cpu-per-message', () => run(options), options.json);
