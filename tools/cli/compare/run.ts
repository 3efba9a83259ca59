import { nativeSys } from 'sockloop/sys';
import type { CompareDocument } from '../../compare/document.ts';
import { type Comparison, comparisonOf } from '../../compare/plan.ts';
import { CompareRun } from '../../compare/run.ts';
import { documentOf } from '../../compare/run-document.ts';
import { together } from '../../compare/wording.ts';
import { Cleanup } from '../../measure/cleanup.ts';
import { findCores, sharedCores } from '../../measure/cores.ts';
import { holdWakeLatency } from '../../measure/wake-latency.ts';
import { compareReport } from '../../report/html/compare/report.ts';
import { compareSummary } from '../../report/text/compare-summary.ts';
import { printOut } from '../../terminal/output.ts';
import { standardErrorScreen } from '../../terminal/progress-screen.ts';
import { ResultFiles } from '../../terminal/result-files.ts';
import { onStopSignals, type StopSignal } from '../../terminal/stop-signals.ts';
import { commandLine } from '../command-line.ts';
import { type CompareFlags, reportPath, requestOf } from './flags.ts';
import { CompareProgressView } from './progress.ts';

/** The width of the table where that of the terminal is unknown, and its maximum. */
const WIDTH = 80;
const WIDTH_MAX = 100;

/** Measures and prints the results. Throws an Error where anything failed, even in part. */
export async function compare(flags: CompareFlags): Promise<void> {
  const comparison = comparisonOf(requestOf(flags));
  const path = reportPath(flags);
  using files = new ResultFiles();
  if (path !== null) files.open(path, '--report');
  const { document, failures } = await measure(comparison, files);
  const nothing = document.loops.every((loop) => !loop.available || loop.points.length === 0);
  if (path !== null && !nothing) files.write(path, compareReport(document));
  if (flags.json === true) printOut(JSON.stringify(document));
  else if (!nothing) {
    for (const line of compareSummary(document, terminalWidth())) printOut(line);
    if (path !== null) printOut(`report: ${path}`);
  }
  if (failures.length > 0) throw new Error(failures.join('; '));
  if (nothing) throw new Error('nothing was measured: it was ended before the first round');
}

interface Measured {
  readonly document: CompareDocument;
  /** What went wrong, in words. */
  readonly failures: readonly string[];
}

/** Measures to the end, or until a signal. */
async function measure(comparison: Comparison, files: ResultFiles): Promise<Measured> {
  const sys = nativeSys();
  const beginMs = sys.monotonicMs();
  const view = new CompareProgressView(standardErrorScreen());
  using cleanup = new Cleanup();
  const { threads } = comparison.plan;
  const cores = threads === 1 ? findCores() : sharedCores(threads);
  const run = new CompareRun(comparison, { cleanup, cores }, (now) => view.show(now));
  const latency = holdWakeLatency();
  const first = (signal: StopSignal): void => {
    run.stop();
    view.note(`${signal}: ending early; again: at once`);
  };
  const tidy = (): void => {
    view.clear();
    files[Symbol.dispose]();
    cleanup[Symbol.dispose]();
  };
  // Without a terminal there is no reader for the results of an early end.
  using _ = onStopSignals(first, {
    names: ['SIGINT', 'SIGTERM', 'SIGHUP'],
    atOnce: ['SIGHUP'],
    tidy,
  });
  try {
    const outcome = await run.run();
    const document = documentOf(comparison, outcome, {
      command: commandLine(process.argv.slice(2)),
      elapsedMs: sys.monotonicMs() - beginMs,
      remarks: [cores.words, ...(latency.held ? [] : [latency.state])],
    });
    const failures = [
      ...together(outcome.notStarted.map(({ name, reason }) => ({ name, words: reason }))).map(
        ({ names, words }) => `cannot start the server of ${names.join(', ')}: ${words}`,
      ),
      ...outcome.contenders.flatMap((contender) => contender.failures),
    ];
    return { document, failures };
  } finally {
    view.clear();
    latency.release();
  }
}

function terminalWidth(): number {
  const { columns } = process.stdout;
  // A terminal that does not know its size says 0.
  return columns === undefined || columns === 0 ? WIDTH : Math.min(WIDTH_MAX, columns);
}
