import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Random } from '#src/base/random.js';
import { findProcessClock } from '#tools/measure/process-clock.js';
import { median } from '#tools/measure/quartiles.js';
import type { Case } from './measure/cases.ts';
import { type Line, svgChart } from './measure/chart.ts';
import { type PeerMemory, runIdle } from './measure/idle-run.ts';
import { count, counts, words } from './measure/option-values.ts';
import { withFacts, writeJson } from './measure/report.ts';
import { Tally } from './measure/results.ts';
import {
  AGAIN,
  buildPrograms,
  type Contender,
  contenderOf,
  type Programs,
  REFERENCE,
} from './measure/servers.ts';
import { benchTable, percent } from './measure/text-table.ts';

// What idle connections cost: CPU per message beside more and more of them, and memory. See
// bench/README.md.
//
//   node build/bench/idle-cost.js [--servers epoll,poll,select] [--idle 100,1000,10000]
//     [--active 1,50] [--rounds 6] [--slice MS] [--memory-runs 3] [--seed N]
//     [--json FILE] [--svg FILE]

const BYTES = 64;
const WARM_UP_MS = 500;

type Options = ReturnType<typeof readOptions>;

interface Point {
  readonly name: string;
  readonly idle: number;
  readonly active: number;
  readonly cpuUsPerMessage: number;
  /** To the reference beside it, which holds as many idle connections. */
  readonly ratio: number;
  readonly messagesPerSecond: number;
  readonly waitedShare: number;
}

interface Memory {
  readonly name: string;
  readonly idle: number;
  /** One for each run. */
  readonly bytesPerConnection: number[];
}

interface Result {
  readonly points: Point[];
  readonly memory: Memory[];
  readonly missing: { readonly name: string; readonly idle: number; readonly reason: string }[];
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      servers: { type: 'string', default: 'epoll,poll,select' },
      idle: { type: 'string', default: '100,300,1000,3000,10000' },
      active: { type: 'string', default: '1,50' },
      rounds: { type: 'string', default: '6' },
      slice: { type: 'string', default: '150' },
      'memory-runs': { type: 'string', default: '3' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
      svg: { type: 'string' },
    },
  });
  return {
    servers: words(values.servers).filter((name) => name !== REFERENCE && name !== AGAIN),
    idle: counts('--idle', values.idle),
    active: counts('--active', values.active),
    rounds: count('--rounds', values.rounds),
    sliceMs: count('--slice', values.slice),
    memoryRuns: count('--memory-runs', values['memory-runs']),
    seed: count('--seed', values.seed),
    json: values.json,
    svg: values.svg,
  };
}

function caseOf(connections: number, idle: number): Case {
  const title = `${connections} connections beside ${idle} idle ones`;
  return {
    name: 'idle',
    title,
    short: `${idle} idle`,
    connections,
    bytes: BYTES,
    inFlight: 1,
    idle,
  };
}

/** How many idle connections a server is given where `idle` are asked for: select holds few. */
function heldBy(
  { connectionsMax = Number.POSITIVE_INFINITY }: Contender,
  idle: number,
  busy: number,
) {
  return Math.min(idle, connectionsMax - busy);
}

/** Measures all contenders beside each number of idle connections, every time on fresh servers. */
async function measureAll(programs: Programs, options: Options): Promise<Result> {
  const result: Result = { points: [], memory: [], missing: [] };
  const reference = contenderOf(REFERENCE, programs);
  const others = options.servers.map((spec) => contenderOf(spec, programs));
  const most = Math.max(...options.idle);
  const busiest = Math.max(...options.active);
  const plan = {
    sliceMs: options.sliceMs,
    random: new Random(options.seed),
    clock: findProcessClock(),
    counter: undefined,
    caseWarmUpMs: WARM_UP_MS,
  };
  const run = async (active: number, idle: number, rounds: number): Promise<void> => {
    const fitting = others.filter((one) =>
      options.idle.some((asked) => heldBy(one, asked, busiest) === idle),
    );
    const tally = new Tally(caseOf(active, idle));
    const memory = await runIdle([reference, ...fitting], tally, programs, { ...plan, rounds });
    const { results, missing } = tally.result();
    for (const { name, reason } of missing) result.missing.push({ name, idle, reason });
    if (rounds > 0) {
      for (const { name, cpuUsPerMessage, ratio, messagesPerSecond, waitedShare } of results) {
        result.points.push({
          name,
          idle,
          active,
          cpuUsPerMessage: cpuUsPerMessage.median,
          ratio: ratio.median,
          messagesPerSecond: messagesPerSecond.median,
          waitedShare,
        });
      }
    }
    const limitOf = (name: string): number =>
      heldBy(others.find((one) => one.name === name) ?? reference, most, busiest);
    noteMemory(
      result.memory,
      memory.filter(({ name }) => limitOf(name) === idle),
      idle,
    );
  };
  const held = [reference, ...others].flatMap((one) =>
    options.idle.map((idle) => heldBy(one, idle, busiest)),
  );
  for (const idle of [...new Set(held)].sort((a, b) => a - b)) {
    for (const active of options.active) await run(active, idle, options.rounds);
  }
  for (let made = options.active.length; made < options.memoryRuns; made++) {
    await run(busiest, most, 0);
  }
  return result;
}

