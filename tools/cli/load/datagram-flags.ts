import { type Command, Option } from 'commander';
import type { DatagramKind } from '../../echo/datagrams/plan.ts';
import { UsageError } from '../../terminal/exit.ts';
import { type DatagramKindFlags, datagramKindOf } from '../datagram-kind.ts';

/** The flags of `load` for datagrams. */
export interface DatagramFlags extends DatagramKindFlags {
  readonly gso: boolean;
  readonly gro?: true;
}

/** The flags of `load` that datagrams have as well. */
const SHARED = [
  ...['unix', 'connections', 'loop', 'pipeline', 'rate', 'size', 'seed', 'duration', 'warmup'],
  ...['timeout', 'json', 'failIf', 'gso', 'gro'],
];

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

/** What kind of datagrams the load is; null for connections of bytes. */
export function loadKindOf(
  flags: DatagramFlags & { readonly unix?: string },
  command: Command,
): DatagramKind | null {
  const kind = datagramKindOf(flags, command, SHARED);
  if (kind === 'udp') return kind;
  for (const name of ['gso', 'gro'] as const) {
    if (command.getOptionValueSource(name) !== 'cli') continue;
    throw new UsageError(`--${name === 'gso' ? 'no-gso' : name} goes with --udp`);
  }
  return kind;
}
