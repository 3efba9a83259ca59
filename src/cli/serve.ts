import type { Command } from 'commander';
import {
  IterativeServer,
  type ServerObserver,
  type ServerTotals,
} from '../echo/iterative-server.ts';
import { LINE_BYTES_MAX } from '../echo/limits.ts';
import type { EchoMode } from '../echo/session.ts';
import { createServer, type Endpoint } from '../socket/create.ts';
import type { Socket } from '../socket/socket.ts';
import { nativeSys } from '../sys/native.ts';
import {
  encodeSockaddr,
  formatAddress,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { TracingSys } from '../sys/tracing.ts';
import { UsageError } from './exit.ts';
import { parseCount, parseMode, parsePort, parseSeconds } from './flags.ts';
import { printError, printOut } from './output.ts';

/** The loops that there are; more come with the event loop. */
const LOOPS = ['blocking'] as const;

/** What listen(2) takes at the most. */
const BACKLOG_MAX = 2 ** 31 - 1;

interface ServeFlags {
  readonly host: string;
  readonly port: string;
  readonly unix?: string;
  readonly loop: string;
  readonly mode: string;
  readonly backlog?: string;
  readonly idleTimeout?: string;
  readonly maxLine?: string;
  readonly trace?: true;
  readonly verbose?: true;
  readonly json?: true;
}

interface ServePlan {
  readonly endpoint: Endpoint;
  readonly mode: EchoMode;
  readonly backlog: number | undefined;
  readonly idleTimeoutMs: number | null;
  readonly lineBytesMax: number;
}

/** Adds `sockloop serve` to the program. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run an echo server until Ctrl-C')
    .option('--port <port>', 'port to listen on; 0 takes a free one', '7007')
    .option('--host <host>', 'name or address to listen on', '127.0.0.1')
    .option('--unix <path>', 'listen on a UNIX socket instead; @name is an abstract name')
    .option('--loop <name>', `way of waiting: ${LOOPS.join(', ')}`, 'blocking')
    .option('--mode <mode>', 'echo: bytes; line: each line; once: one line, then close', 'echo')
    .option('--backlog <n>', 'connections that may wait to be accepted')
    .option('--idle-timeout <s>', 'close a client that is silent for so many seconds')
    .option(
      '--max-line <bytes>',
      `longest line, its newline included; ${LINE_BYTES_MAX} if left out`,
    )
    .option('--trace', 'print each system call on standard error, as strace would')
    .option('--verbose', 'print a line for each connection')
    .option('--json', 'print one JSON document per event on standard output')
    .action((flags: ServeFlags) => serve(flags));
}

async function serve(flags: ServeFlags): Promise<void> {
  const plan = planOf(flags);
  const log = flags.json === true ? jsonLog() : textLog(flags.verbose === true);
  const native = nativeSys();
  const sys = flags.trace === true ? new TracingSys(native, printError) : native;
  using listener = createServer(plan.endpoint, {
    sys,
    ...(plan.backlog === undefined ? {} : { backlog: plan.backlog }),
  });
  const address = listener.getSockName();
  try {
    // Whoever reads that it listens may send a signal at once.
    const ready = (): void => log.listening(address, plan.mode);
    log.stopped(await untilSignal(listener, plan, log.observer, ready));
  } finally {
    if (address.family === 'UNIX') removeName(sys, address.path);
  }
}

function planOf(flags: ServeFlags): ServePlan {
  if (!LOOPS.some((name) => name === flags.loop)) {
    throw new UsageError(`--loop takes ${LOOPS.join(', ')}, not "${flags.loop}"`);
  }
  const { backlog, idleTimeout, maxLine } = flags;
  const lineMax = Number.MAX_SAFE_INTEGER;
  return {
    endpoint:
      flags.unix === undefined
        ? { host: flags.host, port: parsePort(flags.port, 0, '--port') }
        : { path: unixPath(flags.unix) },
    mode: parseMode(flags.mode),
    backlog: backlog === undefined ? undefined : parseCount(backlog, 0, BACKLOG_MAX, '--backlog'),
    idleTimeoutMs: idleTimeout === undefined ? null : parseSeconds(idleTimeout, '--idle-timeout'),
    lineBytesMax:
      maxLine === undefined ? LINE_BYTES_MAX : parseCount(maxLine, 1, lineMax, '--max-line'),
  };
}

/** `@name` as the abstract name it stands for. */
export function unixPath(text: string): string {
  if (text === '' || text === '@') throw new UsageError('--unix takes a path or @name');
  const path = text.startsWith('@') ? `\0${text.slice(1)}` : text;
  try {
    const room = new Uint8Array(SOCKADDR_BYTES_MAX);
    encodeSockaddr(nativeSys().abi, { family: 'UNIX', path }, room);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`--unix: ${error.message}`);
  }
  return path;
}

