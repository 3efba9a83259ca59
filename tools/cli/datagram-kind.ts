import type { Command } from 'commander';
import type { DatagramKind } from '../echo/datagrams/plan.ts';
import { UsageError } from '../terminal/exit.ts';

/** The flags that choose datagrams instead of a connection of bytes. */
export interface DatagramKindFlags {
  readonly udp?: true;
  readonly dgram?: true;
  readonly seqpacket?: true;
}

const KINDS: readonly DatagramKind[] = ['udp', 'dgram', 'seqpacket'];

/**
 * What kind of datagrams the flags of `command` ask for; null for connections of bytes. `shared`
 * are the flags of the command, beside those that choose, that have a meaning for datagrams.
 */
export function datagramKindOf(
  flags: DatagramKindFlags & { readonly unix?: string },
  command: Command,
  shared: readonly string[],
): DatagramKind | null {
  const [kind, ...others] = KINDS.filter((one) => flags[one] === true);
  if (kind === undefined) return null;
  if (others.length > 0) {
    throw new UsageError('--udp, --dgram and --seqpacket exclude each other');
  }
  if (kind === 'udp' && flags.unix !== undefined) {
    throw new UsageError('--udp has a port: on a UNIX socket datagrams are --dgram');
  }
  if (kind !== 'udp' && flags.unix === undefined) {
    throw new UsageError(`--${kind} is for UNIX sockets: it goes with --unix PATH`);
  }
  refuseOthers(kind, command, shared);
  return kind;
}

/** Guards, restarts, modes and what else is about connections has no meaning for datagrams. */
function refuseOthers(kind: DatagramKind, command: Command, shared: readonly string[]): void {
  const meant = new Set<string>([...KINDS, ...shared]);
  const other = Object.keys(command.opts()).find(
    (name) => !meant.has(name) && command.getOptionValueSource(name) === 'cli',
  );
  if (other === undefined) return;
  const flag = command.options.find((option) => option.attributeName() === other)?.long ?? other;
  throw new UsageError(`${flag} is for connections of bytes, which --${kind} has not`);
}
