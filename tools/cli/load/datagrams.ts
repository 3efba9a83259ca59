import { randomInt } from 'node:crypto';
import type { Command } from 'commander';
import type { LoopName } from 'sockloop';
import { nativeSys, type SocketAddress } from 'sockloop/sys';
import { counted } from '#src/base/number-format.js';
import { backends } from '#src/loop/backends.js';
import { addressesWithin } from '#src/net/addresses.js';
import { type DatagramCondition, parseDatagramCondition } from '../../load/datagrams/conditions.ts';
import type { DatagramLoadDocument, DatagramLoadPlan } from '../../load/datagrams/document.ts';
import { PROBE_BYTES_MAX, PROBE_BYTES_MIN } from '../../load/datagrams/probe.ts';
import { openDatagramLoad } from '../../load/datagrams/run.ts';
import {
  DURATION_MS_MAX,
  PIPELINE_MAX,
  RATE_MAX,
  SEED_MAX,
  TIME_MS_MAX,
} from '../../load/limits.ts';
import { datagramSummary } from '../../report/text/datagram-summary.ts';
import { UsageError } from '../../terminal/exit.ts';
import {
  parseCount,
  parseDuration,
  parsePort,
  parseRate,
  parseSize,
} from '../../terminal/flags.ts';
import { printError, printOut } from '../../terminal/output.ts';
import { onStopSignals } from '../../terminal/stop-signals.ts';
import { unixPath } from '../unix-flag.ts';
import type { DatagramFlags } from './datagram-flags.ts';
import type { LoadFlags } from './flags.ts';
import { paintRole, terminalWidth } from './results.ts';

type Kind = DatagramLoadPlan['kind'];

const SOCKETS_MAX = 1000;
const WINDOW = 64;
const TIMEOUT_MS = 1000;
const WARMUP_MS = 1000;
const DURATION_MS = 10_000;
const BYTES = 64;

/** Puts a load of datagrams on a server, and prints what came of it. */
export async function loadDatagrams(
  kind: Kind,
  words: readonly string[],
  flags: LoadFlags & DatagramFlags,
  command: Command,
): Promise<void> {
  const given = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
  const conditions = (flags.failIf ?? []).map(conditionOf);
  const plan = { ...planOf(kind, flags, given), target: await targetOf(words, flags) };
  using run = openDatagramLoad(plan, plan.loop as LoopName, nativeSys());
  using _ = onStopSignals(() => run.stop());
  const document = await run.run();
  for (const [code, count] of run.sendErrors) {
    printError(`sockloop: could not send ${counted(count, 'datagram')}: ${code}`);
  }
  tell(document, flags.json === true, conditions);
}

function conditionOf(text: string): DatagramCondition {
  try {
    return parseDatagramCondition(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`--fail-if: ${error.message}`);
  }
}

async function targetOf(words: readonly string[], { unix }: LoadFlags): Promise<SocketAddress> {
  if (unix !== undefined) return { family: 'UNIX', path: unixPath(unix) };
  const [host, port, ...more] = words;
  if (host === undefined || port === undefined || more.length > 0) {
    throw new UsageError('load takes a HOST and a PORT, or --unix PATH');
  }
  const endpoint = { host, port: parsePort(port, 1, 'PORT') };
  const addresses = await addressesWithin(endpoint, TIMEOUT_MS * 10, nativeSys());
  // Nobody tells which of them is served: of `localhost` it is mostly that of IPv4.
  const address = addresses.find(({ family }) => family === 'IPv4') ?? addresses[0];
  if (address === undefined) throw new Error(`${host} has no address`);
  return address;
}

function planOf(
  kind: Kind,
  flags: LoadFlags & DatagramFlags,
  given: (name: string) => boolean,
): Omit<DatagramLoadPlan, 'target'> {
  const {
    rate,
    pipeline,
    size,
    seed,
    connections,
    duration,
    warmup,
    timeout,
    loop = 'auto',
  } = flags;
  if (rate !== undefined && pipeline !== undefined) {
    throw new UsageError(
      '--rate sends whatever comes back, and --pipeline bounds what is under way',
    );
  }
  const loops = ['auto', ...backends.map(({ name }) => name)];
  if (!loops.includes(loop))
    throw new UsageError(`--loop takes ${loops.join(', ')}, not "${loop}"`);
  const model =
    rate === undefined
      ? {
          kind: 'closed' as const,
          window:
            pipeline === undefined ? WINDOW : parseCount(pipeline, 1, PIPELINE_MAX, '--pipeline'),
        }
      : { kind: 'open' as const, ratePerSecond: parseRate(rate, RATE_MAX, '--rate', 'datagrams') };
  const bytes = size === undefined ? BYTES : parseSize(size, PROBE_BYTES_MAX, '--size');
  if (bytes < PROBE_BYTES_MIN) {
    throw new UsageError(
      `--size takes ${PROBE_BYTES_MIN} bytes or more: a datagram carries its number`,
    );
  }
  return {
    kind,
    loop,
    model,
    bytes,
    sockets:
      connections !== undefined && given('connections')
        ? parseCount(connections, 1, SOCKETS_MAX, '--connections')
        : 1,
    seed: seed === undefined ? randomInt(SEED_MAX) : parseCount(seed, 0, SEED_MAX, '--seed'),
    durationMs:
      duration === undefined
        ? DURATION_MS
        : parseDuration(duration, '--duration', { msMax: DURATION_MS_MAX }),
    warmupMs:
      warmup === undefined
        ? WARMUP_MS
        : parseDuration(warmup, '--warmup', { zero: true, msMax: TIME_MS_MAX }),
    timeoutMs:
      timeout !== undefined && given('timeout') ? parseDuration(timeout, '--timeout') : TIMEOUT_MS,
    gso: flags.gso,
    gro: flags.gro === true,
  };
}

/** Throws where nothing came back, where bytes were wrong, or where a condition holds. */
function tell(
  document: DatagramLoadDocument,
  json: boolean,
  conditions: readonly DatagramCondition[],
): void {
  const judged = conditions.map((one) => ({ text: one.text, ...one.judge(document) }));
  if (json) printOut(JSON.stringify(document));
  else {
    const style = { width: terminalWidth(), paint: paintRole };
    for (const line of datagramSummary(document, style)) printOut(line);
    for (const { holds, text, words } of judged) {
      if (!holds) printOut(`  ${paintRole('good', 'passed')} ${text}: ${words}`);
    }
  }
  const { answered, corrupted, refused } = document.counts;
  if (answered === 0) {
    const why = refused > 0 ? 'nobody receives there (ECONNREFUSED)' : 'nothing came back';
    throw new Error(`nothing was measured: ${why}`);
  }
  if (corrupted > 0)
    throw new Error(`${corrupted} datagrams came back with other bytes than were sent`);
  const failed = judged.filter(({ holds }) => holds);
  if (failed.length === 0) return;
  throw new Error(failed.map(({ text, words }) => `--fail-if ${text}: ${words}`).join('; '));
}
