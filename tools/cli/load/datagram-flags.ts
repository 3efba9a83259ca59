import { type Command, Option } from 'commander';
import type { DatagramLoadPlan } from '../../load/datagrams/document.ts';
import { UsageError } from '../../terminal/exit.ts';

/** The flags of `load` for datagrams. */
export interface DatagramFlags {
  readonly udp?: true;
  readonly dgram?: true;
  readonly seqpacket?: true;
  readonly gso: boolean;
  readonly gro?: true;
}

type Kind = DatagramLoadPlan['kind'];
const KINDS: readonly Kind[] = ['udp', 'dgram', 'seqpacket'];

/** The flags of `load` that datagrams have as well. */
const SHARED = new Set([
  ...['unix', 'connections', 'loop', 'pipeline', 'rate', 'size', 'seed', 'duration', 'warmup'],
  ...['timeout', 'json', 'failIf', 'udp', 'dgram', 'seqpacket', 'gso', 'gro'],
]);

/** Adds the flags to `sockloop load`. */
export function addDatagramFlags(command: Command): Command {
  return command
    .optionsGroup('Datagrams, of which loss, order and doubles are counted apart from the times:')
    .option('--udp', 'over UDP: --connections sockets (1), --pipeline under way on each (64)')
    .option('--dgram', 'with --unix: between UNIX sockets')
    .option('--seqpacket', 'with --unix: records over connections')
    .addOption(new Option('--no-gso', 'send them one by one, without UDP_SEGMENT'))
    .option('--gro', 'receive them joined by the kernel: UDP_GRO');
}

/** What kind of datagrams the flags ask for; null for connections of bytes. */
export function datagramKindOf(
  flags: DatagramFlags & { readonly unix?: string },
  command: Command,
): Kind | null {
  const [kind, other] = KINDS.filter((one) => flags[one] === true);
  if (kind === undefined) {
    for (const name of ['gso', 'gro'] as const) {
      if (command.getOptionValueSource(name) !== 'cli') continue;
      throw new UsageError(`--${name === 'gso' ? 'no-gso' : name} goes with --udp`);
    }
    return null;
  }
  if (other !== undefined) throw new UsageError(`--${kind} and --${other} exclude each other`);
  if (kind === 'udp' && flags.unix !== undefined) {
    throw new UsageError('--udp has a port: to a UNIX socket datagrams are --dgram');
  }
  if (kind !== 'udp' && flags.unix === undefined) {
    throw new UsageError(`--${kind} is for UNIX sockets: it goes with --unix PATH`);
  }
  const others = Object.keys(command.opts()).find(
    (name) => !SHARED.has(name) && command.getOptionValueSource(name) === 'cli',
  );
  if (others === undefined) return kind;
  const flag = command.options.find((option) => option.attributeName() === others)?.long ?? others;
  throw new UsageError(`${flag} is for connections of bytes, which --${kind} has not`);
}
