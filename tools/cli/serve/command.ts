import type { Command } from 'commander';
import type { Endpoint } from 'sockloop';
import { formatAddress, nativeSys, TracingSys } from 'sockloop/sys';
import type { ServerObserver, ServerTotals } from '../../echo/iterative-server.ts';
import { LINE_BYTES_MAX, THREADS_DEFAULT, THREADS_MAX } from '../../echo/limits.ts';
import { parseMode } from '../../echo/mode.ts';
import { Restarts } from '../../echo/restart.ts';
import {
  type OpenServer,
  openServer,
  SERVER_LOOPS,
  type ServerLoop,
  type ServerPlan,
} from '../../echo/servers.ts';
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
import { ConnectionEnds, fieldLine } from './connection-ends.ts';
import { addDatagramFlags, type DatagramFlags, serveDatagrams, servedKindOf } from './datagrams.ts';
import { addGuards, type GuardFlags, guardPlanOf, refusedWords } from './guard-flags.ts';
import { openMetrics, type ServeMetrics } from './metrics.ts';
import {
  addMisbehaviour,
  type MisbehaviourFlags,
  misbehavedWords,
  misbehaviourOf,
  planWords,
} from './misbehaviour-flags.ts';
import {
  type ActivatedSockets,
  activatedSockets,
  addRestartFlags,
  inheritedFile,
  type RestartFlags,
  restartPlan,
} from './restart-flags.ts';
import { restartLog } from './restart-log.ts';
import { addSeenFlags, type SeenFlags, type SeenPlan, seenPlanOf } from './seen-flags.ts';
import { addUserFlag, become, serverUserOf, type UserFlag } from './user-flag.ts';

/** The largest backlog of listen(2). */
const BACKLOG_MAX = 2 ** 31 - 1;

interface ServeFlags
  extends SeenFlags,
    GuardFlags,
    MisbehaviourFlags,
    RestartFlags,
    UserFlag,
    DatagramFlags {
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
}

/** Adds `sockloop serve` to the program. */
export function addServe(program: Command): void {
  const serveCommand = program
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
    .option('--trace', 'print each system call on standard error, as strace would');
  addSeenFlags(serveCommand);
  addRestartFlags(serveCommand);
  addUserFlag(serveCommand);
  addGuards(serveCommand);
  addDatagramFlags(serveCommand);
  addMisbehaviour(serveCommand).action((flags: ServeFlags, command: Command) => {
    const kind = servedKindOf(flags, command);
    if (kind !== null) return serveDatagrams(kind, flags, loopOf(flags.loop));
    return serve(flags, activatedSockets(command));
  });
}

async function serve(flags: ServeFlags, activated: ActivatedSockets | null): Promise<void> {
  const loop = loopOf(flags.loop);
  const plan = planOf(flags, loop, activated);
  const restart = restartPlan(flags, activated);
  const native = nativeSys();
  const seen = seenPlanOf(flags, loop);
  const user = serverUserOf(flags);
  using restarts = new Restarts(restart, restartLog(seen.log === 'json', restart.drainMs));
  const nowMs = (): number => native.monotonicMs();
  const log = seen.log === 'json' ? jsonLog(nowMs) : textLog(seen.log, nowMs);
  const trace = flags.trace === true ? printError : undefined;
  const sys = trace === undefined ? native : new TracingSys(native, trace);
  const { observer } = log;
  const watched = seen.log !== 'failures';
  // Ahead of the server: a port in use is to be known before there are clients.
  using metrics = await openMetrics(seen.metrics);
  const measured = metrics !== null;
  using server = await openServer(loop, plan, { sys, observer, watched, measured, trace });
  const file = inheritedFile(activated, server.address, sys);
  metrics?.observe(server, plan.mode);
  try {
    if (user !== null) become(user);
    // The reader of this line may send a signal at once, so the handler is installed before.
    const ready = (): void => {
      log.listening(server, plan);
      if (metrics !== null) log.measured(metrics.url);
      reportFallback(server.missing, server.loop);
    };
    const totals = await untilSignal(server, restarts, metrics, ready);
    log.stopped(totals, server.balance?.() ?? null);
  } finally {
    // A UNIX socket outlives its server as a file.
    const failure = restarts.handedOver ? null : (server.removeFile() ?? file?.remove() ?? null);
    if (failure !== null) printError(`sockloop: ${failure.message}`);
  }
}

function loopOf(text: string): ServerLoop {
  const loop = SERVER_LOOPS.find((name) => name === text);
  if (loop !== undefined) return loop;
  throw new UsageError(`--loop takes ${SERVER_LOOPS.join(', ')}, not "${text}"`);
}

