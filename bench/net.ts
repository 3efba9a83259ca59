import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Random } from '#src/base/random.js';
import { findProcessClock } from '#tools/measure/process-clock.js';
import { quartiles } from '#tools/measure/quartiles.js';
import { timedSlice } from '#tools/measure/timed-slice.js';
import { LoadClient } from './measure/load-client.ts';
import { chosen, count } from './measure/option-values.ts';
import { pinnedChild } from './measure/pinned-child.ts';
import { withFacts, writeJson } from './measure/report.ts';
import { buildPrograms, type Programs, type Server, startServer } from './measure/servers.ts';
import { benchTable, spreadText } from './measure/text-table.ts';

// What sockloop/net costs beside node:net: echo, HTTP by serveOn, a proxy by pipe. See
// bench/README.md.
//
//   node build/bench/net.js [--cases echo-64-c1,http,...] [--ways net,net-again,epoll,io_uring]
//     [--rounds 10] [--slice 500] [--mib 256] [--seed 1] [--json FILE]

const PROGRAM = fileURLToPath(new URL('net-program.js', import.meta.url));
const WARM_UP_MS = 2000;
const WRK_MS_MAX = 30_000;
const START_MS = 10_000;
const PUMP_MS_MAX = 120_000;

/** The way that every ratio is to is the first. */
const WAYS = [
  { name: 'net', way: 'net' },
  { name: 'net-again', way: 'net' },
  { name: 'epoll', way: 'epoll' },
  { name: 'io_uring', way: 'io_uring' },
] as const;
const [REFERENCE] = WAYS;

const CASES = [
  { name: 'echo-64-c1', role: 'echo', bytes: 64, connections: 1 },
  { name: 'echo-64-c50', role: 'echo', bytes: 64, connections: 50 },
  { name: 'echo-16k-c1', role: 'echo', bytes: 16_384, connections: 1 },
  { name: 'echo-16k-c50', role: 'echo', bytes: 16_384, connections: 50 },
  { name: 'http', role: 'http', bytes: 0, connections: 50 },
  { name: 'proxy', role: 'proxy', bytes: 0, connections: 1 },
] as const;

type Case = (typeof CASES)[number];

interface Options {
  readonly ways: readonly (typeof WAYS)[number][];
  readonly cases: readonly Case[];
  readonly rounds: number;
  readonly sliceMs: number;
  readonly mib: number;
  readonly seed: number;
  readonly json: string | undefined;
}

/** What was done in a slice, and in how long: messages, requests, or MiB. */
interface Done {
  readonly units: number;
  readonly seconds: number;
}

/** A server, and what loads it. */
interface Subject {
  readonly name: string;
  readonly pid: number;
  run(ms: number): Promise<Done>;
  stop(): Promise<void>;
}

interface Slice {
  readonly case: string;
  readonly name: string;
  readonly round: number;
  readonly cpuUsPerUnit: number;
  readonly unitsPerSecond: number;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      ways: { type: 'string', default: WAYS.map(({ name }) => name).join(',') },
      cases: { type: 'string', default: CASES.map(({ name }) => name).join(',') },
      rounds: { type: 'string', default: '10' },
      slice: { type: 'string', default: '500' },
      mib: { type: 'string', default: '256' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
    },
  });
  return {
    ways: chosen('way', values.ways, WAYS),
    cases: chosen('case', values.cases, CASES),
    rounds: count('--rounds', values.rounds),
    sliceMs: count('--slice', values.slice),
    mib: count('--mib', values.mib),
    seed: count('--seed', values.seed),
    json: values.json,
  };
}

function serverOf(role: string, way: string, ...rest: string[]): Promise<Server> {
  const command = [process.execPath, PROGRAM, role, way, ...rest];
  return startServer({ name: way, command });
}

async function echoSubject(
  name: string,
  way: string,
  of: Case,
  programs: Programs,
): Promise<Subject> {
  const server = await serverOf('echo', way);
  const { connections, bytes } = of;
  const shape = { connections, bytes, inFlight: 1, sources: 0 };
  const client = await LoadClient.connect(programs.load, server.port, shape);
  await client.verify();
  return {
    name,
    pid: server.pid,
    run: async (ms) => {
      const { messages, seconds, errors } = await client.run(ms);
      if (errors > 0) throw new Error(`${name}: ${client.lastWords()}`);
      return { units: messages, seconds };
    },
    stop: async () => {
      await client.stop();
      await server.stop();
    },
  };
}

