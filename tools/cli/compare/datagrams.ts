import type { Command } from 'commander';
import { formatTime } from '#src/base/number-format.js';
import {
  compareDatagrams,
  type DatagramComparison,
  type DatagramRequest,
} from '../../compare/datagrams.ts';
import { COMPARED_LOOPS, type ComparedName, reasonWithout } from '../../compare/plan.ts';
import { PROBE_BYTES_MAX, PROBE_BYTES_MIN } from '../../load/datagrams/probe.ts';
import { PIPELINE_MAX } from '../../load/limits.ts';
import { Cleanup } from '../../measure/cleanup.ts';
import { holdWakeLatency } from '../../measure/wake-latency.ts';
import { textTable } from '../../report/text/table.ts';
import { UsageError } from '../../terminal/exit.ts';
import { printOut } from '../../terminal/output.ts';
import { type ProgressScreen, standardErrorScreen } from '../../terminal/progress-screen.ts';
import { onStopSignals } from '../../terminal/stop-signals.ts';
import { type CompareFlags, countsOf, requestOf } from './flags.ts';

/** One at a time, and as many as keep a server busy. */
const WINDOWS = '1,64';

/** The rounds of other loads are longer: each slice ends when its last datagram is back. */
const REFUSED = ['idle', 'threads', 'report'] as const;

/** Compares the loops under datagrams. Throws an Error where one of them cannot be measured. */
export async function compareUdp(flags: CompareFlags, command: Command): Promise<void> {
  for (const name of REFUSED) {
    if (command.getOptionValueSource(name) !== 'cli') continue;
    throw new UsageError(`--${name} is for connections, which --udp has not`);
  }
  const comparison = await measured(datagramRequestOf(flags, command));
  if (flags.json === true) printOut(JSON.stringify(comparison));
  else for (const line of summaryOf(comparison)) printOut(line);
}

/** Shows how far it is as long as it lasts. */
async function measured(request: DatagramRequest): Promise<DatagramComparison> {
  const screen = standardErrorScreen();
  using cleanup = new Cleanup();
  const latency = holdWakeLatency();
  const stop = (): void => {
    progress(screen, '');
    cleanup[Symbol.dispose]();
  };
  using _ = onStopSignals(stop, { atOnce: ['SIGINT', 'SIGTERM'] });
  try {
    return await compareDatagrams(request, cleanup, (words) => progress(screen, words));
  } finally {
    progress(screen, '');
    latency.release();
  }
}

function datagramRequestOf(flags: CompareFlags, command: Command): DatagramRequest {
  const { loops, messageBytes, durationMs, rounds, seed } = requestOf(flags);
  if (messageBytes < PROBE_BYTES_MIN || messageBytes > PROBE_BYTES_MAX) {
    throw new UsageError(`--size takes ${PROBE_BYTES_MIN} to ${PROBE_BYTES_MAX} bytes with --udp`);
  }
  const given = command.getOptionValueSource('connections') === 'cli';
  const windows = countsOf(given ? flags.connections : WINDOWS, 1, '--connections');
  const tooMany = windows.find((count) => count > PIPELINE_MAX);
  if (tooMany !== undefined) {
    throw new UsageError(`--connections takes up to ${PIPELINE_MAX} under way, not ${tooMany}`);
  }
  return { loops: comparedLoops(loops), windows, bytes: messageBytes, durationMs, rounds, seed };
}

/** A line that is written anew; nothing where there is no terminal to do that. */
function progress({ terminal, write, columns }: ProgressScreen, words: string): void {
  if (terminal) write(`\r${words.slice(0, columns() - 1)}\u001b[K`);
}

/** Those of this machine, or those that are named. Throws where one of these is missing. */
function comparedLoops(names: readonly ComparedName[] | null): ComparedName[] {
  if (names?.includes('threads') === true) {
    throw new UsageError('--loops: threads has a thread for each connection, and --udp has none');
  }
  if (names === null) {
    return COMPARED_LOOPS.filter((name) => name !== 'threads' && reasonWithout(name) === null);
  }
  for (const name of names) {
    const reason = reasonWithout(name);
    if (reason !== null) throw new Error(`cannot use the loop ${name}: ${reason}`);
  }
  return [...names];
}

const COLUMNS = ['under way', 'loop', 'datagrams/s', 'CPU us', 'p50', 'p99', 'lost'].map(
  (title, at) => ({ title, align: at === 1 ? ('left' as const) : ('right' as const) }),
);

function summaryOf({ points, words, request }: DatagramComparison): string[] {
  const rows = request.windows.flatMap((window) =>
    points
      .filter((point) => point.window === window)
      .toSorted((a, b) => a.cpuUs.median - b.cpuUs.median)
      .map((point, at) => [
        at === 0 ? String(window) : '',
        point.loop,
        Math.round(point.perSecond).toLocaleString('en'),
        point.cpuUs.median.toFixed(2),
        formatTime(point.p50Us),
        formatTime(point.p99Us),
        String(point.lost),
      ]),
  );
  return [...textTable(COLUMNS, rows, Number.POSITIVE_INFINITY), '', words];
}
