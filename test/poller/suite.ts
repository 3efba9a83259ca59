/** One suite for every poller, and the matrix of its results. */

import { describe, test } from 'node:test';
import { burdenCases } from './cases/burden.ts';
import { edgeCases } from './cases/edges.ts';
import { lifeCases } from './cases/life.ts';
import { readinessCases } from './cases/readiness.ts';
import { registrationCases } from './cases/registration.ts';
import { reportingCases } from './cases/reporting.ts';
import { tableCases } from './cases/table.ts';
import { wakingCases } from './cases/waking.ts';
import type { PollerTarget } from './environment.ts';
import { Fixture } from './fixture.ts';

/** Why a case cannot run. */
export interface Skip {
  readonly skip: string;
}

/** One property of every poller. */
export interface PollerCase {
  /** The property, as a sentence. */
  readonly name: string;
  /** Runs it. Returns the reason if this target cannot. */
  run(fixture: Fixture): Skip | undefined;
}

/** How a case ended on a target. */
type Verdict = 'pass' | 'fail' | Skip;

/** One cell of the matrix. */
export interface PollerVerdict {
  readonly target: string;
  readonly case: string;
  readonly verdict: Verdict;
}

const pollerCases: readonly PollerCase[] = [
  ...registrationCases,
  ...tableCases,
  ...lifeCases,
  ...readinessCases,
  ...reportingCases,
  ...edgeCases,
  ...wakingCases,
  ...burdenCases,
];

const verdicts: PollerVerdict[] = [];

/** The whole suite over one poller. */
export function describePoller(target: PollerTarget): void {
  const { name, available, wakingOnly } = target;
  const cases = wakingOnly ? wakingCases : pollerCases;
  const note = (caseName: string, verdict: Verdict): void => {
    verdicts.push({ target: name, case: caseName, verdict });
  };
  describe(`poller: ${name}`, () => {
    if (available !== true) {
      const skip = available.reason;
      test(`${name}: all cases`, { skip }, () => undefined);
      for (const { name: caseName } of cases) note(caseName, { skip });
      return;
    }
    for (const { name: caseName, run } of cases) {
      const skip = skipReason(target, caseName);
      if (skip !== undefined) {
        test(`${name}: ${caseName}`, { skip }, () => undefined);
        note(caseName, { skip });
        continue;
      }
      test(`${name}: ${caseName}`, (t) => {
        let verdict: Verdict = 'fail';
        try {
          const fixture = new Fixture(target, target.open(t));
          try {
            verdict = run(fixture) ?? 'pass';
          } finally {
            fixture.close();
          }
        } finally {
          note(caseName, verdict);
        }
        if (typeof verdict === 'object') t.skip(verdict.skip);
      });
    }
  });
}

function skipReason({ skips }: PollerTarget, caseName: string): string | undefined {
  for (const [beginning, reason] of skips) if (caseName.startsWith(beginning)) return reason;
  return undefined;
}

/** The matrix as text: a line for each case, a column for each target, then the reasons. */
export function formatMatrix(cells: readonly PollerVerdict[] = verdicts): string {
  const targets = [...new Set(cells.map((cell) => cell.target))];
  const reasons: string[] = [];
  const cellText = (caseName: string, target: string): string => {
    const cell = cells.find((each) => each.case === caseName && each.target === target);
    if (cell === undefined) return '';
    if (typeof cell.verdict === 'string') return cell.verdict;
    if (!reasons.includes(cell.verdict.skip)) reasons.push(cell.verdict.skip);
    return `skip ${reasons.indexOf(cell.verdict.skip) + 1}`;
  };
  const names = [...new Set(cells.map((cell) => cell.case))];
  return [
    `| case | ${targets.join(' | ')} |`,
    `| --- |${' --- |'.repeat(targets.length)}`,
    ...names.map((name) => `| ${[name, ...targets.map((of) => cellText(name, of))].join(' | ')} |`),
    '',
    ...reasons.map((reason, index) => `skip ${index + 1}: ${reason}`),
  ].join('\n');
}
