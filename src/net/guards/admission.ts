import type { SocketAddress } from '../../sys/sockaddr.ts';
import { type AddressWords, addressWords } from './address-ranges.ts';
import { type AddressKey, keyOf } from './address-table.ts';
import type { GuardPlan } from './guards.ts';
import type { RefusalKind } from './refusals.ts';

/** Why a connection is refused before it has an object. */
export const REASONS = {
  denied: 'its address is denied',
  notAllowed: 'its address is not allowed',
  perAddress: 'its address has too many connections',
  connections: 'there are too many connections',
  acceptRate: 'too many connections come at once',
  proxyUntrusted: 'it comes from no trusted proxy',
} as const satisfies Partial<Record<RefusalKind, string>>;

export type RefusalAtOnce = keyof typeof REASONS;
export type AddressRefusal = 'denied' | 'notAllowed' | 'perAddress';

type AddressPlan = Pick<GuardPlan, 'allow' | 'deny' | 'connectionsPerAddressMax'>;

/** Whether it matters where connections come from. */
export function looksAtAddresses({ allow, deny, connectionsPerAddressMax }: AddressPlan): boolean {
  return allow !== null || deny !== null || connectionsPerAddressMax !== Number.POSITIVE_INFINITY;
}

/** The words of an IP address; null for a client that has none, or has left. */
export function wordsOf(remote: SocketAddress | null): AddressWords | null {
  return remote === null || remote.family === 'UNIX' ? null : addressWords(remote.address);
}

/** Whether a connection is refused for its address, of which `counts` tells the open ones. */
export function addressRefusal(
  { allow, deny, connectionsPerAddressMax }: AddressPlan,
  words: AddressWords | null,
  counts: { count(key: AddressKey): number },
): AddressRefusal | null {
  // A client that has left already, or that its proxy does not name.
  if (words === null) return allow === null ? null : 'notAllowed';
  if (deny?.has(words)) return 'denied';
  if (allow !== null && !allow.has(words)) return 'notAllowed';
  if (connectionsPerAddressMax === Number.POSITIVE_INFINITY) return null;
  return counts.count(keyOf(words)) < connectionsPerAddressMax ? null : 'perAddress';
}
