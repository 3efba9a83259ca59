import { nativeSys } from 'sockloop/sys';
import { backends } from '#src/loop/backends.js';
import type { LoadDocument } from '../../load/document.ts';
import { type LoadProgress, type LoadRun, startLoad } from '../../load/engine/run.ts';
import type { LoadPlan } from '../../load/plan.ts';
import { hdrLog } from '../../load/record/hdr-log.ts';
import { loadReport } from '../../report/html/load/report.ts';
import { standardErrorScreen } from '../../terminal/progress-screen.ts';
import { ResultFiles } from '../../terminal/result-files.ts';
import { onStopSignals, type StopSignal } from '../../terminal/stop-signals.ts';
import { reportFallback } from '../fallback.ts';
import type { LoadFlags } from './flags.ts';
import { planOf } from './plan.ts';
import { ProgressView } from './progress.ts';
import { parseConditions, tellResults } from './results.ts';

/** Runs the load and prints the results. Throws an Error if it failed or a condition holds. */
export async function load(words: readonly string[], flags: LoadFlags): Promise<void> {
  const plan = planOf(words, flags, Date.now());
  const conditions = parseConditions(flags.failIf);
  refuseMissingLoop(plan);
  using files = new ResultFiles();
  if (flags.report !== undefined) files.open(flags.report, '--report');
  if (flags.hdr !== undefined) files.open(flags.hdr, '--hdr');
  const { document, intervalHistograms } = await measure(plan, files);
  tellResults(document, flags, conditions, () => {
    if (flags.hdr !== undefined) {
      files.write(flags.hdr, hdrLog(intervalHistograms, document.startedAt));
    }
    if (flags.report !== undefined) files.write(flags.report, loadReport(document));
  });
}

/** Throws an Error where this machine does not have the loop. */
function refuseMissingLoop({ loop }: LoadPlan): void {
  const available = backends.find(({ name }) => name === loop)?.available(nativeSys()) ?? true;
  if (available !== true) throw new Error(`cannot use the loop ${loop}: ${available.reason}`);
}

/** Starts a run. Throws an Error that says why this machine cannot have it. */
function begin(plan: LoadPlan, progress: (now: LoadProgress) => void): LoadRun {
  try {
    return startLoad(plan, { progress });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error(error.message);
  }
}

interface Measured {
  readonly document: LoadDocument;
  readonly intervalHistograms: LoadRun['intervalHistograms'];
}

/** Runs a plan to its end or until a signal. */
async function measure(plan: LoadPlan, files: ResultFiles): Promise<Measured> {
  const view = new ProgressView(standardErrorScreen(), plan.startAtMs);
  let met = false;
  const run = begin(plan, (now) => {
    view.show(now);
    met ||= now.connections > 0 || now.messages > 0;
    // No server: say so now instead of at the end of a long run.
    if (!met && now.phase === 'measuring' && now.errors > 0) run.stop();
  });
  const first = (signal: StopSignal): void => {
    run.stop();
    view.note(`${signal}: ending; again to end at once`);
  };
  const tidy = (): void => {
    view.clear();
    files[Symbol.dispose]();
  };
  using _ = onStopSignals(first, { tidy });
  try {
    const document = await run.done;
    if (run.fallback !== null) reportFallback(run.fallback.missing, run.fallback.loop);
    return { document, intervalHistograms: run.intervalHistograms };
  } finally {
    view.clear();
  }
}
