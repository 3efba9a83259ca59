import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Random } from '#src/base/random.js';
import { findProcessClock } from '#tools/measure/process-clock.js';
import { type Quartiles, quartiles } from '#tools/measure/quartiles.js';
import { NO_TIME, timedSlice } from '#tools/measure/timed-slice.js';
import {
  BESIDE_SERVERS,
  type BesideLoad,
  BesideServer,
  type BesideServerKind,
  LOADS,
  type Waits,
} from './measure/beside-server.ts';
import { chosen, count } from './measure/option-values.ts';
import { withFacts, writeJson } from './measure/report.ts';
import { buildPrograms, type Programs } from './measure/servers.ts';
import { benchTable, spreadText } from './measure/text-table.ts';

// How long what Node does takes beside an echo server in the same thread: timers, HTTP, fetch. See
// bench/README.md.
//
//   node build/bench/beside-node.js [--servers net,attach-epoll] [--loads idle,light,full]
//     [--rounds 10] [--sample 1000] [--seed 1] [--json FILE]

/** The server that every ratio is to. */
const REFERENCE = 'net';
/** Code is compiled and connections are open then. */
const WARM_UP_MS = 1500;

interface Options {
  readonly servers: readonly BesideServerKind[];
  readonly loads: readonly (typeof LOADS)[number][];
  readonly rounds: number;
  readonly sampleMs: number;
  readonly seed: number;
  readonly json: string | undefined;
}

/** What one server came to in one round. */
interface Round {
  readonly load: BesideLoad;
  readonly server: string;
  readonly round: number;
  readonly waits: Readonly<Record<string, Waits>>;
  /** CPU time of the whole process in a second without a message or a request; idle only. */
  readonly idleCpuMs: number | null;
}

/** All rounds of a server at a wait: absolute, and to the reference in the same round. */
interface Row {
  readonly wait: string;
  readonly server: string;
  readonly p50Us: Quartiles;
  readonly p50Ratio: Quartiles;
  readonly p99Us: Quartiles;
  readonly p99Ratio: Quartiles;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      servers: { type: 'string', default: BESIDE_SERVERS.map(({ name }) => name).join(',') },
      loads: { type: 'string', default: LOADS.map(({ name }) => name).join(',') },
      rounds: { type: 'string', default: '10' },
      sample: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
    },
  });
  return {
    servers: chosen('server', values.servers, BESIDE_SERVERS),
    loads: chosen('load', values.loads, LOADS),
    rounds: count('--rounds', values.rounds),
    sampleMs: count('--sample', values.sample),
    seed: count('--seed', values.seed),
    json: values.json,
  };
}

async function idleCpuMs(pid: number, ms: number): Promise<number> {
  const { times } = await timedSlice(findProcessClock(), [pid], () => delay(ms));
  const [{ cpuUs } = NO_TIME] = times;
  return cpuUs / ms;
}

/** All rounds at one load: the servers run at once and take turns, in random order. */
async function measureLoad(
  load: BesideLoad,
  { servers, rounds, sampleMs }: Options,
  programs: Programs,
  random: Random,
): Promise<Round[]> {
  const found: Round[] = [];
  const running: BesideServer[] = [];
  try {
    for (const kind of servers) {
      const server = await BesideServer.start(kind, load, programs);
      running.push(server);
      await server.sample(load, WARM_UP_MS);
    }
    for (let round = 0; round < rounds; round++) {
      for (const server of random.shuffled([...running])) {
        const idle = load === 'idle' ? await idleCpuMs(server.pid, sampleMs) : null;
        const waits = Object.fromEntries(await server.sample(load, sampleMs));
        found.push({ load, server: server.name, round, waits, idleCpuMs: idle });
      }
    }
  } finally {
    for (const server of running) await server.stop();
  }
  return found;
}

function rowOf(wait: string, server: string, rounds: readonly Round[]): Row {
  const own = rounds.filter((one) => one.server === server);
  const beside = rounds.filter((one) => one.server === REFERENCE);
  const us = (which: keyof Waits, of: readonly Round[]): number[] =>
    of.map(({ waits }) => waits[wait]?.[which] ?? Number.NaN);
  const ratio = (which: keyof Waits): Quartiles => {
    const reference = us(which, beside);
    // Round by round: both had the same neighbours then.
    return quartiles(us(which, own).map((one, at) => one / (reference[at] ?? Number.NaN)));
  };
  return {
    wait,
    server,
    p50Us: quartiles(us('p50Us', own)),
    p50Ratio: ratio('p50Us'),
    p99Us: quartiles(us('p99Us', own)),
    p99Ratio: ratio('p99Us'),
  };
}

function rowsOf(rounds: readonly Round[]): Row[] {
  const names = [...new Set(rounds.map(({ server }) => server))];
  // In the order of the list, whatever order they took turns in.
  const servers = BESIDE_SERVERS.map(({ name }) => name).filter((name) => names.includes(name));
  const waits = Object.keys(rounds[0]?.waits ?? {});
  return waits.flatMap((wait) => servers.map((server) => rowOf(wait, server, rounds)));
}

function print(title: string, rounds: readonly Round[]): void {
  const rows = rowsOf(rounds);
  const head = ['', 'p50 us', `to ${REFERENCE}`, 'p99 us', `to ${REFERENCE}`];
  const cells = rows.map(({ wait, server, p50Us, p50Ratio, p99Us, p99Ratio }) => [
    `${wait}, ${server}`,
    spreadText(p50Us, 0),
    server === REFERENCE ? '1' : spreadText(p50Ratio, 2),
    spreadText(p99Us, 0),
    server === REFERENCE ? '1' : spreadText(p99Ratio, 2),
  ]);
  console.log(`\n${title}\n${benchTable(head, cells)}`);
  const idle = new Map<string, number[]>();
  for (const { server, idleCpuMs: ms } of rounds) {
    if (ms !== null) idle.set(server, [...(idle.get(server) ?? []), ms]);
  }
  if (idle.size === 0) return;
  const idleCells = [...idle].map(([server, ms]) => [server, spreadText(quartiles(ms), 2)]);
  console.log(`\n${benchTable(['without a request', 'CPU ms/s'], idleCells)}`);
}

async function run(options: Options): Promise<{ readonly rounds: readonly Round[] }> {
  const { rounds, sampleMs, seed } = options;
  console.log(`${rounds} rounds, samples of ${sampleMs} ms, seed ${seed}`);
  const programs = buildPrograms();
  const random = new Random(seed);
  const all: Round[] = [];
  for (const { name, title } of options.loads) {
    const found = await measureLoad(name, options, programs, random);
    print(title, found);
    all.push(...found);
  }
  return { rounds: all };
}

const options = readOptions();
const facts = await withFacts('beside-node', () => run(options));
if (facts !== undefined) {
  const { result, ...surroundings } = facts;
  writeJson(options.json, { ...surroundings, ...result });
}
