import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Random } from '#src/base/random.js';
import { type Line, svgChart } from './measure/chart.ts';
import { idleMemory } from './measure/idle-memory.ts';
import { LoadClient } from './measure/load-client.ts';
import { positive, positives, words } from './measure/option-values.ts';
import { withFacts, writeJson } from './measure/report.ts';
import {
  AGAIN,
  buildPrograms,
  entrantOf,
  type Programs,
  REFERENCE,
  type Server,
  specName,
  startServer,
} from './measure/servers.ts';
import { measure, nsPerMessage, type Subject } from './measure/slices.ts';
import { median } from './measure/statistics.ts';
import { percent, textTable } from './measure/text-table.ts';

// What idle connections cost: CPU per message beside more and more of them, and memory. See
// bench/README.md.
//
//   node build/bench/idle-cost.js [--servers epoll,poll,select] [--idle 100,1000,10000]
//     [--active 1,50] [--rounds 6] [--slice MS] [--memory-runs 3] [--seed N]
//     [--json FILE] [--svg FILE]

const BYTES = 64;
/** The port range ends at 28,000 connections to one address; spread, there is room for more. */
const SOURCES = 8;
/** Sockets that select cannot hold are refused, so it gets what fits below FD_SETSIZE. */
const SELECT_IDLE_MAX = 900;
const WARM_UP_MS = 1000;

interface Options {
  readonly servers: readonly string[];
  readonly idle: readonly number[];
  readonly active: readonly number[];
  readonly rounds: number;
  readonly sliceMs: number;
  readonly memoryRuns: number;
  readonly seed: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
}

/** A server with its busy clients, one of each size, and with what holds idle connections to it. */
interface Contender {
  readonly server: Server;
  readonly active: readonly LoadClient[];
  readonly holders: LoadClient[];
  idle: number;
}

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
  /** One for each run: see {@link idleMemory}. */
  readonly bytesPerConnection: readonly number[];
}

interface Result {
  readonly points: Point[];
  readonly memory: Memory[];
  readonly missing: { readonly name: string; readonly idle: number; readonly reason: string }[];
}

function readOptions(): Options {
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
    idle: positives(values.idle).sort((a, b) => a - b),
    active: positives(values.active),
    rounds: positive(values.rounds),
    sliceMs: positive(values.slice),
    memoryRuns: positive(values['memory-runs']),
    seed: positive(values.seed),
    json: values.json,
    svg: values.svg,
  };
}

async function enter(spec: string, programs: Programs, options: Options): Promise<Contender> {
  const server = await startServer(entrantOf(spec, programs));
  const active: LoadClient[] = [];
  try {
    for (const connections of options.active) {
      const shape = { connections, bytes: BYTES, inFlight: 1, sources: 0 };
      const client = await LoadClient.connect(programs.load, server.port, shape);
      active.push(client);
      await client.verify();
      await client.run(WARM_UP_MS);
    }
    return { server, active, holders: [], idle: 0 };
  } catch (error) {
    for (const client of active) await client.stop();
    await server.stop();
    throw error;
  }
}

/** How many of `idle` connections a server can hold. */
function idleOf(name: string, idle: number): number {
  return name === 'select' ? Math.min(idle, SELECT_IDLE_MAX) : idle;
}

/** Adds idle connections up to `idle`, and has all of them echo. */
async function hold(contender: Contender, idle: number, programs: Programs): Promise<void> {
  const limit = idleOf(contender.server.name, idle);
  const connections = limit - contender.idle;
  if (connections > 0) {
    const shape = { connections, bytes: BYTES, inFlight: 1, sources: SOURCES };
    const { port } = contender.server;
    contender.holders.push(await LoadClient.connect(programs.load, port, shape));
    contender.idle = limit;
  }
  for (const holder of contender.holders) await holder.verify();
}

async function leave({ server, active, holders }: Contender): Promise<void> {
  for (const client of [...active, ...holders]) await client.stop();
  await server.stop();
}