function planOf(
  flags: ServeFlags,
  loop: ServerLoop,
  activated: ActivatedSockets | null,
): ServerPlan {
  const { backlog, maxConnections, idleTimeout, maxLine } = flags;
  const idleTimeoutMs =
    idleTimeout === undefined ? null : parseDuration(idleTimeout, '--idle-timeout');
  const countMax = Number.MAX_SAFE_INTEGER;
  return {
    endpoint: activated === null ? endpointOf(flags) : { fds: activated.fds },
    mode: parseMode(flags.mode),
    backlog: backlog === undefined ? undefined : parseCount(backlog, 0, BACKLOG_MAX, '--backlog'),
    threads: threadsOf(flags, loop),
    maxConnections: maxConnections === undefined ? null : connectionsOf(maxConnections, loop),
    idleTimeoutMs,
    lineBytesMax:
      maxLine === undefined ? LINE_BYTES_MAX : parseSize(maxLine, countMax, '--max-line'),
    misbehaviour: misbehaviourOf(flags, idleTimeoutMs),
    guarding: guardPlanOf(flags, { loop, host: flags.unix === undefined ? flags.host : null }),
  };
}

function endpointOf({ unix, host, port }: ServeFlags): Endpoint {
  if (unix !== undefined) return { path: unixPath(unix) };
  return { host, port: parsePort(port, 0, '--port') };
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

async function untilSignal(
  server: OpenServer,
  restarts: Restarts,
  metrics: ServeMetrics | null,
  ready: () => void,
): Promise<ServerTotals> {
  using _ = onStopSignals((signal) => {
    if (process.stderr.isTTY)
      printError(`sockloop: ${signal}, stopping; once more to stop at once`);
    metrics?.drain();
    restarts.stop();
    server.stop();
  });
  restarts.serves(server, metrics);
  ready();
  return await server.run();
}

/** The log of a server. */
interface ServeLog {
  readonly observer: ServerObserver;
  listening(server: OpenServer, plan: ServerPlan): void;
  /** `url` is where the metrics are. */
  measured(url: string): void;
  /** `balance` is how many connections each of several loops had. */
  stopped(totals: ServerTotals, balance: readonly number[] | null): void;
}

function textLog(kind: SeenPlan['log'], nowMs: () => number): ServeLog {
  const verbose = kind === 'verbose';
  const ends = new ConnectionEnds(nowMs);
  const broken = new FailureLines(printError, nowMs);
  const refused = new FailureLines(printError, nowMs);
  return {
    listening: ({ address, loop, threads }, { mode, misbehaviour = null }) => {
      const loops = threads === 1 ? loop : `${threads} threads of ${loop}`;
      logOut(`listening on ${formatAddress(address)} (${loops}, ${mode})`);
      if (misbehaviour !== null) logOut(planWords(misbehaviour));
    },
    measured: (url) => logOut(`metrics on ${url}/metrics`),
    observer: {
      accepted: (address, connection) => {
        const from = address === null ? 'a client that has left' : formatAddress(address);
        if (verbose) logOut(`connection ${connection} from ${from}`);
        if (kind === 'text') ends.accepted(address, connection);
      },
      closed: (address, totals, failure) => {
        const { connection, receivedBytes } = totals;
        if (failure !== null) {
          const from = address === null ? '' : ` (${formatAddress(address)})`;
          broken.add(`sockloop: connection ${connection}${from}: ${failure.message}`);
        }
        if (kind === 'text') logOut(fieldLine(ends.ended(address, totals, failure), failure));
        if (!verbose) return;
        logOut(`connection ${connection} closed: ${receivedBytes} bytes in, ${outWords(totals)}`);
      },
      acceptFailed: (failure) => refused.add(`sockloop: ${failure.message}`),
      threadFailed: (failure) => printError(`sockloop: ${failure.message}`),
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
      const misbehaved = misbehavedWords(totals.misbehaved);
      if (misbehaved !== null) logOut(misbehaved);
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

function jsonLog(nowMs: () => number): ServeLog {
  const ends = new ConnectionEnds(nowMs);
  setDroppedWords((lines) => JSON.stringify({ event: 'dropped', lines }));
  const event = (name: string, facts: object): void =>
    logOut(JSON.stringify({ event: name, ...facts }));
  const message = (failure: Error): object => ({
    message: failure.message,
    ...('code' in failure ? { code: failure.code } : {}),
  });
  return {
    listening: ({ address, loop, threads }, { mode, misbehaviour = null }) =>
      event('listening', {
        address,
        loop,
        ...(threads === 1 ? {} : { threads }),
        mode,
        ...(misbehaviour === null ? {} : { misbehaviour }),
      }),
    measured: (url) => event('metrics', { url: `${url}/metrics` }),
    observer: {
      accepted: (address, connection) => {
        ends.accepted(address, connection);
        event('accepted', { connection, address });
      },
      closed: (address, totals, failure) => {
        const end = ends.ended(address, totals, failure);
        event('closed', { ...end, ...(failure === null ? {} : { failure: message(failure) }) });
      },
      acceptFailed: (failure) => event('acceptFailed', { failure: message(failure) }),
      threadFailed: (failure) => event('threadFailed', { failure: message(failure) }),
    },
    stopped: (totals, balance) =>
      event('stopped', { totals, ...(balance === null ? {} : { balance }) }),
  };
}
