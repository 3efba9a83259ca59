import type { Command } from 'commander';
import { backends } from '#src/loop/backends.js';

/** The flags of `sockloop load`, as they are written. */
export interface LoadFlags {
  readonly unix?: string;
  readonly mode: string;
  readonly sourceAddresses?: string;
  readonly sourcePorts?: string;
  readonly threads: string;
  readonly connections: string;
  readonly idle: string;
  readonly loop: string;
  readonly pipeline?: string;
  readonly churn?: string;
  readonly rate?: string;
  readonly arrivals?: string;
  readonly stages?: string;
  readonly message?: string;
  readonly file?: string;
  readonly size?: string;
  readonly seed?: string;
  readonly duration?: string;
  readonly warmup?: string;
  readonly ramp?: string;
  readonly timeout: string;
  readonly startAt?: string;
  readonly json?: true;
  readonly report?: string;
  readonly hdr?: string;
  readonly failIf?: readonly string[];
}

/** The names that `--loop` takes. */
export const LOAD_LOOPS = ['auto' as const, ...backends.map(({ name }) => name)];

/** Declares the flags, in the groups of the help text. */
export function declareLoadFlags(command: Command): Command {
  declareTarget(command);
  declareModel(command);
  declareMessage(command);
  declareTimes(command);
  declareResults(command);
  return command.addHelpText('after', EXAMPLES);
}

function declareTarget(command: Command): void {
  command
    .optionsGroup('Connections:')
    .option('--unix <path>', 'load a UNIX socket instead; @name is an abstract name')
    .option('--connections <n>', 'that carry messages, over all threads', '50')
    .option('--idle <n>', 'further connections, which stay open and carry nothing', '0')
    .option('--threads <n>', 'threads to spread them over, or max: one per core', '1')
    .option('--loop <name>', `way of waiting: ${LOAD_LOOPS.join(', ')}`, 'auto')
    .option('--churn <n>', 'close a connection after so many messages and open the next')
    .option('--source-addresses <list>', 'connect from these, in turn: 127.0.0.2-127.0.0.9 or a,b')
    .option('--source-ports <range>', 'connect from these local ports: 20000-29999');
}

function declareModel(command: Command): void {
  command
    .optionsGroup('Closed loop, where the server sets the pace (the default):')
    .option('--pipeline <n>', 'messages in flight on each connection; 1 if left out')
    .optionsGroup('Open loop, where messages are sent when they are due:')
    .option('--rate <n>', 'messages per second, over all connections: 500, 20k')
    .option('--stages <list>', "rates that follow one another: '10s@1000,20s@5000'")
    .option('--arrivals <name>', 'uniform, or poisson: at random; uniform if left out');
}

function declareMessage(command: Command): void {
  command
    .optionsGroup('Messages:')
    .option('--size <size>', 'bytes (64, 4k, 1M) that differ in each message; 64 if left out')
    .option('--message <text>', 'this text every time')
    .option('--file <path>', 'what is in this file every time')
    .option('--mode <mode>', 'what the server answers: echo, line or once (see serve)', 'echo')
    .option('--seed <n>', 'of the bytes and of poisson arrivals; by chance if left out');
}

function declareTimes(command: Command): void {
  command
    .optionsGroup('Times, in seconds or with a unit (500ms, 10s, 2m, 1h30m):')
    .option('--duration <time>', 'how long to measure; 10 if left out')
    .option('--warmup <time>', 'how long to run before that; 1 if left out, behind the ramp')
    .option('--ramp <time>', 'within the warm-up, rise from nothing to the full load')
    .option('--timeout <time>', 'longest wait for a reply, and for a connection', '5')
    .option('--start-at <time>', 'begin at HH:MM[:SS], at an ISO time, or +30s from now');
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

Exit status: 0 measured, 1 failed, nothing answered or --fail-if, 2 wrong usage, 3 the verdict is
INVALID and --fail-if invalid was given.`;
