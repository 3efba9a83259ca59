import type { Command } from 'commander';
import type { Guards } from 'sockloop';
import { AddressRanges } from '#src/net/guards/address-ranges.js';
import type { GuardPlan, RefusalTotals } from '../../echo/guards/plan.ts';
import type { ServerLoop } from '../../echo/servers.ts';
import { UsageError } from '../../terminal/exit.ts';
import { parseCount, parseDuration, parseRate } from '../../terminal/flags.ts';

/** On an open network: a client that says nothing, and one that takes nothing. */
const OPEN_FIRST_BYTE_MS = 30_000;
const OPEN_WRITE_STALL_MS = 30_000;

/** On an open network, the connections of one address: it must not take every descriptor. */
const OPEN_PER_ADDRESS_MAX = 1024;

const COUNT_MAX = Number.MAX_SAFE_INTEGER;

/** The flags of the guards. */
export interface GuardFlags {
  readonly allow?: string;
  readonly deny?: string;
  readonly maxPerAddress?: string;
  readonly acceptRate?: string;
  readonly firstByteTimeout?: string;
  readonly writeTimeout?: string;
  readonly lifetime?: string;
  readonly proxyProtocol?: string;
}

/** What the flags mean, below the list of them. */
const MEANING = `
A host that is not the loopback is an open network. There a client has 30 s for
its first byte and 30 s to take a part of its answer, and an address has at most
${OPEN_PER_ADDRESS_MAX} connections, unless these flags say otherwise; off turns one of them off.
Limits count for each event loop by itself; the accept rate is shared out.
`;

/** Adds the flags to `sockloop serve`. */
export function addGuards(command: Command): Command {
  return command
    .optionsGroup('To serve an open network:')
    .option('--allow <blocks>', 'serve only these: 192.0.2.0/24,2001:db8::/32')
    .option('--deny <blocks>', 'do not serve these, though they be allowed')
    .option('--max-per-address <n>', 'connections of one address, or of one IPv6 /64')
    .option('--accept-rate <n>', 'connections per second; more are refused')
    .option('--first-byte-timeout <time>', 'close a client that says nothing for so long: 30')
    .option('--write-timeout <time>', 'reset a client that takes nothing for so long: 30')
    .option('--lifetime <time>', 'close each connection after so long: 1h')
    .option('--proxy-protocol <blocks>', 'these send a PROXY header; others are not served')
    .addHelpText('after', MEANING);
}

const NAMES = {
  allow: '--allow',
  deny: '--deny',
  maxPerAddress: '--max-per-address',
  acceptRate: '--accept-rate',
  firstByteTimeout: '--first-byte-timeout',
  writeTimeout: '--write-timeout',
  lifetime: '--lifetime',
  proxyProtocol: '--proxy-protocol',
} as const satisfies Readonly<Record<keyof GuardFlags, string>>;

/** Where a server listens, as far as guards care. */
interface Place {
  readonly loop: ServerLoop;
  /** The host; null for a UNIX socket. */
  readonly host: string | null;
}

/** The plan of the flags; null without guards. Throws a UsageError for a wrong value. */
export function guardPlanOf(flags: GuardFlags, { loop, host }: Place): GuardPlan | null {
  const given = (Object.keys(NAMES) as (keyof GuardFlags)[]).filter((name) => name in flags);
  if ((loop === 'threads' || loop === 'blocking') && flags.proxyProtocol !== undefined) {
    const name = NAMES.proxyProtocol;
    throw new UsageError(`${name} takes an event loop: --loop ${loop} reads no headers`);
  }
  const isOpen = host !== null && !/^(127\.|::1$|localhost$)/.test(host);
  const guards: Omit<Guards, 'onRefused'> = {
    ...listOf('allow', flags.allow),
    ...listOf('deny', flags.deny),
    ...perAddressOf(flags.maxPerAddress, isOpen ? OPEN_PER_ADDRESS_MAX : null),
    ...rateOf(flags.acceptRate),
    firstByteMs: timeOf('firstByteTimeout', flags, isOpen ? OPEN_FIRST_BYTE_MS : null),
    writeStallMs: timeOf('writeTimeout', flags, isOpen ? OPEN_WRITE_STALL_MS : null),
    lifetimeMs: timeOf('lifetime', flags, null),
  };
  const from = blocksOf('proxyProtocol', flags.proxyProtocol);
  const proxyProtocol = from === null ? null : { from };
  if (host === null && proxyProtocol === null) refuseOnUnix(flags);
  return given.length > 0 || isOpen ? { guards, proxyProtocol } : null;
}

