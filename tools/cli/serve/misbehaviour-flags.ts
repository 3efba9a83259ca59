import type { Command } from 'commander';
import {
  CLOSE_HOWS,
  type CloseHow,
  type MisbehaviourPlan,
  type MisbehaviourTotals,
} from '../../echo/misbehaviour/plan.ts';
import { UsageError } from '../../terminal/exit.ts';
import { parseCount, parseDuration, parseSize } from '../../terminal/flags.ts';

/** The default of --burst: what the bandwidth gives in this time. */
const BURST_MS = 50;

const COUNT_MAX = Number.MAX_SAFE_INTEGER;

/** The flags by which a server misbehaves. */
export interface MisbehaviourFlags {
  readonly delay?: string;
  readonly jitter?: string;
  readonly drop?: string;
  readonly corrupt?: string;
  readonly bandwidth?: string;
  readonly burst?: string;
  readonly closeAfter?: string;
  readonly closeAfterBytes?: string;
  readonly closeHow?: string;
  readonly refuse?: string;
  readonly misbehaveSeed?: string;
}

/** What the flags mean, below the list of them. */
const MEANING = `
A message is a line, or in mode echo what is received at once. Each choice is
made by the seed and the number of the connection: the same again by the same.
Answers that wait keep their order, and their client is not read from while they
take more than 1 MiB. At its end the server prints what it did, to be compared
with what a client found.
`;

/** Adds the flags to `sockloop serve`. */
export function addMisbehaviour(command: Command): Command {
  return command
    .optionsGroup('To test clients, a server that misbehaves by a known amount:')
    .option('--delay <time>', 'send each answer so long after its message came: 5ms, 0.5')
    .option('--jitter <time>', 'and by up to so much later, evenly distributed')
    .option('--drop <percent>', 'messages without an answer: 1%')
    .option('--corrupt <percent>', 'answered bytes with one bit flipped: 0.01%')
    .option('--bandwidth <size>', 'bytes per second to each connection: 64k, 1M')
    .option('--burst <size>', `bytes at once after a pause; ${BURST_MS} ms of it if left out`)
    .option('--close-after <n>', 'close a connection behind so many messages')
    .option('--close-after-bytes <size>', 'close it behind so many bytes of answers')
    .option('--close-how <how>', 'end in order, or by a reset: fin, reset', 'fin')
    .option('--refuse <percent>', 'connections that are closed once they are accepted')
    .option('--misbehave-seed <n>', 'of all random choices', '1')
    .addHelpText('after', MEANING);
}

/**
 * The plan of the flags; null for a server that behaves. Throws a UsageError for a wrong value.
 * `idleTimeoutMs` is when a connection is closed on which nothing moves.
 */
export function misbehaviourOf(
  flags: MisbehaviourFlags,
  idleTimeoutMs: number | null,
): MisbehaviourPlan | null {
  const plan = planOf(flags);
  const { delayMs, jitterMs } = plan;
  if (delayMs + jitterMs > 0 && idleTimeoutMs !== null && idleTimeoutMs <= delayMs + jitterMs) {
    throw new UsageError(
      `--idle-timeout takes more than --delay and --jitter (${delayMs + jitterMs} ms), ` +
        'or it would close clients that wait',
    );
  }
  return doesAnything(plan) ? plan : null;
}

function planOf(flags: MisbehaviourFlags): MisbehaviourPlan {
  const { delay, jitter, bandwidth, closeAfter, closeAfterBytes } = flags;
  const rate = bandwidth === undefined ? null : bandwidthOf(bandwidth);
  return {
    seed: parseCount(flags.misbehaveSeed ?? '1', 0, COUNT_MAX, '--misbehave-seed'),
    delayMs: delay === undefined ? 0 : parseDuration(delay, '--delay', { zero: true }),
    jitterMs: jitter === undefined ? 0 : parseDuration(jitter, '--jitter', { zero: true }),
    dropShare: shareOf(flags.drop, '--drop'),
    corruptShare: shareOf(flags.corrupt, '--corrupt'),
    refuseShare: shareOf(flags.refuse, '--refuse'),
    closeAfterMessages:
      closeAfter === undefined ? null : parseCount(closeAfter, 1, COUNT_MAX, '--close-after'),
    closeAfterBytes:
      closeAfterBytes === undefined
        ? null
        : parseSize(closeAfterBytes, COUNT_MAX, '--close-after-bytes'),
    closeHow: closeHowOf(flags.closeHow ?? 'fin'),
    bandwidthBytesPerSecond: rate,
    burstBytes: burstOf(flags.burst, rate),
  };
}

