import { type Command, Option } from 'commander';
import { EventLoop, type MissingLoop } from 'sockloop';
import { formatAddress, nativeSys, TracingSys } from 'sockloop/sys';
import { BlockingDatagramServer } from '../../echo/datagrams/blocking-server.ts';
import { EventDatagramServer } from '../../echo/datagrams/event-server.ts';
import type {
  DatagramKind,
  DatagramObserver,
  DatagramPlan,
  DatagramServer,
} from '../../echo/datagrams/plan.ts';
import { RecordServer } from '../../echo/datagrams/record-server.ts';
import type { ReplyLimits } from '../../echo/datagrams/reply-guard.ts';
import { type DatagramTotals, unansweredWords } from '../../echo/datagrams/totals.ts';
import type { ServerLoop } from '../../echo/servers.ts';
import { UsageError } from '../../terminal/exit.ts';
import { parseCount, parsePort } from '../../terminal/flags.ts';
import { logOut, printError } from '../../terminal/output.ts';
import { onStopSignals } from '../../terminal/stop-signals.ts';
import { type DatagramKindFlags, datagramKindOf } from '../datagram-kind.ts';
import { reportFallback } from '../fallback.ts';
import { unixPath } from '../unix-flag.ts';
import { become, serverUserOf, type UserFlag } from './user-flag.ts';

/** The flags of `serve` for datagrams. */
export interface DatagramFlags extends DatagramKindFlags {
  readonly udpRate?: string;
}

interface OtherFlags extends DatagramFlags, UserFlag {
  readonly host: string;
  readonly port: string;
  readonly unix?: string;
  readonly verbose?: true;
  readonly json?: true;
  readonly trace?: true;
}

/** Answers a second to one address, unless --udp-rate says otherwise. */
const RATE = 1000;

const MEANING = `
With --udp it echoes datagrams (RFC 862). Whoever forges the address of another
has that one get the answers, and two echo servers can be made to answer each
other. So an answer is never longer than its datagram, ports of known services
(7, 13, 19, 53, 123 and the like) get none, and an address, or an IPv6 /64, gets
${RATE} a second; those of this machine get any number.
`;

/** The flags of `serve` that datagrams have as well. */
const SHARED = [
  ...['host', 'port', 'unix', 'loop', 'udpRate', 'user'],
  ...['verbose', 'json', 'trace'],
];

/** Adds the flags to `sockloop serve`. */
export function addDatagramFlags(command: Command): Command {
  const rate = `answers a second to one address; none for no limit`;
  return command
    .optionsGroup('Datagrams:')
    .option('--udp', 'echo datagrams over UDP instead of connections')
    .option('--dgram', 'with --unix: datagrams between UNIX sockets')
    .option('--seqpacket', 'with --unix: a connection of records that are kept apart')
    .addOption(new Option('--udp-rate <n>', rate))
    .addHelpText('after', MEANING);
}

/** What kind of datagrams is served; null for connections of bytes. */
export function servedKindOf(flags: OtherFlags, command: Command): DatagramKind | null {
  const kind = datagramKindOf(flags, command, SHARED);
  if (flags.udpRate !== undefined && kind !== 'udp') {
    throw new UsageError('--udp-rate goes with --udp');
  }
  return kind;
}

/** Serves datagrams until a signal. */
export async function serveDatagrams(
  kind: DatagramKind,
  flags: OtherFlags,
  loop: ServerLoop,
): Promise<void> {
  const plan = planOf(kind, flags);
  const user = serverUserOf(flags);
  const sys = flags.trace === true ? new TracingSys(nativeSys(), printError) : nativeSys();
  const observer = observerOf(flags);
  const opened = open(loop, plan, sys, observer);
  using server = opened.server;
  using _ = onStopSignals((signal) => {
    if (process.stderr.isTTY) printError(`sockloop: ${signal}, stopping`);
    server.stop();
  });
  try {
    if (user !== null) become(user);
    reportListening(flags, server, opened.loop, kind);
    reportFallback(opened.missing, opened.loop);
    reportTotals(flags, await server.run());
  } finally {
    const failure = server.removeFile();
    if (failure !== null) printError(`sockloop: ${failure.message}`);
  }
}

function planOf(kind: DatagramKind, { unix, host, port, udpRate }: OtherFlags): DatagramPlan {
  const endpoint =
    unix === undefined ? { host, port: parsePort(port, 0, '--port') } : { path: unixPath(unix) };
  return { kind, endpoint, limits: limitsOf(udpRate) };
}

function limitsOf(text: string | undefined): ReplyLimits {
  if (text === undefined) return { perSecond: RATE, limitsLoopback: false };
  if (text === 'none') return { perSecond: null, limitsLoopback: false };
  const perSecond = parseCount(text, 1, Number.MAX_SAFE_INTEGER, '--udp-rate');
  return { perSecond, limitsLoopback: true };
}

function open(
  name: ServerLoop,
  plan: DatagramPlan,
  sys: ReturnType<typeof nativeSys>,
  observer: DatagramObserver,
): { server: DatagramServer; loop: string; missing: readonly MissingLoop[] } {
  if (name === 'threads') {
    throw new UsageError(
      `--loop threads has a thread for each connection, and --${plan.kind} is served by one thread`,
    );
  }
  if (name === 'blocking') {
    return { server: new BlockingDatagramServer(plan, sys, observer), loop: name, missing: [] };
  }
  const loop = new EventLoop({ backend: name, sys });
  try {
    const Server = plan.kind === 'seqpacket' ? RecordServer : EventDatagramServer;
    const server = new Server(loop, plan, observer);
    return { server, loop: loop.backendName, missing: loop.missing };
  } catch (error) {
    loop.close();
    throw error;
  }
}

function observerOf({ verbose, json }: OtherFlags): DatagramObserver {
  if (verbose !== true) return {};
  if (json === true) {
    return {
      received: (from, bytes) => logOut(JSON.stringify({ event: 'received', from, bytes })),
    };
  }
  return { received: (from, bytes) => logOut(`${bytes} bytes from ${from}`) };
}

function reportListening(
  { json }: OtherFlags,
  { address }: DatagramServer,
  loop: string,
  kind: DatagramKind,
): void {
  if (json === true) logOut(JSON.stringify({ event: 'listening', address, loop, kind }));
  else logOut(`listening on ${formatAddress(address)} (${loop}, ${kind})`);
}

function reportTotals({ json }: OtherFlags, totals: DatagramTotals): void {
  if (json === true) {
    logOut(JSON.stringify({ event: 'stopped', totals }));
    return;
  }
  const { received, receivedBytes, sent, sentBytes } = totals;
  logOut(`${received} datagrams in, ${receivedBytes} bytes; ${sent} out, ${sentBytes} bytes`);
  const unanswered = unansweredWords(totals);
  if (unanswered !== null) logOut(unanswered);
}
