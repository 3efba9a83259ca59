import type { AddressFamily, SocketAddress } from '../sys/sockaddr.ts';

/**
 * An address as a caller may write it: with a family, or with the family of the socket left out.
 * `address` is numeric; names are for {@link resolve}.
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

/** A family with its article, for a message. */
export function withArticle(family: AddressFamily): string {
  return family === 'UNIX' ? 'a UNIX' : `an ${family}`;
}

/** `input` as an address of `family`. Throws a TypeError where it is of another one. */
export function addressOf(family: AddressFamily, input: AddressInput): SocketAddress {
  if ('family' in input) {
    if (input.family === family) return input;
    throw new TypeError(
      `${withArticle(family)} socket does not take ${withArticle(input.family)} address`,
    );
  }
  if ('path' in input) {
    if (family === 'UNIX') return { family, path: input.path };
    throw new TypeError(`an ${family} socket takes an address and a port, not a path`);
  }
  if (family === 'UNIX') throw new TypeError('a UNIX socket takes a path, not an address');
  return { ...input, family };
}
