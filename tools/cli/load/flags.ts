import type { Command } from 'commander';
import { FLAG_GROUPS } from '../../load/plan/field.ts';
import { PLAN_ROWS, type PlanFlags } from '../../load/plan/table.ts';
import type { ResultFlags } from './results.ts';

/** The flags of `sockloop load`, as they are written. */
export interface LoadFlags extends PlanFlags, ResultFlags {
  readonly hdr?: string;
}

/** Declares the flags, in the groups of the help text. */
export function declareLoadFlags(command: Command): Command {
  for (const [name, heading] of Object.entries(FLAG_GROUPS)) {
    command.optionsGroup(heading);
    for (const [flag, { group, value, help, preset }] of flagsOfPlan()) {
      if (group === name) command.option(`--${spelled(flag)} ${value}`, help, preset);
    }
  }
  declareResults(command);
  return command.addHelpText('after', EXAMPLES);
}

function flagsOfPlan() {
  return PLAN_ROWS.flatMap(([, { flags }]) => Object.entries(flags));
}

/** `source-ports` for `sourcePorts`. */
function spelled(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function declareResults(command: Command): void {
  command
    .optionsGroup('Results:')
    .option('--report <file>', 'write a report to look at, one HTML file')
    .option('--hdr <file>', 'write the times of each second as an HdrHistogram log')
    .option('--json', 'print one JSON document instead of the summary (see merge)')
    .option(
      '--fail-if <condition>',
      "end with status 1 if 'p99>5ms' (mean, max, service.p99.9, ...), 'errors>0', 'lost>0' or " +
        "'rate<1000', with status 3 if invalid; any number of times",
      collected,
    );
}

/** The values of a flag that is given any number of times. */
export function collected(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}

const EXAMPLES = `
Examples:
  $ sockloop load 127.0.0.1 7007
      as fast as 50 connections go, for 10 seconds
  $ sockloop load 127.0.0.1 7007 --rate 20000 --threads 2 --report load.html
      20,000 messages a second whatever the server does, and a report to look at
  $ sockloop load --unix /tmp/echo.sock --fail-if 'p99>5ms' --fail-if 'errors>0'
      a check for a script: status 1 if the server is too slow or fails

Exit status: 0 measured; 1 failed, nothing answered, or a --fail-if holds;
2 wrong usage; 3 the verdict is INVALID and --fail-if invalid was given.`;