function doesAnything(plan: MisbehaviourPlan): boolean {
  const { closeAfterMessages, closeAfterBytes, bandwidthBytesPerSecond } = plan;
  const sum = plan.delayMs + plan.jitterMs + plan.dropShare + plan.corruptShare + plan.refuseShare;
  const limits = [closeAfterMessages, closeAfterBytes, bandwidthBytesPerSecond];
  return sum > 0 || limits.some((limit) => limit !== null);
}

/** `1%` as 0.01. */
function shareOf(text: string | undefined, what: string): number {
  if (text === undefined) return 0;
  const percent = /^\d+(\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) : Number.NaN;
  if (percent >= 0 && percent <= 100) return percent / 100;
  throw new UsageError(`${what} takes a share from 0% to 100%, such as 1% or 0.01%, not "${text}"`);
}

function bandwidthOf(text: string): number {
  return parseSize(text.replace(/\/s$/, ''), COUNT_MAX, '--bandwidth');
}

function burstOf(text: string | undefined, rate: number | null): number {
  if (rate === null && text !== undefined) {
    throw new UsageError('--burst is the size of what --bandwidth lets through: give both');
  }
  if (text !== undefined) return parseSize(text, COUNT_MAX, '--burst');
  return Math.max(1, Math.ceil(((rate ?? 0) * BURST_MS) / 1000));
}

function closeHowOf(text: string): CloseHow {
  const how = CLOSE_HOWS.find((name) => name === text);
  if (how !== undefined) return how;
  throw new UsageError(`--close-how takes ${CLOSE_HOWS.join(' or ')}, not "${text}"`);
}

/** What the server is going to do. */
export function planWords(plan: MisbehaviourPlan): string {
  const { delayMs, jitterMs, closeAfterMessages, closeAfterBytes, bandwidthBytesPerSecond } = plan;
  const shares = [
    ['drop', plan.dropShare],
    ['corrupt', plan.corruptShare],
    ['refuse', plan.refuseShare],
  ] as const;
  const words = [
    ...(delayMs + jitterMs === 0 ? [] : [`delay ${delayMs} to ${delayMs + jitterMs} ms`]),
    ...shares.flatMap(([name, share]) =>
      share === 0 ? [] : [`${name} ${Number((share * 100).toPrecision(12))} %`],
    ),
    ...(bandwidthBytesPerSecond === null
      ? []
      : [`bandwidth ${bandwidthBytesPerSecond} bytes/s in bursts of ${plan.burstBytes}`]),
    ...(closeAfterMessages === null ? [] : [`close after ${closeAfterMessages} messages`]),
    ...(closeAfterBytes === null ? [] : [`close after ${closeAfterBytes} bytes`]),
  ];
  return `misbehaves by seed ${plan.seed}: ${words.join(', ')}`;
}

/** What the server has done; null for a server that behaves. */
export function misbehavedWords(totals: MisbehaviourTotals | undefined): string | null {
  if (totals === undefined) return null;
  const { messages, dropped, corrupted, delayed, delayUs, closed, refused } = totals;
  const meanMs = Number((delayUs / Math.max(1, delayed) / 1000).toPrecision(3));
  const answers = [
    [dropped, `${dropped} dropped (${totals.droppedBytes} bytes)`],
    [corrupted, `${corrupted} corrupted (${totals.corruptedBytes} bytes)`],
    [delayed, `${delayed} delayed (${meanMs} ms on average)`],
    [totals.throttledBytes, `${totals.throttledBytes} bytes waited for bandwidth`],
  ] as const;
  const connections = [
    [closed, `${closed} closed`],
    [refused, `${refused} refused`],
  ] as const;
  const wordsOf = (counts: readonly (readonly [number, string])[]): string[] =>
    counts.flatMap(([count, words]) => (count === 0 ? [] : [words]));
  const noun = messages === 1 ? 'message' : 'messages';
  const ofMessages = [`${messages} ${noun}`, ...wordsOf(answers)].join(', ');
  const ofConnections = wordsOf(connections).join(', ');
  const more = ofConnections === '' ? '' : `; connections: ${ofConnections}`;
  return `misbehaved: ${ofMessages}${more}`;
}
