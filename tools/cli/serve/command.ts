import type { Command } from 'commander';
import { formatAddress, nativeSys, TracingSys } from 'sockloop/sys';
import type { ServerObserver, ServerTotals } from '../../echo/iterative-server.ts';
import { LINE_BYTES_MAX, THREADS_DEFAULT, THREADS_MAX } from '../../echo/limits.ts';
import { parseMode } from '../../echo/mode.ts';
import {
  type OpenServer,
  openServer,
  SERVER_LOOPS,
  type ServerLoop,
  type ServerPlan,
} from '../../echo/servers.ts';
import type { EchoMode } from '../../echo/session.ts';
import { UsageError } from '../../terminal/exit.ts';
import { FailureLines } from '../../terminal/failure-lines.ts';
import {
  parseCount,
  parseDuration,
  parsePort,
  parseSize,
  parseThreads,
} from '../../terminal/flags.ts';
import { logOut, printError, setDroppedWords } from '../../terminal/output.ts';
import { onStopSignals } from '../../terminal/stop-signals.ts';
import { reportFallback } from '../fallback.ts';
import { unixPath } from '../unix-flag.ts';
import { addGuards, type GuardFlags, guardPlanOf, refusedWords } from './guard-flags.ts';

/** The largest backlog of listen(2). */
const BACKLOG_MAX = 2 ** 31 - 1;

interface ServeFlags extends GuardFlags {
  readonly host: string;
  readonly port: string;
  readonly unix?: string;
  readonly loop: string;
  readonly mode: string;
  readonly backlog?: string;
  readonly threads?: string;
  readonly maxConnections?: string;
  readonly idleTimeout?: string;
  readonly maxLine?: string;
  readonly trace?: true;
  readonly verbose?: true;
  readonly json?: true;
}

/** Adds `sockloop serve` to the program. */
export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('run an echo server until Ctrl-C')
    .option('--port <port>', 'port to listen on; 0 takes a free one', '7007')
    .option('--host <host>', 'name or address to listen on', '127.0.0.1')
    .option('--unix <path>', 'listen on a UNIX socket instead; @name is an abstract name')
    .option('--loop <name>', `way of waiting: ${SERVER_LOOPS.join(', ')}`, 'auto')
    .option('--mode <mode>', 'echo: bytes; line: each line; once: one line, then close', 'echo')
    .option('--backlog <n>', 'connections that may wait to be accepted')
    .option(
      '--threads <n>',
      `how many, or max: one per core; 1 on event loops, up to ${THREADS_DEFAULT} on threads`,
    )
    .option('--max-connections <n>', 'clients at a time; more of them wait')
    .option('--idle-timeout <time>', 'close a client that is silent for so long: 30, 500ms, 2m')
    .option(
      '--max-line <size>',
      `longest line with its newline: 512, 64k; ${LINE_BYTES_MAX} if left out`,
    )
    .option('--trace', 'print each system call on standard error, as strace would')
    .option('--verbose', 'print a line for each connection')
    .option('--json', 'print one JSON document per event on standard output');
  addGuards(command).action((flags: ServeFlags) => serve(flags));
}

async function serve(flags: ServeFlags): Promise<void> {
  const loop = loopOf(flags.loop);
  const plan = planOf(flags, loop);
  const native = nativeSys();
  const log =
    flags.json === true ? jsonLog() : textLog(flags.verbose === true, () => native.monotonicMs());
  const trace = flags.trace === true ? printError : undefined;
  const sys = trace === undefined ? native : new TracingSys(native, trace);
  const { observer } = log;
  const watched = flags.json === true || flags.verbose === true;
  using server = await openServer(loop, plan, { sys, observer, watched, trace });
  try {
    // The reader of this line may send a signal at once, so the handler is installed before.
    const ready = (): void => {
      log.listening(server, plan.mode);
      reportFallback(server.missing, server.loop);
    };
    log.stopped(await untilSignal(server, ready), server.balance?.() ?? null);
  } finally {
    // A UNIX socket outlives its server as a file.
    const failure = server.removeFile();
    if (failure !== null) printError(`sockloop: ${failure.message}`);
  }
}

function loopOf(text: string): ServerLoop {
  const loop = SERVER_LOOPS.find((name) => name === text);
  if (loop !== undefined) return loop;
  throw new UsageError(`--loop takes ${SERVER_LOOPS.join(', ')}, not "${text}"`);
}

function planOf(flags: ServeFlags, loop: ServerLoop): ServerPlan {
  const { backlog, maxConnections, idleTimeout, maxLine } = flags;
  const countMax = Number.MAX_SAFE_INTEGER;
  return {
    endpoint:
      flags.unix === undefined
        ? { host: flags.host, port: parsePort(flags.port, 0, '--port') }
        : { path: unixPath(flags.unix) },
    mode: parseMode(flags.mode),
    backlog: backlog === undefined ? undefined : parseCount(backlog, 0, BACKLOG_MAX, '--backlog'),
    threads: threadsOf(flags, loop),
    maxConnections: maxConnections === undefined ? null : connectionsOf(maxConnections, loop),
    idleTimeoutMs: idleTimeout === undefined ? null : parseDuration(idleTimeout, '--idle-timeout'),
    lineBytesMax:
      maxLine === undefined ? LINE_BYTES_MAX : parseSize(maxLine, countMax, '--max-line'),
    guarding: guardPlanOf(flags, { loop, host: flags.unix === undefined ? flags.host : null }),
  };
}

