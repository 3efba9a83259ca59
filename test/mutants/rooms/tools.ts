import { type Room, suites } from './room.ts';

/** The load client and its measurements. */
export const toolRooms: readonly Room[] = [
  {
    name: 'load',
    paths: [
      'dist/tools/load/plan',
      'dist/tools/load/record',
      'dist/tools/load/result',
      'dist/tools/load/traffic',
      'dist/tools/load/datagrams/arrivals.js',
    ],
    suites: suites(
      'tools/load/record/recorder.test.js',
      'tools/load/record/collection.test.js',
      'tools/load/result/merge-figures.test.js',
      'tools/load/record/latency-counts.test.js',
      'tools/load/datagrams/arrivals.test.js',
      'tools/load/result/thresholds.test.js',
      'tools/load/result/verdict.test.js',
      'tools/load/result/verdict-edges.test.js',
      'tools/load/result/run-document.test.js',
      'tools/load/result/parse-document.test.js',
      'tools/load/result/merge.test.js',
      'tools/load/traffic/message-pool.test.js',
      'tools/load/traffic/pacer.test.js',
      'tools/load/traffic/schedule.test.js',
      'tools/load/plan.test.js',
      'sim/loop/load.test.js',
      'tools/cli/merge/merge.test.js',
      'tools/cli/load/flags.test.js',
    ),
  },
  {
    name: 'engine',
    paths: ['dist/tools/load/engine', 'dist/tools/load/datagrams'],
    suites: suites(
      'tools/load/datagrams/arrivals.test.js',
      'tools/load/datagrams/conditions.test.js',
      'tools/load/engine/parts.test.js',
      'tools/load/engine/connection-slot.test.js',
      'tools/load/result/verdict.test.js',
      'sim/loop/load.test.js',
      'tools/load/engine/local-end.test.js',
      'tools/load/engine/losses.test.js',
      'tools/load/engine/verify.test.js',
      'tools/load/engine/open-loop.test.js',
      'tools/cli/load/datagrams.test.js',
    ),
  },
  {
    name: 'measure',
    paths: ['dist/tools/measure'],
    suites: suites('tools/measure/measure.test.js', 'tools/compare/parts.test.js'),
  },
];