/** A UNIX socket outlives its server as a file. */
function removeName(sys: Sys, path: string): void {
  if (path.startsWith('\0')) return;
  const result = sys.unlink(path);
  // Gone already: somebody else has tidied up.
  if (result < 0 && result !== -sys.abi.errno.ENOENT) {
    printError(`sockloop: cannot remove ${path}: ${sys.strerror(-result)}`);
  }
}

async function untilSignal(
  listener: Socket,
  plan: ServePlan,
  observer: ServerObserver,
  ready: () => void,
): Promise<ServerTotals> {
  const server = new IterativeServer(listener, { ...plan, observer });
  const stop = (signal: NodeJS.Signals): void => {
    // The second one finds the default behaviour again, which ends the process at once.
    for (const name of STOP_SIGNALS) process.off(name, stop);
    if (process.stderr.isTTY)
      printError(`sockloop: ${signal}, stopping; once more to stop at once`);
    server.stop();
  };
  for (const name of STOP_SIGNALS) process.on(name, stop);
  try {
    ready();
    return await server.run();
  } finally {
    for (const name of STOP_SIGNALS) process.off(name, stop);
  }
}

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Where the events of a server go. */
interface ServeLog {
  readonly observer: ServerObserver;
  listening(address: SocketAddress, mode: EchoMode): void;
  stopped(totals: ServerTotals): void;
}

function textLog(verbose: boolean): ServeLog {
  return {
    listening: (address, mode) =>
      printOut(`listening on ${formatAddress(address)} (blocking, ${mode})`),
    observer: {
      accepted: (address, connection) => {
        if (verbose) printOut(`connection ${connection} from ${formatAddress(address)}`);
      },
      closed: (address, { connection, receivedBytes, sentBytes }, failure) => {
        if (failure !== null) {
          printError(
            `sockloop: connection ${connection} (${formatAddress(address)}): ${failure.message}`,
          );
        }
        if (!verbose) return;
        printOut(`connection ${connection} closed: ${receivedBytes} bytes in, ${sentBytes} out`);
      },
      acceptFailed: (failure) => printError(`sockloop: ${failure.message}`),
    },
    stopped: ({ connections, failed, receivedBytes, sentBytes }) => {
      const noun = connections === 1 ? 'connection' : 'connections';
      const broken = failed === 0 ? '' : ` (${failed} broken)`;
      printOut(
        `served ${connections} ${noun}${broken}: ${receivedBytes} bytes in, ${sentBytes} out`,
      );
    },
  };
}

function jsonLog(): ServeLog {
  const event = (name: string, facts: object): void =>
    printOut(JSON.stringify({ event: name, ...facts }));
  const message = (failure: Error): object => ({
    message: failure.message,
    ...('code' in failure ? { code: failure.code } : {}),
  });
  return {
    listening: (address, mode) => event('listening', { address, loop: 'blocking', mode }),
    observer: {
      accepted: (address, connection) => event('accepted', { connection, address }),
      closed: (_, totals, failure) =>
        event('closed', { ...totals, ...(failure === null ? {} : { failure: message(failure) }) }),
      acceptFailed: (failure) => event('acceptFailed', { failure: message(failure) }),
    },
    stopped: (totals) => event('stopped', { totals }),
  };
}
