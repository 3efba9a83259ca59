import { type Endpoint, EventLoop, SysError } from 'sockloop';
import type { Sys } from 'sockloop/sys';
import { isNumeric, numericAddresses } from '#src/net/addresses.js';
import { hostText } from '#src/sys/sockaddr.js';

/** Where every connection of a run goes: a UNIX path, or a host that is numeric. */
export type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * The one address behind an endpoint: of a name with several, the one that answers, or the first
 * where none does. Rejects where the name cannot be resolved, or not within `timeoutMs`.
 */
export async function targetOf(endpoint: Endpoint, timeoutMs: number, sys: Sys): Promise<Target> {
  if ('path' in endpoint) return endpoint;
  const { host, port } = endpoint;
  if (host !== null && isNumeric(host)) {
    // A zone that this machine does not have is an error here, and not in every thread.
    numericAddresses(host, port, sys);
    return { host, port };
  }
  using loop = new EventLoop({ sys });
  let answered = '';
  let failures: readonly Error[] = [];
  loop.connect({
    host,
    port,
    timeoutMs,
    handlers: {
      open: (connection) => {
        const { remoteAddress } = connection;
        if (remoteAddress !== null && remoteAddress.family !== 'UNIX') {
          answered = hostText(remoteAddress);
        }
        connection.reset();
      },
    },
    onError: (error, errors) => {
      failures = [...errors, error];
    },
  });
  await loop.run();
  if (answered !== '') return { host: answered, port };
  const tried = failures.find((error) => error instanceof SysError && error.address !== undefined);
  if (tried instanceof SysError && tried.address !== undefined)
    return { host: tried.address, port };
  throw failures[0] ?? new Error(`"${host}" has no address`);
}
