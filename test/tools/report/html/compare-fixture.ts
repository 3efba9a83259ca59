/** A made-up comparison, with loops that are ahead, behind and missing. */

import { Random } from '#src/base/random.js';
import type {
  CompareDocument,
  CompareFigures,
  ComparePoint,
  MeasuredLoop,
} from '#tools/compare/document.js';
import { quartiles } from '#tools/measure/quartiles.js';

const ROUNDS = 7;
const CONNECTIONS = [1, 50, 1000];
const IDLE = [100, 300, 1000, 3000, 10_000];
const BESIDE_IDLE = 50;
const SELECT_MAX = 1000;

/** What a loop costs for a message, in microseconds: always, per wait, and per open connection. */
interface Costs {
  readonly fixed: number;
  readonly wait: number;
  readonly each: number;
}

const COSTS: Readonly<Record<string, Costs>> = {
  io_uring: { fixed: 4.6, wait: 6.4, each: 0 },
  epoll: { fixed: 5.3, wait: 5.8, each: 0 },
  poll: { fixed: 5.5, wait: 6, each: 0.19 },
  select: { fixed: 5.6, wait: 6.2, each: 0.2 },
};

export function compareFixture(): CompareDocument {
  const random = new Random(11);
  const loops = Object.entries(COSTS).map(([name, costs]) => measured(name, costs, random));
  return {
    schema: 'sockloop-compare/1',
    machine: {
      hostname: 'bench-1',
      cpu: 'AMD EPYC 9R14',
      cores: 8,
      kernel: 'Linux 6.18.5',
      node: 'v22.14.0',
      sockloop: '0.1.0',
    },
    startedAt: '2026-01-31T12:00:05.250Z',
    elapsedMs: 91_250,
    command: 'sockloop compare --connections 1,50,1000 --idle 100,300,1000,3000,10000',
    plan: {
      durationMs: 250,
      warmupMs: 1000,
      rounds: ROUNDS,
      threads: 1,
      connections: CONNECTIONS,
      idleConnections: IDLE,
      besideIdle: BESIDE_IDLE,
      messageBytes: 64,
      seed: 1,
    },
    loops: [
      ...loops,
      { name: 'kqueue', available: false, reason: 'libkqueue.so.0 is not installed' },
      { name: 'blocking', available: false, reason: 'serves one connection at a time' },
    ],
    winner: {
      loop: 'io_uring',
      over: 'epoll',
      connections: BESIDE_IDLE,
      idleConnections: 10_000,
      marginPercent: 11.4375,
      spreadPercent: 1.8125,
      words:
        'At 10,050 connections io_uring spends 11.4 % less CPU on a message than epoll; the ' +
        'rounds of each lie within 1.8 %.',
    },
    remarks: ['servers on core 0, client on core 1'],
  };
}

function measured(name: string, costs: Costs, random: Random): MeasuredLoop {
  const loadPoints = [
    ...CONNECTIONS.map((connections) => ({ connections, idleConnections: 0 })),
    ...IDLE.map((idleConnections) => ({ connections: BESIDE_IDLE, idleConnections })),
  ].sort((a, b) => a.connections - b.connections || a.idleConnections - b.idleConnections);
  const fits = ({ connections, idleConnections }: (typeof loadPoints)[number]): boolean =>
    name !== 'select' || connections + idleConnections <= SELECT_MAX;
  return {
    name,
    available: true,
    points: loadPoints.filter(fits).map((loadPoint) => {
      const open = loadPoint.connections + loadPoint.idleConnections;
      const cpuUs = costs.fixed + (costs.wait + costs.each * open) / loadPoint.connections ** 0.8;
      return pointOf(loadPoint, cpuUs, random);
    }),
    missing: loadPoints
      .filter((loadPoint) => !fits(loadPoint))
      .map((loadPoint) => ({ ...loadPoint, reason: 'select(2) holds no descriptor above 1023' })),
    memoryKibPerConnection: name === 'select' ? null : 0.5 + random.fraction() * 0.2,
  };
}

function pointOf(
  loadPoint: Pick<ComparePoint, 'connections' | 'idleConnections'>,
  cpuUs: number,
  random: Random,
): ComparePoint {
  const rounds = Array.from({ length: ROUNDS }, () => figuresAt(loadPoint, cpuUs, random));
  const each = (part: 'median' | 'lower' | 'upper'): CompareFigures => {
    const of = (name: keyof CompareFigures): number =>
      quartiles(rounds.map((figures) => figures[name]))[part];
    return {
      messagesPerSecond: of('messagesPerSecond'),
      cpuUsPerMessage: of('cpuUsPerMessage'),
      userUs: of('userUs'),
      systemUs: of('systemUs'),
      p50Us: of('p50Us'),
      p99Us: of('p99Us'),
    };
  };
  return {
    ...loadPoint,
    rounds,
    median: each('median'),
    lower: each('lower'),
    upper: each('upper'),
    callsPerMessage: loadPoint.connections === 1 ? 3.02 : 2.03,
  };
}

function figuresAt(
  { connections }: Pick<ComparePoint, 'connections'>,
  cpuUs: number,
  random: Random,
): CompareFigures {
  const cpuUsPerMessage = cpuUs * (1 + (random.fraction() - 0.5) * 0.06);
  const userUs = cpuUsPerMessage * (0.3 + random.fraction() * 0.03);
  const messagesPerSecond = 0.92e6 / cpuUsPerMessage;
  const p50Us = Math.max(28, (connections / messagesPerSecond) * 1e6);
  return {
    messagesPerSecond,
    cpuUsPerMessage,
    userUs,
    systemUs: cpuUsPerMessage - userUs,
    p50Us,
    p99Us: p50Us * (1.7 + random.fraction() * 0.3),
  };
}
