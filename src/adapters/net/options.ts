import type { BlockList, LookupFunction } from 'node:net';

/** Options of a new {@link Socket}: those of node:net. */
export interface SocketOptions {
  /** A connected stream socket to take over. */
  readonly fd?: number;
  /** Whether this side stays open when the peer has ended its own. Default: false. */
  readonly allowHalfOpen?: boolean;
  /** With `fd`: whether what is received can be read. Default: true. */
  readonly readable?: boolean;
  /** With `fd`: whether the socket can be written to. Default: true. */
  readonly writable?: boolean;
  /** Destroys the socket when it aborts. */
  readonly signal?: AbortSignal;
  /** Addresses that it does not connect to: the error is `ERR_IP_BLOCKED`. */
  readonly blockList?: BlockList;
  /** `TCP_NODELAY` of a socket that connects. Default: false. */
  readonly noDelay?: boolean;
  /** `SO_KEEPALIVE` of a socket that connects. Default: false. */
  readonly keepAlive?: boolean;
  /** Milliseconds until the first keep-alive probe. Default: the system's. */
  readonly keepAliveInitialDelay?: number;
  /** How many bytes each side holds. Default: Node's. */
  readonly highWaterMark?: number;
  /** How many bytes are held for a slow reader. Default: `highWaterMark`. */
  readonly readableHighWaterMark?: number;
  /** `write` returns false above so many bytes. Default: `highWaterMark`. */
  readonly writableHighWaterMark?: number;
}

/** Where and how a {@link Socket} connects: those of node:net. */
export interface SocketConnectOptions {
  /** The port, 0 to 65535; not with a path. */
  readonly port?: number | string;
  /** A name or an address. Default: `localhost`. */
  readonly host?: string;
  /** The path of a UNIX socket. */
  readonly path?: string;
  /** The address of this machine to connect from. */
  readonly localAddress?: string;
  /** The port to connect from. */
  readonly localPort?: number;
  /** The family of the addresses to try: 4, 6, or 0 for both. Default: 0. */
  readonly family?: number;
  /** Hints for the look-up: see `dns.lookup`. */
  readonly hints?: number;
  /** Looks names up. Default: `dns.lookup`. */
  readonly lookup?: LookupFunction;
  /** Whether several addresses are tried. Default: `getDefaultAutoSelectFamily()`. */
  readonly autoSelectFamily?: boolean;
  /** Milliseconds for each address but the last, 10 and up. Default: Node's. */
  readonly autoSelectFamilyAttemptTimeout?: number;
  /** Milliseconds of silence until `timeout`, for `connect` and `createConnection`. */
  readonly timeout?: number;
}

/** Options of a new {@link Server}: those of node:net. */
export interface ServerOptions {
  /** Whether accepted sockets stay open when the peer has ended its side. Default: false. */
  readonly allowHalfOpen?: boolean;
  /** Whether accepted sockets are paused. Default: false. */
  readonly pauseOnConnect?: boolean;
  /** `TCP_NODELAY` of accepted sockets. Default: false. */
  readonly noDelay?: boolean;
  /** `SO_KEEPALIVE` of accepted sockets. Default: false. */
  readonly keepAlive?: boolean;
  /** Milliseconds until the first keep-alive probe. Default: the system's. */
  readonly keepAliveInitialDelay?: number;
  /** Connections from these addresses are closed at once. */
  readonly blockList?: BlockList;
  /** How many bytes each side of an accepted socket holds. Default: Node's. */
  readonly highWaterMark?: number;
}

/** Where and how a {@link Server} listens: those of node:net. */
export interface ListenOptions {
  /** The port, 0 for a free one; not with a path. */
  readonly port?: number | string | null;
  /** A name or an address. Default: all interfaces of both families. */
  readonly host?: string;
  /** The path of a UNIX socket. */
  readonly path?: string;
  /** The length of the queue of connections that are not accepted yet. Default: 511. */
  readonly backlog?: number;
  /** A socket that listens already, to take over. */
  readonly fd?: number;
  /** `SO_REUSEPORT`. Default: false. */
  readonly reusePort?: boolean;
  /** Whether `::` is IPv6 alone, without IPv4. Default: false. */
  readonly ipv6Only?: boolean;
  /** Whether all users may read from the UNIX socket. Default: false. */
  readonly readableAll?: boolean;
  /** Whether all users may write to the UNIX socket. Default: false. */
  readonly writableAll?: boolean;
  /** Accepted for programs of node:net: a server belongs to one process in any case. */
  readonly exclusive?: boolean;
  /** Closes the server when it aborts. */
  readonly signal?: AbortSignal;
}