function threadsOf({ threads, trace }: ServeFlags, loop: ServerLoop): number {
  if (threads === undefined) return loop === 'threads' ? THREADS_DEFAULT : 1;
  const count = parseThreads(threads, THREADS_MAX, '--threads');
  if (loop === 'blocking' && count > 1) {
    throw new UsageError(`--loop blocking serves in one thread, not in ${count}`);
  }
  if (loop !== 'threads' && count > 1 && trace === true) {
    throw new UsageError(`--trace prints the calls of one event loop: leave out --threads`);
  }
  return count;
}

function connectionsOf(text: string, loop: ServerLoop): number {
  const connections = parseCount(text, 1, Number.MAX_SAFE_INTEGER, '--max-connections');
  if (loop !== 'blocking' || connections === 1) return connections;
  throw new UsageError(`--loop blocking serves one client at a time, not ${connections}`);
}

async function untilSignal(server: OpenServer, ready: () => void): Promise<ServerTotals> {
  using _ = onStopSignals((signal) => {
    if (process.stderr.isTTY)
      printError(`sockloop: ${signal}, stopping; once more to stop at once`);
    server.stop();
  });
  ready();
  return await server.run();
}

/** The log of a server. */
interface ServeLog {
  readonly observer: ServerObserver;
  listening(server: OpenServer, mode: EchoMode): void;
  /** `balance` is how many connections each of several loops had. */
  stopped(totals: ServerTotals, balance: readonly number[] | null): void;
}

function textLog(verbose: boolean, nowMs: () => number): ServeLog {
  const broken = new FailureLines(printError, nowMs);
  const refused = new FailureLines(printError, nowMs);
  return {
    listening: ({ address, loop, threads }, mode) => {
      const loops = threads === 1 ? loop : `${threads} threads of ${loop}`;
      logOut(`listening on ${formatAddress(address)} (${loops}, ${mode})`);
    },
    observer: {
      accepted: (address, connection) => {
        const from = address === null ? 'a client that has left' : formatAddress(address);
        if (verbose) logOut(`connection ${connection} from ${from}`);
      },
      closed: (address, totals, failure) => {
        const { connection, receivedBytes } = totals;
        if (failure !== null) {
          const from = address === null ? '' : ` (${formatAddress(address)})`;
          broken.add(`sockloop: connection ${connection}${from}: ${failure.message}`);
        }
        if (!verbose) return;
        logOut(`connection ${connection} closed: ${receivedBytes} bytes in, ${outWords(totals)}`);
      },
      acceptFailed: (failure) => refused.add(`sockloop: ${failure.message}`),
    },
    stopped: (totals, balance) => {
      const { connections, failed, turnedAway, receivedBytes } = totals;
      broken.end();
      refused.end();
      const noun = connections === 1 ? 'connection' : 'connections';
      const counts = [
        ...(failed === 0 ? [] : [`${failed} broken`]),
        ...(turnedAway === 0 ? [] : [`${turnedAway} turned away`]),
      ];
      const remark = counts.length === 0 ? '' : ` (${counts.join(', ')})`;
      logOut(
        `served ${connections} ${noun}${remark}: ${receivedBytes} bytes in, ${outWords(totals)}`,
      );
      const refusals = refusedWords(totals.refused);
      if (refusals !== null) logOut(refusals);
      if (balance !== null) logOut(`connections by thread: ${balance.join(', ')}`);
    },
  };
}

/** `12 out`, or `12 out, 5 of them not acknowledged`. */
function outWords({ sentBytes, unacknowledgedBytes }: SentTotals): string {
  const lost = unacknowledgedBytes === 0 ? '' : `, ${unacknowledgedBytes} of them not acknowledged`;
  return `${sentBytes} out${lost}`;
}

type SentTotals = Pick<ServerTotals, 'sentBytes' | 'unacknowledgedBytes'>;

function jsonLog(): ServeLog {
  setDroppedWords((lines) => JSON.stringify({ event: 'dropped', lines }));
  const event = (name: string, facts: object): void =>
    logOut(JSON.stringify({ event: name, ...facts }));
  const message = (failure: Error): object => ({
    message: failure.message,
    ...('code' in failure ? { code: failure.code } : {}),
  });
  return {
    listening: ({ address, loop, threads }, mode) =>
      event('listening', { address, loop, ...(threads === 1 ? {} : { threads }), mode }),
    observer: {
      accepted: (address, connection) => event('accepted', { connection, address }),
      closed: (_, totals, failure) =>
        event('closed', { ...totals, ...(failure === null ? {} : { failure: message(failure) }) }),
      acceptFailed: (failure) => event('acceptFailed', { failure: message(failure) }),
    },
    stopped: (totals, balance) =>
      event('stopped', { totals, ...(balance === null ? {} : { balance }) }),
  };
}