/** Requests by wrk(1), which counts those that were answered by 2xx. */
async function httpSubject(name: string, way: string, { connections }: Case): Promise<Subject> {
  const server = await serverOf('http', way);
  const run = async (ms: number): Promise<Done> => {
    const flags = ['-t1', `-c${connections}`, `-d${Math.ceil(ms / 1000)}s`];
    const wrk = pinnedChild('client', ['wrk', ...flags, `http://127.0.0.1:${server.port}/`]);
    const said: string[] = [];
    while (!/^Transfer\/sec/.test(said.at(-1) ?? '')) said.push(await wrk.line(WRK_MS_MAX));
    await wrk.closed;
    const text = said.join('\n');
    const [, units, seconds] = /(\d+) requests in ([\d.]+)s/.exec(text) ?? [];
    if (units === undefined || /errors|Non-2xx/.test(text)) throw new Error(`${name}: ${text}`);
    return { units: Number(units), seconds: Number(seconds) };
  };
  return { name, pid: server.pid, run, stop: () => server.stop() };
}

async function proxySubject(name: string, way: string, mib: number): Promise<Subject> {
  const pump = pinnedChild('client', [process.execPath, PROGRAM, 'pump']);
  const sink = await pump.port(START_MS);
  const server = await serverOf('proxy', way, String(sink));
  const run = async (): Promise<Done> => {
    pump.tell(`pump ${server.port} ${mib}`);
    return { units: mib, seconds: Number(await pump.line(PUMP_MS_MAX)) };
  };
  const stop = async (): Promise<void> => {
    await server.stop();
    await pump.stop();
  };
  return { name, pid: server.pid, run, stop };
}

async function measureCase(of: Case, options: Options, programs: Programs): Promise<Slice[]> {
  const { ways, rounds, sliceMs, mib, seed } = options;
  const clock = findProcessClock();
  const random = new Random(seed);
  const subjects: Subject[] = [];
  const slices: Slice[] = [];
  try {
    for (const { name, way } of ways) {
      if (of.role === 'echo') subjects.push(await echoSubject(name, way, of, programs));
      else if (of.role === 'http') subjects.push(await httpSubject(name, way, of));
      else subjects.push(await proxySubject(name, way, mib));
    }
    for (const subject of subjects) await subject.run(WARM_UP_MS);
    for (let round = 0; round < rounds; round++) {
      for (const { name, pid, run } of random.shuffled([...subjects])) {
        const { result, times } = await timedSlice(clock, [pid], () => run(sliceMs));
        const cpuUsPerUnit = (times[0]?.cpuUs ?? Number.NaN) / result.units;
        const unitsPerSecond = result.units / result.seconds;
        slices.push({ case: of.name, name, round, cpuUsPerUnit, unitsPerSecond });
      }
    }
    return slices;
  } finally {
    for (const subject of subjects) await subject.stop();
  }
}

function print({ name: title, role }: Case, slices: readonly Slice[], ways: Options['ways']): void {
  const of = (name: string, what: 'cpuUsPerUnit' | 'unitsPerSecond'): number[] =>
    slices.filter((slice) => slice.name === name).map((slice) => slice[what]);
  // Round by round: both had the same neighbours then. A way that failed has fewer.
  const ratios = (name: string, what: 'cpuUsPerUnit' | 'unitsPerSecond'): number[] => {
    const beside = new Map(
      slices
        .filter((slice) => slice.name === REFERENCE.name)
        .map((slice) => [slice.round, slice[what]]),
    );
    return slices
      .filter((slice) => slice.name === name)
      .map((slice) => slice[what] / (beside.get(slice.round) ?? Number.NaN));
  };
  const unit = { echo: 'message', http: 'request', proxy: 'MiB' }[role];
  const head = [title, `CPU us per ${unit}`, 'ratio', `${unit}s/s`, 'ratio'];
  const rows = ways.map(({ name }) => [
    name,
    spreadText(quartiles(of(name, 'cpuUsPerUnit')), 1),
    spreadText(quartiles(ratios(name, 'cpuUsPerUnit')), 2),
    spreadText(quartiles(of(name, 'unitsPerSecond')), 0),
    spreadText(quartiles(ratios(name, 'unitsPerSecond')), 2),
  ]);
  console.log(`\n${benchTable(head, rows)}`);
}

async function run(options: Options): Promise<{ readonly slices: readonly Slice[] }> {
  const { cases, ways, rounds, sliceMs, seed } = options;
  console.log(`${rounds} rounds, slices of ${sliceMs} ms, seed ${seed}`);
  const programs = buildPrograms();
  const all: Slice[] = [];
  for (const one of cases) {
    const slices = await measureCase(one, options, programs);
    print(one, slices, ways);
    all.push(...slices);
  }
  return { slices: all };
}

const options = readOptions();
const facts = await withFacts('net', () => run(options));
if (facts !== undefined) {
  const { result, ...surroundings } = facts;
  writeJson(options.json, { ...surroundings, ...result });
}
