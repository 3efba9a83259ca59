import { type Command, Option } from 'commander';
import { listenFds } from 'sockloop/service';
import type { SocketAddress, Sys } from 'sockloop/sys';
import { SocketFile } from '#src/socket/socket-file.js';
import type { RestartPlan } from '../../echo/restart.ts';
import { parseDuration } from '../../terminal/flags.ts';
import { printError } from '../../terminal/output.ts';

/** How long connections may go on once a successor serves: the default of --drain-timeout. */
const DRAIN_TIMEOUT = '30';

/** How long a successor may take until it serves: the default of --ready-timeout. */
const READY_TIMEOUT = '30';

/** Tells a successor that it removes the file of the UNIX socket at its end. */
const OWNS_FILE = 'SOCKLOOP_OWNS_FILE';

/** What says where to listen. */
const PLACE_FLAGS = ['host', 'port', 'unix', 'backlog'] as const;

export interface RestartFlags {
  readonly drainTimeout: string;
  readonly readyTimeout: string;
}

/** Adds the flags of restarts to `serve`. */
export function addRestartFlags(command: Command): Command {
  const drain = 'after a restart (SIGUSR2) connections may go on for so long: 500ms, 30, 5m';
  const ready = 'a successor has to serve within that time, or the server goes on';
  return command
    .addOption(new Option('--drain-timeout <time>', drain).default(DRAIN_TIMEOUT))
    .addOption(new Option('--ready-timeout <time>', ready).default(READY_TIMEOUT));
}

/** Sockets that this process was started with. */
export interface ActivatedSockets {
  readonly fds: readonly number[];
  readonly names: readonly string[];
  /** Whether the file of a UNIX socket is removed at the end: not one of systemd's. */
  readonly ownsFile: boolean;
}

/**
 * The sockets of systemd or of a predecessor; null without any. Says which flags they override.
 * Throws an Error if the environment lies.
 */
export function activatedSockets(command: Command): ActivatedSockets | null {
  const isSuccessor = process.env['SOCKLOOP_PREDECESSOR'] !== undefined;
  const sockets = listenFds();
  const ownsFile = process.env[OWNS_FILE] === '1';
  delete process.env[OWNS_FILE];
  if (sockets.length === 0) return null;
  const other = sockets.find(({ type }) => type !== 'stream');
  if (other !== undefined) {
    throw new Error(`cannot serve the socket "${other.name}" of LISTEN_FDS: it is for datagrams`);
  }
  // A successor has the arguments of its predecessor, which the sockets are of.
  const ignored = isSuccessor
    ? []
    : PLACE_FLAGS.filter((flag) => command.getOptionValueSource(flag) === 'cli');
  for (const flag of ignored) {
    printError(`sockloop: --${flag} is ignored: LISTEN_FDS says where to listen`);
  }
  return {
    fds: sockets.map(({ fd }) => fd),
    names: sockets.map(({ name }) => name),
    ownsFile: isSuccessor && ownsFile,
  };
}

/** The plan of a server at `address`, which has opened its socket unless it was `activated`. */
export function restartPlan(flags: RestartFlags, activated: ActivatedSockets | null): RestartPlan {
  const ownsFile = activated === null || activated.ownsFile;
  return {
    drainMs: parseDuration(flags.drainTimeout, '--drain-timeout'),
    readyTimeoutMs: parseDuration(flags.readyTimeout, '--ready-timeout'),
    names: activated?.names ?? [],
    environment: { [OWNS_FILE]: ownsFile ? '1' : undefined },
  };
}

/** The file that this process has to remove although a predecessor has made it. */
export function inheritedFile(
  activated: ActivatedSockets | null,
  address: SocketAddress,
  sys: Sys,
): SocketFile | null {
  return activated?.ownsFile === true ? SocketFile.of(address, sys) : null;
}
