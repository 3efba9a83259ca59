import { formatCount } from '#src/base/number-format.js';
import { ERROR_KINDS, type ErrorKind, type LoadDocument } from '../../load/document.ts';
import { formatEndpoint } from '../../load/plan/words.ts';
import { judge, parseThreshold, type Threshold } from '../../load/result/thresholds.ts';
import { loadSummary, type SummaryRole } from '../../report/text/load-summary.ts';
import { InvalidRunError, UsageError } from '../../terminal/exit.ts';
import { printOut } from '../../terminal/output.ts';
import { BOLD, CYAN, DIM, GREEN, paint, RED } from '../../terminal/style.ts';

/** Flags for the output of a document. */
export interface ResultFlags {
  readonly json?: true;
  readonly report?: string;
  readonly failIf?: readonly string[];
}

/** Width of the summary without a terminal, and its bounds. */
const WIDTH = 80;
const WIDTH_MAX = 120;
const WIDTH_MIN = 40;

const CODES: Readonly<Record<SummaryRole, number | null>> = {
  title: BOLD,
  label: DIM,
  figure: null,
  bar: CYAN,
  good: GREEN,
  bad: RED,
};

/** Hints for runs in which every message failed in this way. */
const HINTS: Readonly<Record<ErrorKind, string>> = {
  refused: 'connections were refused: does a server listen there?',
  unreachable: 'connections failed: is that the right host?',
  connectTimeout: 'connections were not accepted in time: does a server answer there?',
  reset: 'connections were reset while a reply was awaited',
  shortReply:
    'connections ended before the whole reply: if the server closes them itself, --mode once or ' +
    '--churn 1 is what it does',
  mismatch: 'replies were not what was sent: does the server echo, and is --mode what it does?',
  timeout: 'messages had no reply in time: does the server echo, and is --mode what it does?',
  resources:
    'connections found no descriptor or local port: are --source-addresses, if given, those of ' +
    'this machine?',
  lost: 'messages were lost with their connections',
  notClosed: 'connections were not closed by the server: is --mode, or --churn, what it does?',
};

/** The errors of connects. */
const CONNECTING: ReadonlySet<ErrorKind> = new Set([
  'refused',
  'unreachable',
  'connectTimeout',
  'resources',
]);

/** The conditions of `--fail-if`. */
export function parseConditions(texts: readonly string[] = []): Threshold[] {
  return texts.map((text) => {
    try {
      return parseThreshold(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError(`--fail-if: ${error.message}`);
    }
  });
}

/**
 * Prints the document or its summary, lets `write` write what goes to files, and throws an Error
 * where a condition holds or nothing was measured.
 */
export function tellResults(
  document: LoadDocument,
  { json, report }: ResultFlags,
  conditions: readonly Threshold[],
  write: () => void,
): void {
  const judged = conditions.map((condition) => ({ condition, ...judge(condition, document) }));
  const passed = judged.filter(({ holds }) => !holds);
  const failed = judged.filter(({ holds }) => holds);
  try {
    if (json === true) printOut(JSON.stringify(document));
    // Without a connection all figures are 0, and the error says why.
    else if (document.counts.connections > 0) printSummary(document, passed);
  } finally {
    // A reader that has gone, or a full disk, takes no more with it than it must.
    write();
  }
  if (report !== undefined && json !== true) printOut(`report: ${report}`);
  if (document.response.count === 0) throw new Error(whyNothing(document));
  if (failed.length === 0) return;
  const words = failed.map((each) => `--fail-if ${each.condition.text}: ${each.words}`).join('; ');
  // Whatever else holds, it holds of figures that say nothing: a script should measure again.
  const invalid = failed.some(({ condition }) => condition.metric.kind === 'invalid');
  throw invalid ? new InvalidRunError(words) : new Error(words);
}

function printSummary(
  document: LoadDocument,
  passed: readonly { readonly condition: Threshold; readonly words: string }[],
): void {
  for (const line of loadSummary(document, { width: terminalWidth(), paint: paintRole })) {
    printOut(line);
  }
  if (passed.length > 0) printOut('');
  for (const { condition, words } of passed) {
    printOut(`${paintRole('good', 'passed')} ${condition.text}: ${words}`);
  }
}

function whyNothing({ counts, plan, endedEarly }: LoadDocument): string {
  const where = `nothing was measured on ${formatEndpoint(plan.endpoint)}`;
  const [worst] = ERROR_KINDS.filter((kind) => counts.errors[kind] > 0).toSorted(
    (one, two) => counts.errors[two] - counts.errors[one],
  );
  const unconnected = counts.connections === 0 && (worst === undefined || !CONNECTING.has(worst));
  // The failed connects were those of the warm-up, which do not count.
  if (unconnected && !endedEarly)
    return `${where}: no connection was made: does a server listen there?`;
  if (worst !== undefined) return `${where}: ${formatCount(counts.errors[worst])} ${HINTS[worst]}`;
  return endedEarly ? `${where}: it was ended before the first message counted` : where;
}

export function terminalWidth(): number {
  const { columns } = process.stdout;
  // A terminal that does not know its size says 0.
  if (columns === undefined || columns === 0) return WIDTH;
  return Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, columns));
}

export function paintRole(role: SummaryRole, text: string): string {
  const code = CODES[role];
  return code === null ? text : paint(code, text);
}
