/** A small made-up result of the benchmark. */

import { cases } from '#bench/measure/cases.js';
import { type BenchmarkDocument, SCHEMA } from '#bench/measure/document.js';
import { type PeerResult, SLICE_COLUMNS } from '#bench/measure/results.js';

function resultOf(name: string, ratio: number): PeerResult {
  return {
    name,
    ratio: { lower: ratio - 0.01, median: ratio, upper: ratio + 0.02, count: 7 },
    cpuUsPerMessage: { lower: 6.9 * ratio, median: 7 * ratio, upper: 7.2 * ratio, count: 7 },
    userShare: 0.1,
    messagesPerSecond: { lower: 139_000, median: 140_000, upper: 141_000, count: 7 },
    busyShare: 0.98,
    waitedShare: 0.01,
    clientWaitedShare: 0.004,
    p50Us: 300,
    p99Us: 600,
    p999Us: 1200,
    callsPerMessage: 2.02,
  };
}

/** Two cases; `slow` has one of them, and a name that needs escapes. */
export function benchmarkFixture(): BenchmarkDocument {
  const slices = { 'c-epoll': [[1000, 120_000, 7000, 0, 1, 300, 600, 0]] };
  const three = [
    resultOf('c-epoll', 1),
    resultOf('c-epoll-again', 1.01),
    resultOf('sockloop-epoll', 0.95),
  ];
  return {
    schema: SCHEMA,
    command: 'node build/bench/benchmark.js --out-dir docs',
    seconds: 90,
    machine: {
      cpu: 'Some CPU',
      cores: 2,
      memoryGiB: 4,
      kernel: 'Linux 6.0',
      node: 'v20.19.0',
      at: '2026-01-02T03:04:05.000Z',
      loadAverage: [0, 0.5, 1],
    },
    wakeLatency: '/dev/cpu_dma_latency held at 0',
    stolenShare: 0.001,
    plan: { rounds: 7, sliceMs: 120, seed: 1 },
    callCounter: { reason: 'perf is not there' },
    servers: [
      { name: 'c-epoll', title: 'C, epoll', version: 'cc 12' },
      { name: 'c-epoll-again', title: 'C, epoll, again', version: 'the same program' },
      { name: 'sockloop-epoll', title: 'sockloop, epoll', version: '0.1.0' },
      { name: 'slow', title: 'Slow & <old>', version: '1' },
    ],
    missing: [{ name: 'gone', title: 'Gone', reason: 'no compiler\nfor it ' }],
    sliceColumns: SLICE_COLUMNS,
    cases: cases
      .filter(({ name }) => name === 'c50' || name === 'churn')
      .map((what) =>
        what.churn === true
          ? { case: what, results: [...three, resultOf('slow', 5)], missing: [], slices }
          : {
              case: what,
              results: three,
              missing: [{ name: 'slow', reason: 'only 1 of 50 connections echo' }],
              slices,
            },
      ),
    memory: [
      { name: 'c-epoll', freshBytes: 1.5 * 2 ** 20, bytesPerConnection: 0 },
      { name: 'sockloop-epoll', freshBytes: 57 * 2 ** 20, bytesPerConnection: 512 },
    ],
  };
}