async function measureAt(contenders: readonly Contender[], options: Options): Promise<Point[]> {
  const points: Point[] = [];
  const { rounds, sliceMs } = options;
  for (const [i, active] of options.active.entries()) {
    const subjects = contenders.flatMap(({ server, active: clients }) => {
      const client = clients[i];
      return client === undefined ? [] : [{ server, client }];
    });
    const [reference, ...others] = subjects;
    if (reference === undefined) continue;
    const random = new Random(options.seed);
    const failed = (_: Subject, error: unknown): never => {
      throw error;
    };
    const slices = await measure(reference, others, { rounds, sliceMs, random, failed });
    for (const { server, idle } of contenders) {
      const mine = slices.filter(({ name }) => name === server.name);
      points.push({
        name: server.name,
        idle,
        active,
        cpuUsPerMessage: median(mine.map((slice) => nsPerMessage(slice) / 1000)),
        ratio: median(mine.map(({ ratio }) => ratio)),
        messagesPerSecond: median(mine.map(({ messages, seconds }) => messages / seconds)),
        waitedShare: median(mine.map(({ waitedNs, seconds }) => waitedNs / 1e9 / seconds)),
      });
    }
  }
  return points;
}

/** Gives all contenders that many idle connections, lets go who cannot, measures the others. */
async function stage(
  idle: number,
  contenders: Contender[],
  programs: Programs,
  options: Options,
  result: Result,
): Promise<void> {
  for (const contender of [...contenders]) {
    const { name } = contender.server;
    try {
      await hold(contender, idle, programs);
    } catch (error) {
      // Nothing can be compared with a reference that has gone.
      if (name === REFERENCE) throw error;
      result.missing.push({ name, idle, reason: messageOf(error) });
      contenders.splice(contenders.indexOf(contender), 1);
      await leave(contender);
    }
  }
  const isNew = ({ server, idle: held }: Contender): boolean =>
    !result.points.some((point) => point.name === server.name && point.idle === held);
  result.points.push(...(await measureAt(contenders.filter(isNew), options)));
}

async function measureMemory(programs: Programs, options: Options, result: Result): Promise<void> {
  for (const spec of [REFERENCE, ...options.servers]) {
    const name = specName(spec);
    if (result.missing.some((entry) => entry.name === name)) continue;
    const idle = idleOf(name, options.idle.at(-1) ?? 0);
    const bytesPerConnection: number[] = [];
    try {
      for (let run = 0; run < options.memoryRuns; run++) {
        bytesPerConnection.push(await idleMemory(spec, programs, idle, SOURCES));
      }
      result.memory.push({ name, idle, bytesPerConnection });
    } catch (error) {
      result.missing.push({ name, idle, reason: messageOf(error) });
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
  console.log(`\n${textTable(head, rows)}`);
  console.log('\nevery idle connection has echoed a message, each byte checked\n');
  const kib = (bytes: number): string => (bytes / 1024).toFixed(2);
  const memoryRows = memory.map(({ name, idle, bytesPerConnection }) => [
    name,
    idle.toString(),
    kib(median(bytesPerConnection)),
    `${kib(Math.min(...bytesPerConnection))} to ${kib(Math.max(...bytesPerConnection))}`,
  ]);
  console.log(textTable(['server', 'idle', 'KiB each', 'lowest to highest'], memoryRows));
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
  const result: Result = { points: [], memory: [], missing: [] };
  const programs = buildPrograms();
  const contenders: Contender[] = [];
  const { rounds, sliceMs, seed } = options;
  console.log(
    `${rounds} rounds, slices of ${sliceMs} ms, seed ${seed}, messages of ${BYTES} bytes`,
  );
  try {
    for (const spec of [REFERENCE, ...options.servers]) {
      try {
        contenders.push(await enter(spec, programs, options));
      } catch (error) {
        if (spec === REFERENCE) throw error;
        result.missing.push({ name: specName(spec), idle: 0, reason: messageOf(error) });
      }
    }
    for (const idle of options.idle) await stage(idle, contenders, programs, options, result);
  } finally {
    for (const contender of contenders) await leave(contender);
  }
  await measureMemory(programs, options, result);
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
