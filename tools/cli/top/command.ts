import type { Command } from 'commander';
import { UsageError } from '../../terminal/exit.ts';
import { parseDuration } from '../../terminal/flags.ts';

interface TopFlags {
  readonly metrics?: string;
  readonly interval: string;
  readonly once?: true;
}

/** Adds `sockloop top` to the program. */
export function addTop(program: Command): void {
  program
    .command('top')
    .description('watch a running server: connections, rates, queues, lag, by thread')
    .argument('[pid]', 'the process of a `sockloop serve --metrics ...` on this machine: Linux')
    .option('--metrics <url>', 'where a server has its metrics: URL, PORT or HOST:PORT')
    .option('--interval <time>', 'time between two looks: 2, 500ms', '1')
    .option('--once', 'print the figures of one interval and end')
    .addHelpText('after', EXAMPLES)
    .action((pid: string | undefined, flags: TopFlags) => top(pid, flags));
}

async function top(pid: string | undefined, flags: TopFlags): Promise<void> {
  const intervalMs = parseDuration(flags.interval, '--interval');
  const { metricsUrl, metricsUrlOf } = await import('./target.ts');
  const { runTop } = await import('./run.ts');
  const url =
    flags.metrics === undefined ? await metricsUrlOf(pidOf(pid)) : metricsUrl(flags.metrics);
  if (flags.metrics !== undefined && pid !== undefined) {
    throw new UsageError('top takes a process or --metrics, not both');
  }
  await runTop({ url, intervalMs, once: flags.once === true });
}

function pidOf(text: string | undefined): number {
  if (text === undefined) {
    throw new UsageError('top takes a process, or --metrics PORT of a server that has them');
  }
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (pid > 0) return pid;
  throw new UsageError(`top takes the number of a process, not "${text}"`);
}

const EXAMPLES = `
Examples:
  $ sockloop serve --threads 2 --metrics 9090 &
  $ sockloop top --metrics 9090
      redrawn each second; q ends it
  $ sockloop top --metrics 9090 --interval 10 >> server.log
      a line every ten seconds

Exit status: 0 ended; 1 the server does not answer; 2 wrong usage.`;