function noteMemory(all: Memory[], memory: readonly PeerMemory[], idle: number): void {
  for (const { name, bytesPerConnection } of memory) {
    if (bytesPerConnection === null) continue;
    const known = all.find((one) => one.name === name);
    if (known === undefined) all.push({ name, idle, bytesPerConnection: [bytesPerConnection] });
    else known.bytesPerConnection.push(bytesPerConnection);
  }
}

function print({ points, memory, missing }: Result): void {
  const rows = points.map((point) => [
    point.name,
    point.active.toString(),
    point.idle.toString(),
    point.cpuUsPerMessage.toFixed(2),
    point.name === REFERENCE ? '1' : point.ratio.toFixed(3),
    Math.round(point.messagesPerSecond).toString(),
    percent(point.waitedShare, 1),
  ]);
  // Stable, so that the idle ones stay in order.
  rows.sort((a, b) => Number(a[1]) - Number(b[1]) || (a[0] ?? '').localeCompare(b[0] ?? ''));
  const head = ['server', 'active', 'idle', 'CPU us', 'ratio', 'msg/s', 'waited'];
  console.log(`\n${benchTable(head, rows)}`);
  console.log('\nevery idle connection has echoed a message, each byte checked\n');
  const kib = (bytes: number): string => (bytes / 1024).toFixed(2);
  const memoryRows = memory.map(({ name, idle, bytesPerConnection }) => [
    name,
    idle.toString(),
    kib(median(bytesPerConnection)),
    `${kib(Math.min(...bytesPerConnection))} to ${kib(Math.max(...bytesPerConnection))}`,
  ]);
  console.log(benchTable(['server', 'idle', 'KiB each', 'lowest to highest'], memoryRows));
  for (const { name, idle, reason } of missing) {
    console.log(`  ${name} is missing at ${idle} idle connections: ${reason}`);
  }
}

function chartOf({ points }: Result): string {
  const names = [...new Set(points.map(({ name }) => name))];
  const actives = [...new Set(points.map(({ active }) => active))];
  const lines: Line[] = names.flatMap((name, colour) =>
    actives.map((active, i) => ({
      name: `${name}, ${active} active`,
      points: points
        .filter((point) => point.name === name && point.active === active)
        .map(({ idle, cpuUsPerMessage }) => ({ x: idle, y: cpuUsPerMessage })),
      dashed: i > 0,
      colour,
    })),
  );
  return svgChart({
    title: 'What a message costs beside idle connections',
    xLabel: 'idle connections',
    yLabel: 'server CPU per message (us)',
    lines,
  });
}

async function run(options: Options): Promise<Result> {
  const { rounds, sliceMs, seed } = options;
  console.log(
    `${rounds} rounds, slices of ${sliceMs} ms, seed ${seed}, messages of ${BYTES} bytes`,
  );
  const result = await measureAll(buildPrograms(), options);
  print(result);
  if (options.svg !== undefined) writeFileSync(options.svg, chartOf(result));
  return result;
}

const options = readOptions();
const facts = await withFacts('idle-cost', () => run(options));
if (facts !== undefined) {
  const { result, ...surroundings } = facts;
  writeJson(options.json, { ...surroundings, ...result });
}
