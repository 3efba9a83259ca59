import { END_REASONS, type ServerFigures } from '../echo/figures.ts';
import type { ProcessUse } from '../measure/own-process.ts';
import { type CumulativeCounts, Exposition } from './exposition.ts';

/** A server, to be shown. */
export interface ServerFacts {
  readonly version: string;
  readonly loop: string;
  readonly mode: string;
  readonly draining: boolean;
  /** By thread; null for one that has not answered yet. */
  readonly threads: readonly (ServerFigures | null)[];
}

type Type = 'counter' | 'gauge';

/** What is shown of each thread. */
const THREAD_METRICS: readonly (readonly [
  type: Type,
  name: string,
  help: string,
  value: (figures: ServerFigures) => number | undefined,
])[] = [
  ['gauge', 'connections_open', 'Connections that are open.', ({ open }) => open],
  [
    'counter',
    'connections_accepted_total',
    'Connections that were accepted.',
    ({ accepted }) => accepted,
  ],
  [
    'counter',
    'connections_shed_total',
    'Connections that were turned away for lack of a descriptor.',
    ({ shed }) => shed,
  ],
  [
    'counter',
    'accept_exhausted_total',
    'How many times descriptors or memory ran out.',
    ({ exhausted }) => exhausted,
  ],
  [
    'counter',
    'received_bytes_total',
    'Bytes received from clients.',
    ({ receivedBytes }) => receivedBytes,
  ],
  [
    'counter',
    'sent_bytes_total',
    'Bytes to clients that the kernel has taken.',
    ({ sentBytes }) => sentBytes,
  ],
  [
    'gauge',
    'queued_bytes',
    'Bytes to clients that wait for room in the kernel.',
    ({ loop }) => loop?.queuedBytes,
  ],
  ['counter', 'loop_turns_total', 'Turns of the loop.', ({ loop }) => loop?.turns],
  ['counter', 'loop_waits_total', 'Waits in the kernel.', ({ loop }) => loop?.waits],
  [
    'counter',
    'loop_reports_total',
    'What the kernel has reported: connections, bytes, room.',
    ({ loop }) => loop?.reports,
  ],
  [
    'counter',
    'loop_partial_sends_total',
    'Sends that the kernel took a part of.',
    ({ loop }) => loop?.partialSends,
  ],
];

/** The metrics of a server and its process, in the text format of Prometheus. */
export function serverMetrics(server: ServerFacts, use: ProcessUse): string {
  const page = new Exposition();
  const { version, loop, mode, draining, threads } = server;
  page.metric('gauge', 'sockloop_info', 'The server that tells this.');
  page.sample('sockloop_info', { version, loop, mode }, 1);
  page.metric('gauge', 'sockloop_threads', 'Threads that serve, each with a loop.');
  page.sample('sockloop_threads', {}, threads.length);
  page.metric('gauge', 'sockloop_draining', '1 while the last connections end.');
  page.sample('sockloop_draining', {}, draining ? 1 : 0);
  for (const [type, name, help, value] of THREAD_METRICS) {
    page.metric(type, `sockloop_${name}`, help);
    for (const [thread, figures] of threads.entries()) {
      const sample = figures === null ? undefined : value(figures);
      if (sample !== undefined) page.sample(`sockloop_${name}`, { thread }, sample);
    }
  }
  addEnds(page, threads);
  addLag(page, threads);
  addProcess(page, use);
  return page.text;
}

function addEnds(page: Exposition, threads: ServerFacts['threads']): void {
  const name = 'sockloop_connections_closed_total';
  page.metric('counter', name, 'Connections that have ended, by why.');
  for (const [thread, figures] of threads.entries()) {
    if (figures === null) continue;
    for (const reason of END_REASONS) page.sample(name, { thread, reason }, figures.ended[reason]);
  }
}

function addLag(page: Exposition, threads: ServerFacts['threads']): void {
  const name = 'sockloop_loop_lag_seconds';
  page.metric('histogram', name, 'How late callbacks of the thread are, measured every 50 ms.');
  for (const [thread, figures] of threads.entries()) {
    const lag = figures?.loop?.lag ?? null;
    if (lag === null) continue;
    const counts: CumulativeCounts = {
      count: lag.count,
      sum: lag.sumUs / 1e6,
      atMost: lag.atMost.map(({ us, count }) => ({ limit: us / 1e6, count })),
    };
    page.counts(name, { thread }, counts);
  }
}

function addProcess(page: Exposition, use: ProcessUse): void {
  const add = (type: Type, name: string, help: string, value: number | null): void => {
    if (value === null) return;
    page.metric(type, name, help);
    page.sample(name, {}, value);
  };
  add('counter', 'process_cpu_seconds_total', 'CPU time of all threads.', use.cpuSeconds);
  add('gauge', 'process_resident_memory_bytes', 'Resident memory.', use.residentBytes);
  add('gauge', 'process_open_fds', 'Open descriptors.', use.openDescriptors);
  add('gauge', 'process_max_fds', 'The most descriptors.', use.descriptorsMax);
  add('gauge', 'process_start_time_seconds', 'Start, in seconds of 1970.', use.startSeconds);
}
