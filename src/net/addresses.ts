import { lookup as nodeLookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Endpoint } from '../socket/create.ts';
import { resolve } from '../socket/resolve.ts';
import { nativeSys } from '../sys/native.ts';
import { hostText, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { ResolveError, sysError } from '../sys/sys-error.ts';

/**
 * Looks up a host without blocking. Calls `done` once, from Node's own loop, with an error or with
 * numeric addresses in the order in which to try them.
 */
export type Lookup = (
  host: string,
  done: (error: Error | null, addresses: readonly string[]) => void,
) => void;

let underWay = 0;

/**
 * The number of pending look-ups of this thread. They cannot be cancelled, and `process.exit()`
 * waits for the pool thread of each.
 */
export function lookupsUnderWay(): number {
  return underWay;
}

/** The system's resolver, on a thread of Node's pool: getaddrinfo(3), in the order of RFC 6724. */
export const systemLookup: Lookup = (host, done) => {
  if (host === '' || host.includes('\0')) {
    // Node resolves these to the loopback address, or to the name before the NUL byte.
    setImmediate(done, Object.assign(new Error('no name'), { code: 'ENOTFOUND' }), []);
    return;
  }
  nodeLookup(host, { all: true, order: 'verbatim' }, (error, found) => {
    underWay -= 1;
    const addresses = error === null ? found.map(({ address }) => address) : [];
    done(error, zonesRestored(host, addresses, nativeSys()));
  });
  // After the call, which throws for an invalid name.
  underWay += 1;
};

/** fe80::/10, without a zone. */
const LINK_LOCAL = /^fe[89ab][0-9a-f]:[^%]*$/i;

/**
 * `addresses` of `host` with the zones of the link-local ones (`fe80::1%2`), without which none can
 * be connected to. Node drops them; the resolver, which has just answered, is asked again for them.
 */
export function zonesRestored(
  host: string,
  addresses: readonly string[],
  sys: Sys,
): readonly string[] {
  if (!addresses.some((address) => LINK_LOCAL.test(address))) return addresses;
  try {
    return resolve(host, 0, { sys }).flatMap((found) =>
      found.family === 'UNIX' ? [] : [hostText(found)],
    );
  } catch (error) {
    if (error instanceof ResolveError) return addresses;
    throw error;
  }
}

/**
 * The addresses of `endpoint`, in the order in which to try them, looked up on Node's thread pool.
 *
 * Rejects with a ResolveError, or after `timeoutMs` with a SysError `ETIMEDOUT`; the look-up itself
 * cannot be cancelled.
 */
export async function addressesWithin(
  endpoint: Endpoint,
  timeoutMs: number,
  sys: Sys,
): Promise<SocketAddress[]> {
  if ('path' in endpoint) return [{ family: 'UNIX', path: endpoint.path }];
  const { host, port } = endpoint;
  if (host === null || isNumeric(host)) return numericAddresses(host, port, sys);
  const found = await new Promise<readonly string[]>((resolve, reject) => {
    const late = setTimeout(() => reject(lateLookup(host, timeoutMs, sys)), timeoutMs);
    systemLookup(host, (error, addresses) => {
      clearTimeout(late);
      if (error !== null) reject(lookupError(error, host, sys));
      else if (addresses.length === 0) reject(noAddress(host));
      else resolve(addresses);
    });
  });
  return found.flatMap((address) => numericAddresses(address, port, sys));
}

function lateLookup(host: string, timeoutMs: number, sys: Sys): Error {
  const reason = `no answer within ${timeoutMs} ms`;
  const what = `resolve ${JSON.stringify(host)}`;
  return sysError(sys, -sys.abi.errno.ETIMEDOUT, 'getaddrinfo', what, undefined, reason);
}

/** The error of a look-up that succeeded without an address. */
export function noAddress(host: string): Error {
  return new Error(`the look-up of ${JSON.stringify(host)} found no address`);
}

/** True if `host` needs no resolver: a numeric address, or null, the loopback address. */
export function isNumeric(host: string | null): boolean {
  return host === null || isIP(host) !== 0;
}

/** The addresses of a numeric host. getaddrinfo(3) parses zones (`fe80::1%eth0`) offline. */
export function numericAddresses(host: string | null, port: number, sys: Sys): SocketAddress[] {
  if (host !== null && !host.includes('%')) {
    return [{ family: isIP(host) === 4 ? 'IPv4' : 'IPv6', address: host, port }];
  }
  return resolve(host, port, { sys });
}

/** The addresses in the order of RFC 8305, section 4: families alternate, the first stays first. */
export function interleaved(addresses: readonly SocketAddress[]): SocketAddress[] {
  const first = addresses[0]?.family;
  const one = addresses.filter(({ family }) => family === first);
  const other = addresses.filter(({ family }) => family !== first);
  const mixed: SocketAddress[] = [];
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    mixed.push(...one.slice(index, index + 1), ...other.slice(index, index + 1));
  }
  return mixed;
}

/** The error of Node's resolver as a ResolveError, where it has an EAI code. */
export function lookupError(error: Error, host: string, sys: Sys): Error {
  const code = 'code' in error ? error.code : undefined;
  // dns.lookup renames one code.
  const eai = code === 'ENOTFOUND' ? 'EAI_NONAME' : code;
  const number = Object.entries(sys.abi.constants).find(([constant]) => constant === eai)?.[1];
  return number === undefined ? error : new ResolveError(sys, number, 0, host);
}