/** Clients of a UNIX socket have no addresses, but a proxy in front of it names some. */
function refuseOnUnix(flags: GuardFlags): void {
  for (const name of ['allow', 'deny', 'maxPerAddress'] as const) {
    if (flags[name] === undefined) continue;
    throw new UsageError(`${NAMES[name]} is about IP addresses, which --unix has not`);
  }
}

function blocksOf(name: 'allow' | 'deny' | 'proxyProtocol', text?: string): string[] | null {
  if (text === undefined) return null;
  const blocks = text.split(',');
  try {
    const isUnix = (block: string): boolean => name === 'proxyProtocol' && block === 'unix:';
    new AddressRanges(
      NAMES[name],
      blocks.filter((block) => !isUnix(block)),
    );
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  return blocks;
}

function listOf(name: 'allow' | 'deny', text?: string): Pick<Guards, 'allow' | 'deny'> {
  const blocks = blocksOf(name, text);
  return blocks === null ? {} : { [name]: blocks };
}

function perAddressOf(
  text: string | undefined,
  byDefault: number | null,
): Pick<Guards, 'connectionsPerAddressMax'> {
  if (text === 'off' || (text === undefined && byDefault === null)) return {};
  const max = text === undefined ? byDefault : null;
  return {
    connectionsPerAddressMax: max ?? parseCount(text ?? '', 1, COUNT_MAX, NAMES.maxPerAddress),
  };
}

function rateOf(text?: string): Pick<Guards, 'acceptsPerSecondMax'> {
  if (text === undefined || text === 'off') return {};
  return { acceptsPerSecondMax: parseRate(text, 1e6, NAMES.acceptRate, 'connections') };
}

function timeOf(
  name: 'firstByteTimeout' | 'writeTimeout' | 'lifetime',
  flags: GuardFlags,
  byDefault: number | null,
): number | null {
  const text = flags[name];
  if (text === undefined) return byDefault;
  return text === 'off' ? null : parseDuration(text, NAMES[name]);
}

/** How each kind of refusal is called when a server ends. */
const KINDS: Readonly<Record<keyof RefusalTotals, string>> = {
  denied: 'denied',
  notAllowed: 'not allowed',
  perAddress: 'above the limit of their address',
  connections: 'above the limit',
  acceptRate: 'above the accept rate',
  proxyUntrusted: 'not from a proxy',
  proxyHeader: 'with a wrong PROXY header',
  proxyTimeout: 'with a late PROXY header',
  firstByte: 'without a first byte',
  idle: 'idle',
  writeStall: 'that took nothing',
  lifetime: 'at the end of their time',
  queuedBytes: 'with too much queued',
};

/** `refused 3: 2 denied, 1 idle`; null if nothing was refused. */
export function refusedWords(totals: RefusalTotals | undefined): string | null {
  const counts = Object.entries(totals ?? {}).filter(([, count]) => count > 0);
  if (counts.length === 0) return null;
  const sum = counts.reduce((total, [, count]) => total + count, 0);
  const words = counts.map(([kind, count]) => `${count} ${KINDS[kind as keyof RefusalTotals]}`);
  return `refused or closed by a guard: ${sum} (${words.join(', ')})`;
}
