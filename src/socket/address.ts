import { requireObject } from '../base/arguments.ts';
import type { AddressFamily, SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { zoneResolved } from './zone.ts';

/**
 * An address as an argument: the family may be left out. `address` is numeric, and may have a zone
 * (`fe80::1%eth0`); {@link resolve} looks up names.
 */
export type AddressInput =
  | SocketAddress
  | {
      readonly address: string;
      readonly port: number;
      readonly flowInfo?: number;
      readonly scopeId?: number;
    }
  | { readonly path: string };

/** A family with its article, for messages. */
export function withArticle(family: AddressFamily): string {
  return family === 'UNIX' ? 'a UNIX' : `an ${family}`;
}

/**
 * `input` as an address of `family`. Throws a TypeError for another family, a RangeError for a zone
 * that this machine does not have.
 */
export function addressOf(family: AddressFamily, input: AddressInput, sys: Sys): SocketAddress {
  requireObject('an address', input);
  if ('family' in input) {
    if (input.family === family) return zoneResolved(input, sys);
    throw new TypeError(
      `${withArticle(family)} socket does not take ${withArticle(input.family)} address`,
    );
  }
  if ('path' in input) {
    if (family === 'UNIX') return { family, path: input.path };
    throw new TypeError(`an ${family} socket takes an address and a port, not a path`);
  }
  if (family === 'UNIX') throw new TypeError('a UNIX socket takes a path, not an address');
  return zoneResolved({ ...input, family }, sys);
}
