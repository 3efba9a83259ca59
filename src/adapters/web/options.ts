import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import {
  requireFlag,
  requireObject,
  requireText,
  requireWhole,
  shown,
} from '../../base/arguments.ts';
import type { EventLoop } from '../../net/event-loop.ts';
import { RECEIVED_BYTES_HIGH } from '../../net/limits.ts';
import { type ClientTls, contextOf } from '../../net/tls/tls-client.ts';
import type { ServerTls } from '../../net/tls/tls-server.ts';

/** Whether a socket is encrypted: never, from the start, or once `startTls` is called. */
export type SecureTransportKind = 'off' | 'on' | 'starttls';

/** Options of {@link connect} and {@link listen} for each socket. */
export interface SocketSettings {
  /** Whether the socket is encrypted. Default: `off`. */
  readonly secureTransport?: SecureTransportKind;
  /**
   * Whether the socket stays writable once the peer has ended its side. Default: false, which
   * closes it then, behind what was written.
   */
  readonly allowHalfOpen?: boolean;
  /** The protocols to offer or to choose from (ALPN), the best first; not with `off`. */
  readonly alpn?: readonly string[];
  /**
   * How many bytes each stream holds: what was received and not read pauses the connection above
   * it, and `ready` of a writer waits above it. Default: 64 KiB. Not in the proposal; Cloudflare's.
   */
  readonly highWaterMark?: number;
  /** The loop to use. Default: that of the thread, attached to Node's. Not in the proposal. */
  readonly loop?: EventLoop;
}

/** Options of {@link connect}. */
export interface SocketOptions extends SocketSettings {
  /**
   * The name of the server (SNI), which its certificate has to have; not with `off`. Default: the
   * hostname, if it is a name.
   */
  readonly sni?: string;
  /**
   * What `tls.connect` of Node takes, by its names: `ca`, `key`, `cert`, `minVersion`, ...; not
   * with `off`. What is made of an object of options is kept: pass the same one to each call. Not
   * in the proposal.
   */
  readonly tls?: ClientTls;
  /** Closes the socket when it aborts, as `close(signal.reason)` does. Not in the proposal. */
  readonly signal?: AbortSignal;
}

/** Options of {@link listen}. */
export interface ListenOptions extends SocketSettings {
  /** What `tls.createServer` of Node takes: `key`, `cert`, ...; needed, except for `off`. */
  readonly tls?: ServerTls;
  /** Closes the listener when it aborts. */
  readonly signal?: AbortSignal;
  /** The length of the queue of connections not yet accepted, 0 to 2^31 - 1. Default: SOMAXCONN. */
  readonly backlog?: number;
  /** SO_REUSEPORT: several sockets listen on the port, and the kernel balances connections. */
  readonly reusePort?: boolean;
  /** The most open connections, 1 and up; further ones wait. Default: no limit. */
  readonly maxConnections?: number;
}

/** The checked settings of a socket. */
export interface CheckedSettings {
  readonly secureTransport: SecureTransportKind;
  readonly allowHalfOpen: boolean;
  readonly highWaterMark: number;
  /** How it does TLS; null if it never does. */
  readonly tls: TlsRole | null;
}

/** The side of TLS that a socket is, and what node:tls takes for it. */
type TlsRole =
  | { readonly isServer: false; readonly tls: ClientTls }
  | { readonly isServer: true; readonly tls: ServerTls };

const KINDS: readonly unknown[] = ['off', 'on', 'starttls'];

/** Throws a TypeError or RangeError for a wrong option. */
function checkedSettings(options: SocketSettings): CheckedSettings {
  requireObject('options', options);
  const {
    secureTransport = 'off',
    allowHalfOpen = false,
    highWaterMark = RECEIVED_BYTES_HIGH,
  } = options;
  if (!KINDS.includes(secureTransport)) {
    throw new TypeError(`secureTransport is off, on or starttls, not ${shown(secureTransport)}`);
  }
  requireFlag('allowHalfOpen', allowHalfOpen);
  requireWhole('highWaterMark', highWaterMark, 0, Number.MAX_SAFE_INTEGER);
  return { secureTransport, allowHalfOpen, highWaterMark, tls: null };
}

/** The checked settings of a client of `host`. */
export function clientSettings(options: SocketOptions, host: string | null): CheckedSettings {
  const settings = checkedSettings(options);
  if (settings.secureTransport === 'off') {
    refuse(options, ['sni', 'alpn', 'tls']);
    return settings;
  }
  const { tls = NO_TLS, sni } = options;
  requireObject('tls', tls);
  if (sni !== undefined) requireText('sni', sni);
  const servername = sni ?? tls.servername ?? (host !== null && isIP(host) === 0 ? host : null);
  const client = {
    ...tls,
    ...protocols(options),
    ...(servername === null ? {} : { servername }),
    // Kept by the object of the program, which has it made once.
    secureContext: contextOf(tls),
  };
  return { ...settings, tls: { isServer: false, tls: client } };
}

/** The checked settings of the clients of a listener. */
export function serverSettings(options: ListenOptions): CheckedSettings {
  const settings = checkedSettings(options);
  if (settings.secureTransport === 'off') {
    refuse(options, ['alpn', 'tls']);
    return settings;
  }
  const { tls } = options;
  if (tls === undefined)
    throw new TypeError('tls is needed: the key and certificate of the server');
  requireObject('tls', tls);
  // What is wrong with them is told now, and not to the first client.
  createSecureContext(tls);
  return { ...settings, tls: { isServer: true, tls: { ...tls, ...protocols(options) } } };
}

const NO_TLS: ClientTls = {};

function protocols({ alpn }: SocketSettings): { ALPNProtocols?: string[] } {
  if (alpn === undefined) return {};
  if (!Array.isArray(alpn)) throw new TypeError(`alpn is an array of names, not ${shown(alpn)}`);
  for (const name of alpn) requireText('a protocol of alpn', name);
  return alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] };
}

function refuse(options: object, names: readonly string[]): void {
  for (const name of names) {
    if ((options as Record<string, unknown>)[name] === undefined) continue;
    throw new TypeError(`${name} is for secureTransport on or starttls, and it is off`);
  }
}
